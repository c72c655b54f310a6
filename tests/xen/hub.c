/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dom0's end of a guest's command channel: hub NAME TTY SOCKET START
 *
 * One hub per running guest owns the guest's console.  It writes the line
 * START to it, which makes the guest's waiting shell unpack the payload and
 * become the agent (or, of a guest that was restored, is the frame that the
 * agent there answers), and then passes commands and output between the agent
 * and any number of clients (exec.c) on a Unix socket.  Commands that come
 * before the agent is up wait for it.  When the guest goes, each client is
 * told, and the hub ends.  Console lines that are no frames are the guest's
 * own words; xenconsoled keeps them in its log.
 *
 * A client that reads slowly must not stop the others, so what cannot be
 * written at once is kept for it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#include "frame.h"
#include "client.h"

#define MAX_CLIENTS 64

struct client {
	int fd;		  /* -1: the slot is free */
	unsigned long id; /* of its command, 0 before it */
	char tag[TAG_MAX];
	char *request; /* received, not yet sent to the guest */
	size_t request_len;
	char *pending; /* to be sent to the client */
	size_t pending_len;
	bool closing; /* all is said: close once that is sent */
};

static struct client clients[MAX_CLIENTS];
static unsigned long last_id;
static bool agent_is_up;
static int tty;

static void drop(struct client *client)
{
	if (client->id && !client->closing && agent_is_up)
		send_frame(tty, "sig", client->id, "9", 1);
	close(client->fd);
	free(client->request);
	free(client->pending);
	*client = (struct client){ .fd = -1 };
}

static void flush(struct client *client)
{
	while (client->pending_len > 0) {
		ssize_t n = send(client->fd, client->pending, client->pending_len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			drop(client);
			return;
		}
		client->pending_len -= (size_t)n;
		memmove(client->pending, client->pending + n, client->pending_len);
	}
	if (client->closing)
		drop(client);
}

static void tell(struct client *client, char kind, const void *data, size_t len)
{
	struct reply reply = { kind, (unsigned)len };
	char *grown = realloc(client->pending, client->pending_len + sizeof(reply) + len);

	if (!grown) {
		drop(client);
		return;
	}
	client->pending = grown;
	memcpy(grown + client->pending_len, &reply, sizeof(reply));
	memcpy(grown + client->pending_len + sizeof(reply), data, len);
	client->pending_len += sizeof(reply) + len;
	flush(client);
}

static void finish(struct client *client, char kind, int status)
{
	client->closing = true;
	tell(client, kind, &status, sizeof(status));
}

static struct client *find_tag(const char *tag)
{
	for (int i = 0; i < MAX_CLIENTS; i++)
		if (clients[i].fd >= 0 && clients[i].id && !clients[i].closing &&
		    strcmp(clients[i].tag, tag) == 0)
			return &clients[i];
	return NULL;
}

/* Acts on a complete request (client.h); the agent must be up. */
static void act(struct client *client)
{
	struct request *request = (struct request *)client->request;
	const char *args = client->request + sizeof(*request);
	size_t len = client->request_len - sizeof(*request);
	struct client *target;
	char text[16];

	if (request->kind == REQUEST_RUN) {
		client->id = ++last_id;
		memcpy(client->tag, request->tag, TAG_MAX);
		send_frame(tty, "run", client->id, args, len);
	} else {
		target = find_tag(request->tag);
		if (target)
			send_frame(tty, "sig", target->id, text,
				   (size_t)sprintf(text, "%d", request->signal));
		finish(client, REPLY_EXIT, target ? 0 : 1);
	}
	if (client->fd >= 0) {
		free(client->request);
		client->request = NULL;
		client->request_len = 0;
	}
}

static bool is_complete(const struct client *client)
{
	struct request request;

	if (client->request_len < sizeof(request))
		return false;
	memcpy(&request, client->request, sizeof(request));
	return client->request_len >= sizeof(request) + request.args_len;
}

static void handle_client(struct client *client)
{
	char data[4096];
	ssize_t n = recv(client->fd, data, sizeof(data), MSG_DONTWAIT);
	char *grown;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(client);
		return;
	}
	grown = realloc(client->request, client->request_len + (size_t)n);
	if (!grown) {
		drop(client);
		return;
	}
	client->request = grown;
	memcpy(grown + client->request_len, data, (size_t)n);
	client->request_len += (size_t)n;
	if (agent_is_up && is_complete(client))
		act(client);
}

static void handle_line(char *line, void *arg)
{
	struct frame frame;

	(void)arg;
	if (!parse_frame(line, &frame))
		return;
	if (strcmp(frame.kind, "hello") == 0) {
		agent_is_up = true;
		for (int i = 0; i < MAX_CLIENTS; i++)
			if (clients[i].fd >= 0 && is_complete(&clients[i]))
				act(&clients[i]);
		return;
	}
	for (int i = 0; i < MAX_CLIENTS; i++) {
		struct client *client = &clients[i];

		if (client->fd < 0 || client->id != frame.id || client->closing || !client->id)
			continue;
		if (strcmp(frame.kind, "exit") == 0)
			finish(client, REPLY_EXIT, atoi(frame.text));
		else
			tell(client, strcmp(frame.kind, "err") == 0 ? REPLY_ERR : REPLY_OUT,
			     frame.text, frame.len);
	}
}

static void accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < MAX_CLIENTS; i++) {
		if (clients[i].fd < 0) {
			clients[i].fd = fd;
			return;
		}
	}
	close(fd);
}

/* False once the guest is gone: xenconsoled has closed its side then. */
static bool handle_tty(void)
{
	static struct line_buffer buffer;
	char data[4096];
	ssize_t n = read(tty, data, sizeof(data));

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		return false;
	feed_lines(&buffer, data, (size_t)n, handle_line, NULL);
	return true;
}

static int open_listener(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 16) != 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void serve(int listener)
{
	struct pollfd polled[2 + MAX_CLIENTS];

	for (;;) {
		polled[0] = (struct pollfd){ tty, POLLIN, 0 };
		polled[1] = (struct pollfd){ listener, POLLIN, 0 };
		for (int i = 0; i < MAX_CLIENTS; i++)
			polled[2 + i] = (struct pollfd){
				clients[i].fd,
				(short)(clients[i].pending_len ? POLLIN | POLLOUT : POLLIN), 0
			};
		if (poll(polled, 2 + MAX_CLIENTS, -1) < 0)
			continue;
		for (int i = 0; i < MAX_CLIENTS; i++) {
			if (polled[2 + i].revents & POLLOUT)
				flush(&clients[i]);
			if (clients[i].fd >= 0 && (polled[2 + i].revents & ~POLLOUT))
				handle_client(&clients[i]);
		}
		if (polled[1].revents)
			accept_client(listener);
		if (polled[0].revents && !handle_tty())
			return;
	}
}

int main(int argc, char **argv)
{
	struct termios settings;
	int listener;

	if (argc != 5) {
		fprintf(stderr, "usage: hub NAME TTY SOCKET START\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < MAX_CLIENTS; i++)
		clients[i].fd = -1;
	tty = open(argv[2], O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0 || tcgetattr(tty, &settings) != 0) {
		perror(argv[2]);
		return 1;
	}
	cfmakeraw(&settings);
	tcsetattr(tty, TCSANOW, &settings);
	listener = open_listener(argv[3]);
	/* The caller goes on as soon as clients can connect. */
	if (daemon(0, 0) != 0)
		return 1;
	/* An agent may still have commands of another hub. */
	last_id = (unsigned long)getpid() << 16;
	write_all(tty, argv[4], strlen(argv[4]));
	write_all(tty, "\n", 1);
	serve(listener);
	unlink(argv[3]);
	for (int i = 0; i < MAX_CLIENTS; i++) {
		if (clients[i].fd >= 0)
			finish(&clients[i], REPLY_GONE, 0);
		/* Nobody else is waiting any more: this one may take its time. */
		if (clients[i].fd >= 0)
			write_all(clients[i].fd, clients[i].pending, clients[i].pending_len);
	}
	return 0;
}
