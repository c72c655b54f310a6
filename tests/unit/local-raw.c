// SPDX-License-Identifier: GPL-2.0-or-later
/* See local-raw.h. */
#include "tests/unit/local-raw.h"

#include "tests/sim/sim.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int raw_try_connect(struct raw *r, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	memset(r, 0, sizeof(*r));
	r->memory = -1;
	r->instance = sim_random() | 1;
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	r->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(r->fd, 0);
	if (connect(r->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return 0;
	(void)close(r->fd);
	r->fd = -1;
	return -errno;
}

void raw_connect(struct raw *r, const char *path)
{
	ck_assert_int_eq(raw_try_connect(r, path), 0);
}

void raw_close(struct raw *r)
{
	if (r->va)
		(void)munmap(r->va, (size_t)r->l.nr_pages * VMSGIF_PAGE_SIZE);
	if (r->memory >= 0)
		(void)close(r->memory);
	if (r->fd >= 0)
		(void)close(r->fd);
	r->va = NULL;
	r->memory = r->fd = -1;
}

struct local_hello raw_hello(const struct raw *r)
{
	return (struct local_hello){
		.type = LOCAL_HELLO,
		.version = LOCAL_VERSION,
		.instance = r->instance,
		.tx_pages = RAW_PAGES,
		.rx_pages = RAW_PAGES,
	};
}

bool raw_send(struct raw *r, const void *packet, size_t len, int fd)
{
	struct iovec iov = { (void *)(uintptr_t)packet, len };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sendmsg(r->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

bool raw_say(struct raw *r, enum local_type type)
{
	const struct local_word word = { type };

	return raw_send(r, &word, sizeof(word), -1);
}

ssize_t raw_recv(struct raw *r, void *packet, size_t size, int *fd)
{
	struct iovec iov = { packet, size };
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (fd) {
		*fd = -1;
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
	}
	do
		n = recvmsg(r->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == ECONNRESET); /* what it said before comes behind */
	cmsg = n > 0 && fd ? CMSG_FIRSTHDR(&msg) : NULL;
	if (cmsg)
		memcpy(fd, CMSG_DATA(cmsg), sizeof(int));
	return n;
}

int raw_end(struct raw *r, enum local_type type, const char **reason)
{
	static struct local_end end;
	ssize_t n;

	memset(&end, 0, sizeof(end));
	n = raw_recv(r, &end, sizeof(end) - 1, NULL);
	ck_assert_int_ge(n, (int)offsetof(struct local_end, reason));
	ck_assert_uint_eq(end.type, type);
	*reason = end.reason;
	return end.status;
}

bool raw_try_welcome(struct raw *r)
{
	size_t bytes;

	if (raw_recv(r, &r->welcome, sizeof(r->welcome), &r->memory) != sizeof(r->welcome) ||
	    r->welcome.type != LOCAL_WELCOME)
		return false;
	ck_assert_int_ge(r->memory, 0);
	r->l = local_layout(r->welcome.ring_order, RAW_PAGES, RAW_PAGES);
	bytes = (size_t)r->l.nr_pages * VMSGIF_PAGE_SIZE;
	r->va = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory, 0);
	ck_assert_ptr_ne(r->va, MAP_FAILED);
	r->tx = raw_page(r, r->l.tx_ring);
	r->rx = raw_page(r, r->l.rx_ring);
	SHARED_RING_INIT(r->tx);
	SHARED_RING_INIT(r->rx);
	r->tx_prod = r->tx_cons = r->rx_prod = r->rx_cons = 0;
	return true;
}

void raw_welcome(struct raw *r)
{
	ck_assert(raw_try_welcome(r));
}

void *raw_page(struct raw *r, uint32_t ref)
{
	return r->va + (size_t)(ref - 1) * VMSGIF_PAGE_SIZE;
}

void raw_tx(struct raw *r, const struct vmsgif_tx_request *req)
{
	uint32_t slots = VMSGIF_RING_SLOTS(r->welcome.ring_order);

	r->tx->ring[r->tx_prod++ & (slots - 1)].req = *req;
	r->tx->req_prod = r->tx_prod;
}

void raw_rx(struct raw *r, uint16_t id, uint32_t ref, bool pooled)
{
	uint32_t slots = VMSGIF_RING_SLOTS(r->welcome.ring_order);
	struct vmsgif_rx_request *req = &r->rx->ring[r->rx_prod++ & (slots - 1)].req;

	memset(req, 0, sizeof(*req));
	req->id = id;
	req->ref = ref;
	req->flags = pooled ? VMSGIF_RXF_POOL : 0;
	r->rx->req_prod = r->rx_prod;
}

bool raw_tx_rsp(struct raw *r, struct vmsgif_tx_response *rsp)
{
	uint32_t slots = VMSGIF_RING_SLOTS(r->welcome.ring_order);

	if (r->tx->rsp_prod == r->tx_cons)
		return false;
	*rsp = r->tx->ring[r->tx_cons++ & (slots - 1)].rsp;
	r->tx->rsp_event = r->tx_cons + 1;
	return true;
}

bool raw_rx_rsp(struct raw *r, struct vmsgif_rx_response *rsp)
{
	uint32_t slots = VMSGIF_RING_SLOTS(r->welcome.ring_order);

	if (r->rx->rsp_prod == r->rx_cons)
		return false;
	*rsp = r->rx->ring[r->rx_cons++ & (slots - 1)].rsp;
	r->rx->rsp_event = r->rx_cons + 1;
	return true;
}

unsigned int raw_bells(struct raw *r)
{
	struct local_word word = { 0 };
	unsigned int n = 0;
	ssize_t len;

	while ((len = raw_recv(r, &word, sizeof(word), NULL)) > 0) {
		ck_assert_int_eq(len, sizeof(word));
		ck_assert_uint_eq(word.type, LOCAL_BELL);
		n++;
	}
	return n;
}
