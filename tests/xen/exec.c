/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run a command in a guest, from dom0:
 *
 *	guest-exec [-p PREFIX] [-t TAG] SOCKET COMMAND...
 *	guest-exec -k SIGNAL -t TAG SOCKET
 *
 * The command's output comes out here as it is printed, and its exit status
 * becomes ours; 200 says that the guest went away, 201 that it has no hub.
 * With -p both streams go to stdout, line by line behind the prefix.  A
 * command with a tag can be sent signals (second form).
 */
#include <sys/socket.h>
#include <sys/un.h>

#include "frame.h"
#include "client.h"

enum { STATUS_GONE = 200, STATUS_NO_HUB = 201 };

static const char *prefix;

static void put_line(char *line, void *arg)
{
	size_t len = strlen(line);

	(void)arg;
	if (len > 0 && line[len - 1] == '\r')
		line[len - 1] = '\0';
	dprintf(STDOUT_FILENO, "%s%s\n", prefix, line);
}

static void put(int kind, const char *data, size_t len)
{
	static struct line_buffer streams[2];
	struct line_buffer *stream = &streams[kind == REPLY_ERR];

	if (!prefix)
		write_all(kind == REPLY_ERR ? STDERR_FILENO : STDOUT_FILENO, data, len);
	else if (data)
		feed_lines(stream, data, len, put_line, NULL);
	else if (stream->len > 0)
		feed_lines(stream, "\n", 1, put_line, NULL);
}

static bool read_all(int fd, void *data, size_t len)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static int follow(int fd, const char *name)
{
	static char data[LINE_MAX_BYTES];
	struct reply reply;
	int status;

	while (read_all(fd, &reply, sizeof(reply)) && reply.len <= sizeof(data) &&
	       read_all(fd, data, reply.len)) {
		if (reply.kind == REPLY_GONE)
			break;
		if (reply.kind == REPLY_EXIT) {
			put(REPLY_OUT, NULL, 0);
			put(REPLY_ERR, NULL, 0);
			memcpy(&status, data, sizeof(status));
			return status;
		}
		put(reply.kind, data, reply.len);
	}
	put(REPLY_OUT, NULL, 0);
	put(REPLY_ERR, NULL, 0);
	fprintf(stderr, "%s: the guest went away\n", name);
	return STATUS_GONE;
}

int main(int argc, char **argv)
{
	struct request request = { .kind = REQUEST_RUN };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, option;

	while ((option = getopt(argc, argv, "+p:t:k:")) != -1) {
		if (option == 'p') {
			prefix = optarg;
		} else if (option == 't') {
			snprintf(request.tag, sizeof(request.tag), "%s", optarg);
		} else if (option == 'k') {
			request.kind = REQUEST_SIGNAL;
			request.signal = atoi(optarg);
		} else {
			return 2;
		}
	}
	if (optind >= argc) {
		fprintf(stderr, "usage: guest-exec [-p PREFIX] [-t TAG] "
				"[-k SIGNAL] SOCKET [COMMAND...]\n");
		return 2;
	}
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[optind]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		fprintf(stderr, "%s: no such guest is running\n", argv[optind]);
		return STATUS_NO_HUB;
	}
	for (int i = optind + 1; i < argc; i++)
		request.args_len += (unsigned)strlen(argv[i]) + 1;
	write_all(fd, &request, sizeof(request));
	for (int i = optind + 1; i < argc; i++)
		write_all(fd, argv[i], strlen(argv[i]) + 1);
	return follow(fd, argv[optind]);
}
