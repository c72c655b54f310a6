// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sending a file or a pipe; see transfer.h.
 *
 * What is read goes right into pages of the driver, or of the shared pool, and
 * nowhere else. A pipe's bytes go on as they come.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transfer.h"

/*
 * Shared memory: several chunks, so that reading goes on while the peer reads. With the
 * device's pages it has to be within the 1024 that gntalloc grants by default.
 */
#define POOL_CHUNKS   8
#define POOL_MAX      (320u * 4096)
#define POOL_MS	      5000
#define NAME_OF(path) (strrchr(path, '/') ? strrchr(path, '/') + 1 : (path))

struct outgoing {
	struct cli *cli;
	const struct dest *to;
	const struct outgoing_options *options;
	struct xenmsg_port *port;
	struct xenmsg_pool *pool;
	int fd;
	bool regular;
	uint64_t bytes, messages;
	struct sha256_ctx sha;
	struct progress progress;
	struct transfer_result result;
	bool answered;
};

static int take_events(struct outgoing *out)
{
	struct xenmsg_event event;

	while (!xenmsg_event(out->cli->x, &event)) {
		if (event.type == XENMSG_SEND_FAILED)
			return event.status;
		if (event.type == XENMSG_PEER_DOWN && event.addr == out->to->addr)
			return -EHOSTDOWN;
	}
	return 0;
}

/* An answer before the end is a refusal. */
static int take_answer(struct outgoing *out)
{
	struct xenmsg_msg *msg;
	int r;

	while (!(r = xenmsg_recv(out->port, &msg, 0))) {
		if (xenmsg_msg_addr(msg) == out->to->addr &&
		    xenmsg_copy(msg, 0, &out->result, sizeof(out->result)) == sizeof(out->result) &&
		    !memcmp(out->result.magic, TRANSFER_MAGIC, TRANSFER_MAGIC_SIZE))
			out->answered = true;
		xenmsg_release(msg);
	}
	if (r != -EAGAIN)
		return r;
	return out->answered && out->result.status ? out->result.status : 0;
}

/* The answer first: who has given it may have ended since, which is no failure. */
static int look(struct outgoing *out)
{
	int r = take_answer(out);

	return r || out->answered ? r : take_events(out);
}

/* For the receiver, that is for room or an answer. */
static int out_wait(struct outgoing *out)
{
	int r = cli_wait(out->cli, -1, out->options->timeout);

	return r ? r : look(out);
}

/* For the input, however long it takes. */
static int in_wait(struct outgoing *out)
{
	int r, readable;

	do {
		readable = cli_wait(out->cli, out->fd, -1);
		if (readable < 0)
			return readable;
		r = look(out);
	} while (!r && !readable);
	return r;
}

static int send_copy(struct outgoing *out, const void *data, size_t len)
{
	int r;

	while ((r = xenmsg_send(out->port, out->to->addr, out->to->port, data, len, XENMSG_NONBLOCK,
				NULL)) == -EAGAIN) {
		r = out_wait(out);
		if (r)
			return r;
	}
	return r;
}

static void account(struct outgoing *out, const struct iovec *iov, int nr)
{
	int i;

	for (i = 0; i < nr; i++) {
		sha256_update(&out->sha, iov[i].iov_len, iov[i].iov_base);
		out->bytes += iov[i].iov_len;
	}
	out->messages++;
	progress_update(&out->progress, out->bytes);
}

/* Bytes read, 0 at the end, or an error. Only a file may be read without waiting. */
static ssize_t fill(struct outgoing *out, const struct iovec *iov, int nr)
{
	ssize_t n;
	int r;

	do {
		r = out->regular ? 0 : in_wait(out);
		if (r)
			return r;
		n = readv(out->fd, iov, nr);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	return n < 0 ? -errno : n;
}

/* Shorten @buffer to @len bytes. */
static void cut(struct xenmsg_buffer *buffer, size_t len)
{
	int i;

	for (i = 0; len; i++) {
		if (buffer->iov[i].iov_len > len)
			buffer->iov[i].iov_len = len;
		len -= buffer->iov[i].iov_len;
	}
	buffer->nr = i;
}

/* One message by copy. 1: sent; 0: end of the file. */
static int chunk_copy(struct outgoing *out)
{
	struct xenmsg_buffer buffer;
	ssize_t n;
	int r;

	while ((r = xenmsg_buffer_get(out->port, out->options->chunk, &buffer, XENMSG_NONBLOCK)) ==
	       -EAGAIN) {
		r = out_wait(out);
		if (r)
			return r;
	}
	if (r)
		return r;
	n = fill(out, buffer.iov, buffer.nr);
	if (n <= 0) {
		xenmsg_buffer_put(out->port, &buffer);
		return (int)n;
	}
	cut(&buffer, (size_t)n);
	account(out, buffer.iov, buffer.nr);
	while ((r = xenmsg_buffer_send(out->port, out->to->addr, out->to->port, &buffer,
				       out->options->flags | XENMSG_NONBLOCK, NULL)) == -EAGAIN) {
		r = out_wait(out);
		if (r)
			break;
	}
	if (r)
		xenmsg_buffer_put(out->port, &buffer);
	return r ? r : 1;
}

/* The same in map mode. */
static int chunk_map(struct outgoing *out)
{
	struct iovec iov = { .iov_len = out->options->chunk };
	ssize_t n;
	int r;

	while ((r = xenmsg_pool_get(out->pool, iov.iov_len, &iov.iov_base, XENMSG_NONBLOCK)) ==
	       -EAGAIN) {
		r = out_wait(out);
		if (r)
			return r;
	}
	if (r)
		return r;
	n = fill(out, &iov, 1);
	if (n <= 0) {
		xenmsg_pool_put(out->pool, iov.iov_base);
		return (int)n;
	}
	iov.iov_len = (size_t)n;
	account(out, &iov, 1);
	while ((r = xenmsg_pool_send(out->pool, iov.iov_base, iov.iov_len,
				     out->options->flags | XENMSG_NONBLOCK, NULL)) == -EAGAIN) {
		r = out_wait(out);
		if (r)
			break;
	}
	if (r)
		xenmsg_pool_put(out->pool, iov.iov_base);
	return r ? r : 1;
}

static int send_begin(struct outgoing *out, const char *path, uint64_t size)
{
	const char *name = NAME_OF(path);
	char bytes[sizeof(struct transfer_begin) + TRANSFER_NAME_MAX];
	struct transfer_begin begin = { .magic = TRANSFER_MAGIC, .size = size };

	begin.name_len = (uint32_t)strnlen(name, TRANSFER_NAME_MAX);
	memcpy(bytes, &begin, sizeof(begin));
	memcpy(bytes + sizeof(begin), name, begin.name_len);
	return send_copy(out, bytes, sizeof(begin) + begin.name_len);
}

static int send_end(struct outgoing *out, uint8_t digest[SHA256_DIGEST_SIZE])
{
	struct transfer_end end = { .magic = TRANSFER_MAGIC, .size = out->bytes };
	int r;

	sha256_digest(&out->sha, SHA256_DIGEST_SIZE, digest);
	memcpy(end.sha256, digest, sizeof(end.sha256));
	r = send_copy(out, NULL, 0);
	return r ? r : send_copy(out, &end, sizeof(end));
}

/* Until all has arrived, and the receiver has checked what it got. */
static int finish(struct outgoing *out)
{
	int r = xenmsg_flush(out->cli->x, out->options->timeout);
	int seen = look(out);

	/* What the receiver says that it got, it got, whatever became of it then. */
	if (out->answered)
		return seen;
	r = r ? r : seen;
	while (!r && out->options->wait_result && !out->answered)
		r = out_wait(out);
	return r;
}

static int transfer(struct outgoing *out, const char *name, struct outgoing_result *result)
{
	struct stat st;
	uint64_t size = TRANSFER_UNKNOWN;
	int r;

	if (fstat(out->fd, &st))
		return -errno;
	out->regular = S_ISREG(st.st_mode);
	if (out->regular)
		size = (uint64_t)st.st_size;
	progress_begin(&out->progress, out->options->progress, size);
	sha256_init(&out->sha);
	r = send_begin(out, name, size);
	if (r)
		return r;
	do
		r = out->pool ? chunk_map(out) : chunk_copy(out);
	while (r > 0);
	if (!r)
		r = send_end(out, result->sha256);
	return r ? r : finish(out);
}

static int open_pool(struct outgoing *out)
{
	size_t bytes = out->options->chunk * POOL_CHUNKS;

	if (bytes > POOL_MAX)
		bytes = out->options->chunk > POOL_MAX ? out->options->chunk : POOL_MAX;
	return xenmsg_pool_open(out->port, out->to->addr, out->to->port, bytes, &out->pool,
				POOL_MS);
}

int outgoing_run(struct cli *cli, const struct dest *to, int fd, const char *name,
		 const struct outgoing_options *options, struct outgoing_result *result)
{
	struct outgoing out = { .cli = cli, .to = to, .options = options, .fd = fd };
	int r;

	r = cli_port_open(cli, &out.port);
	if (r)
		return cli_fail(cli, r, "cannot open a port");
	if (options->map)
		r = open_pool(&out);
	if (r) {
		r = cli_fail(cli, r, "%s: sharing memory with it", to->text);
	} else {
		r = transfer(&out, name, result);
		result->bytes = out.bytes;
		result->messages = out.messages;
		result->seconds = progress_end(&out.progress, out.bytes);
		if (r && out.answered && out.result.status == r)
			r = cli_fail(cli, r, "%s: the receiver could not take %s", to->text, name);
		else if (r)
			r = cli_fail(cli, r, "%s: sending %s", to->text, name);
	}
	xenmsg_port_close(out.port);
	return r;
}
