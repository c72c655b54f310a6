// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Receiving files; see transfer.h.
 *
 * One transfer per flow, several at a time, of which one may write to the
 * output. A file is written beside its final name, which it gets when it has
 * arrived whole; what is no regular file (a pipe, a terminal) is written as
 * the bytes come.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/list.h"
#include "transfer.h"

#define TRANSFERS_MAX 64

enum stage { STAGE_BYTES, STAGE_END };

struct transfer {
	struct list link;
	struct incoming_report report;
	enum stage stage;
	uint64_t size; /* announced */
	uint64_t begin;
	struct sha256_ctx sha;
	int fd;	      /* -1: not stored */
	bool renamed; /* to be, from its temporary name */
};

struct incoming {
	const char *output; /* NULL: none */
	char *temporary;
	struct list transfers;
	unsigned int nr;
	bool writing; /* one of them writes to the output */
};

struct incoming *incoming_new(const char *output)
{
	struct incoming *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	list_init(&in->transfers);
	in->output = output;
	if (output && asprintf(&in->temporary, "%s.part", output) < 0) {
		free(in);
		return NULL;
	}
	return in;
}

static struct transfer *find(struct incoming *in, uint32_t addr, uint32_t port)
{
	struct transfer *t;

	list_for_each_entry(t, &in->transfers, link)
		if (t->report.addr == addr && t->report.port == port)
			return t;
	return NULL;
}

static int open_output(struct incoming *in, struct transfer *t)
{
	struct stat st;

	if (!in->output)
		return 0;
	if (in->writing)
		return -EBUSY;
	if (!strcmp(in->output, "-")) {
		t->fd = STDOUT_FILENO;
	} else if (!stat(in->output, &st) && !S_ISREG(st.st_mode)) {
		t->fd = open(in->output, O_WRONLY | O_CLOEXEC);
	} else {
		t->renamed = true;
		t->fd = open(in->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	}
	if (t->fd < 0)
		return -errno;
	in->writing = true;
	return 0;
}

/* Close the output; on failure nothing is left of it. */
static void close_output(struct incoming *in, struct transfer *t)
{
	if (t->fd < 0)
		return;
	in->writing = false;
	if (t->fd != STDOUT_FILENO && close(t->fd) && !t->report.status)
		t->report.status = -errno;
	t->fd = -1;
	if (!t->renamed)
		return;
	if (!t->report.status && rename(in->temporary, in->output))
		t->report.status = -errno;
	if (t->report.status)
		unlink(in->temporary);
}

static void end(struct incoming *in, struct transfer *t, struct incoming_report *report)
{
	close_output(in, t);
	t->report.seconds = (double)(clock_now_ns() - t->begin) / NS_PER_S;
	*report = t->report;
	list_del(&t->link);
	free(t);
	in->nr--;
}

void incoming_free(struct incoming *in)
{
	struct transfer *t, *next;
	struct incoming_report report;

	if (!in)
		return;
	list_for_each_entry_safe(t, next, &in->transfers, link) {
		t->report.status = -ECANCELED;
		end(in, t, &report);
	}
	free(in->temporary);
	free(in);
}

/* 1 if @msg begins a transfer, which is then under way, refused or not. */
static int begin(struct incoming *in, const struct xenmsg_msg *msg)
{
	struct transfer_begin b;
	struct transfer *t;

	if (xenmsg_copy(msg, 0, &b, sizeof(b)) != sizeof(b) ||
	    memcmp(b.magic, TRANSFER_MAGIC, TRANSFER_MAGIC_SIZE) ||
	    b.name_len > TRANSFER_NAME_MAX || xenmsg_msg_len(msg) != sizeof(b) + b.name_len)
		return 0;
	t = in->nr < TRANSFERS_MAX ? calloc(1, sizeof(*t)) : NULL;
	if (!t)
		return 0;
	t->report.addr = xenmsg_msg_addr(msg);
	t->report.port = xenmsg_msg_port(msg);
	xenmsg_copy(msg, sizeof(b), t->report.name, b.name_len);
	t->size = b.size;
	t->begin = clock_now_ns();
	t->fd = -1;
	sha256_init(&t->sha);
	list_init(&t->link);
	list_add_tail(&in->transfers, &t->link);
	in->nr++;
	/* A refusal is told right away; what comes all the same is thrown away. */
	t->report.status = open_output(in, t);
	return 1;
}

static int write_all(int fd, struct iovec *iov, int nr)
{
	ssize_t n;

	while (nr) {
		n = writev(fd, iov, nr);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (; nr && n >= (ssize_t)iov->iov_len; nr--)
			n -= (ssize_t)iov++->iov_len;
		if (nr && n > 0) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static void take_bytes(struct transfer *t, const struct xenmsg_msg *msg)
{
	struct iovec iov[XENMSG_SEGMENTS_MAX];
	int i, nr = xenmsg_msg_iov(msg, iov, XENMSG_SEGMENTS_MAX);

	for (i = 0; i < nr; i++)
		sha256_update(&t->sha, iov[i].iov_len, iov[i].iov_base);
	t->report.bytes += xenmsg_msg_len(msg);
	t->report.messages++;
	if (t->fd >= 0 && !t->report.status)
		t->report.status = write_all(t->fd, iov, nr);
}

static void check_end(struct transfer *t, const struct xenmsg_msg *msg)
{
	struct transfer_end e;

	sha256_digest(&t->sha, SHA256_DIGEST_SIZE, t->report.sha256);
	if (t->report.status)
		return;
	if (xenmsg_msg_len(msg) != sizeof(e) || xenmsg_copy(msg, 0, &e, sizeof(e)) != sizeof(e) ||
	    memcmp(e.magic, TRANSFER_MAGIC, TRANSFER_MAGIC_SIZE))
		t->report.status = -EPROTO;
	else if (e.size != t->report.bytes || memcmp(e.sha256, t->report.sha256, sizeof(e.sha256)))
		t->report.status = -EBADMSG;
}

/* Whoever gave no port to answer at does not want to know. */
static void answer(struct xenmsg_port *port, const struct incoming_report *report)
{
	struct transfer_result result = {
		.magic = TRANSFER_MAGIC,
		.size = report->bytes,
		.status = report->status,
	};

	if (!report->port)
		return;
	memcpy(result.sha256, report->sha256, sizeof(result.sha256));
	xenmsg_send(port, report->addr, report->port, &result, sizeof(result), XENMSG_NONBLOCK,
		    NULL);
}

int incoming_message(struct incoming *in, struct xenmsg_port *port, const struct xenmsg_msg *msg,
		     struct incoming_report *report)
{
	struct transfer *t = find(in, xenmsg_msg_addr(msg), xenmsg_msg_port(msg));

	if (!t) {
		if (!begin(in, msg))
			return 0;
		t = list_last_entry(&in->transfers, struct transfer, link);
		if (t->report.status)
			answer(port, &t->report);
		return 1;
	}
	if (t->stage == STAGE_BYTES) {
		if (xenmsg_msg_len(msg))
			take_bytes(t, msg);
		else
			t->stage = STAGE_END;
		return 1;
	}
	check_end(t, msg);
	end(in, t, report);
	answer(port, report);
	return 2;
}

int incoming_peer_down(struct incoming *in, uint32_t addr, struct incoming_report *report)
{
	struct transfer *t;

	list_for_each_entry(t, &in->transfers, link) {
		if (t->report.addr != addr)
			continue;
		t->report.status = -EHOSTDOWN;
		end(in, t, report);
		return 2;
	}
	return 0;
}
