/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's end of the command channel.
 *
 * The snapshot of the machine holds guests that wait in a tiny shell loop on
 * their console; that loop unpacks the payload and becomes this program.  It
 * takes commands from the console, runs each in a process group of its own
 * and sends back what they print and how they end (frame.h).  One loop does
 * it all, and it never waits for a command, so that other commands, signals
 * above all, get through while the guest is busy.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

#include "frame.h"

#define MAX_COMMANDS 64
#define MAX_ARGS     256

struct command {
	bool used;
	unsigned long id;
	pid_t pid; /* 0 once it has ended */
	int fd[2]; /* its stdout and stderr, -1 when closed */
};

static struct command commands[MAX_COMMANDS];
static const char *const stream_name[2] = { "out", "err" };

static void say_exit(unsigned long id, int status)
{
	char text[16];

	send_frame(STDOUT_FILENO, "exit", id, text, (size_t)sprintf(text, "%d", status));
}

static void refuse(unsigned long id, const char *why)
{
	send_frame(STDOUT_FILENO, "err", id, why, strlen(why));
	say_exit(id, 126);
}

/* Forwards what a stream has now; closes it at its end. */
static void drain(struct command *command, int stream)
{
	char data[CHUNK];
	ssize_t n;

	while (command->fd[stream] >= 0) {
		n = read(command->fd[stream], data, sizeof(data));
		if (n < 0)
			return;
		if (n == 0) {
			close(command->fd[stream]);
			command->fd[stream] = -1;
			return;
		}
		send_frame(STDOUT_FILENO, stream_name[stream], command->id, data, (size_t)n);
	}
}

static void release_if_done(struct command *command)
{
	if (command->pid == 0 && command->fd[0] < 0 && command->fd[1] < 0)
		command->used = false;
}

/* In the child: never returns. */
static void become(char **argv, int out, int err)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void run(struct frame *frame)
{
	char *argv[MAX_ARGS + 1];
	int argc = 0, out[2], err[2];
	struct command *command = commands;

	for (char *p = frame->text; p < frame->text + frame->len && argc < MAX_ARGS;
	     p += strlen(p) + 1)
		argv[argc++] = p;
	argv[argc] = NULL;
	while (command < commands + MAX_COMMANDS && command->used)
		command++;
	if (argc == 0 || command == commands + MAX_COMMANDS) {
		refuse(frame->id, "agent: no command, or too many at once\n");
		return;
	}
	if (pipe2(out, O_CLOEXEC) != 0) {
		refuse(frame->id, "agent: no pipe\n");
		return;
	}
	if (pipe2(err, O_CLOEXEC) != 0) {
		close(out[0]);
		close(out[1]);
		refuse(frame->id, "agent: no pipe\n");
		return;
	}
	*command = (struct command){ true, frame->id, fork(), { out[0], err[0] } };
	if (command->pid == 0)
		become(argv, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	if (command->pid < 0) {
		command->used = false;
		close(out[0]);
		close(err[0]);
		refuse(frame->id, "agent: cannot fork\n");
		return;
	}
	setpgid(command->pid, command->pid);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
}

static void handle_line(char *line, void *arg)
{
	struct frame frame;

	(void)arg;
	if (!parse_frame(line, &frame))
		return;
	if (strcmp(frame.kind, "run") == 0) {
		run(&frame);
		return;
	}
	/* Another hub, as the console is another one: we were restored. */
	if (strcmp(frame.kind, "hey") == 0)
		send_frame(STDOUT_FILENO, "hello", 0, "", 0);
	if (strcmp(frame.kind, "sig") != 0)
		return;
	for (int i = 0; i < MAX_COMMANDS; i++)
		if (commands[i].used && commands[i].pid > 0 && commands[i].id == frame.id)
			kill(-commands[i].pid, atoi(frame.text));
}

/*
 * A command is over when its process is, even if something it left behind
 * holds its output open: that is forwarded until it closes too.
 */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < MAX_COMMANDS; i++) {
			struct command *command = &commands[i];

			if (!command->used || command->pid != pid)
				continue;
			drain(command, 0);
			drain(command, 1);
			command->pid = 0;
			say_exit(command->id,
				 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
			release_if_done(command);
		}
	}
}

static int signals_as_fd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(void)
{
	static struct line_buffer buffer;
	struct pollfd polled[2 + 2 * MAX_COMMANDS];
	struct signalfd_siginfo info;
	struct termios tty;
	char data[4096];

	if (tcgetattr(STDIN_FILENO, &tty) == 0) {
		cfmakeraw(&tty);
		tcsetattr(STDIN_FILENO, TCSANOW, &tty);
	}
	polled[0] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	polled[1] = (struct pollfd){ signals_as_fd(), POLLIN, 0 };
	send_frame(STDOUT_FILENO, "hello", 0, "", 0);
	for (;;) {
		for (int i = 0; i < 2 * MAX_COMMANDS; i++) {
			struct command *command = &commands[i / 2];

			polled[2 + i] = (struct pollfd){ command->used ? command->fd[i % 2] : -1,
							 POLLIN, 0 };
		}
		if (poll(polled, 2 + 2 * MAX_COMMANDS, -1) < 0)
			continue;
		if (polled[0].revents) {
			ssize_t n = read(STDIN_FILENO, data, sizeof(data));

			if (n > 0)
				feed_lines(&buffer, data, (size_t)n, handle_line, NULL);
		}
		for (int i = 0; i < 2 * MAX_COMMANDS; i++) {
			if (!polled[2 + i].revents)
				continue;
			drain(&commands[i / 2], i % 2);
			release_if_done(&commands[i / 2]);
		}
		if (polled[1].revents) {
			while (read(polled[1].fd, &info, sizeof(info)) > 0)
				;
			reap();
		}
	}
}
