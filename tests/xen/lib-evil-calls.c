/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls of /dev/xenmsg, for evil-process and its victims. */
#include "tests/xen/evil-process.h"

int evil_bind(int fd, uint32_t port, int timeout)
{
	struct xenmsg_uapi_bind b = { .port = port, .buffer = 16 * EVIL_PAGE, .timeout = timeout };

	return evil_call(fd, XENMSG_IOC_BIND, &b);
}

int evil_unbind(int fd, int timeout)
{
	struct xenmsg_uapi_unbind u = { .timeout = timeout };

	return evil_call(fd, XENMSG_IOC_UNBIND, &u);
}

int evil_send(int fd, uint32_t addr, uint32_t port, const void *data, uint32_t len, unsigned flags,
	      int timeout)
{
	struct xenmsg_uapi_tx tx = {
		.data = (uintptr_t)data,
		.len = len,
		.addr = addr,
		.port = port,
		.flags = (uint16_t)flags,
	};
	struct xenmsg_uapi_send s = { .msgs = (uintptr_t)&tx, .nr = 1, .timeout = timeout };

	return evil_call(fd, XENMSG_IOC_SEND, &s);
}

int evil_recv(int fd, struct xenmsg_uapi_rx *got, void *buffer, size_t len, int timeout)
{
	struct xenmsg_uapi_recv q = {
		.msgs = (uintptr_t)got,
		.buffer = (uintptr_t)buffer,
		.buffer_len = len,
		.nr = 1,
		.timeout = timeout,
	};

	return evil_call(fd, XENMSG_IOC_RECV, &q);
}

int evil_event(int fd, struct xenmsg_uapi_event *event, int timeout)
{
	struct xenmsg_uapi_events q = {
		.events = (uintptr_t)event,
		.nr = 1,
		.timeout = timeout,
	};

	return evil_call(fd, XENMSG_IOC_EVENTS, &q);
}

int evil_event_of(int fd, uint32_t type, struct xenmsg_uapi_event *event, int timeout)
{
	int64_t end = now_ms() + timeout;
	int r;

	do {
		r = evil_event(fd, event, timeout);
		if (r)
			return r;
		if (event->type == type)
			return 0;
	} while (now_ms() < end);
	return ETIME;
}

int evil_resolve(int fd, const char *name, int timeout)
{
	struct xenmsg_uapi_resolve q = { .name_len = (uint32_t)strlen(name), .timeout = timeout };

	memcpy(q.name, name, q.name_len);
	return evil_call(fd, XENMSG_IOC_RESOLVE, &q);
}

int evil_subscribe(int fd, const char *name, unsigned flags, int timeout)
{
	struct xenmsg_uapi_subscribe q = {
		.name_len = (uint32_t)strlen(name),
		.flags = flags,
		.timeout = timeout,
	};

	memcpy(q.name, name, q.name_len);
	return evil_call(fd, XENMSG_IOC_SUBSCRIBE, &q);
}

int evil_area(int fd, unsigned nr_pages)
{
	struct xenmsg_uapi_area a = { .nr_pages = nr_pages };

	return evil_call(fd, XENMSG_IOC_AREA, &a);
}

int evil_pool_add(int fd, uint32_t addr, uint32_t port, unsigned nr_pages, int timeout,
		  uint32_t *id)
{
	struct xenmsg_uapi_pool_add a = {
		.addr = addr,
		.port = port,
		.nr_pages = nr_pages,
		.timeout = timeout,
		.flags = timeout ? 0 : XENMSG_POOL_NOWAIT,
	};
	int r = evil_call(fd, XENMSG_IOC_POOL_ADD, &a);

	*id = a.id;
	return r;
}

/* ------------------------------------------------------------------ victims */

/* To a port of its own, and back. */
static int send_to_self(int fd, uint32_t own, uint32_t len)
{
	static char data[64 * EVIL_PAGE], buffer[64 * EVIL_PAGE];
	struct xenmsg_uapi_bind b = { .port = 2900, .buffer = 1 << 20, .timeout = 1000 };
	struct xenmsg_uapi_rx rx;
	int r = evil_call(fd, XENMSG_IOC_BIND, &b);

	memset(data, 0xa5, len);
	if (!r)
		r = evil_send(fd, own, 2900, data, len, 0, 1000);
	if (!r)
		r = evil_recv(fd, &rx, buffer, sizeof(buffer), 1000);
	if (!r && (rx.len != len || memcmp(data, buffer + rx.data, len)))
		r = EBADMSG;
	return r;
}

/* 0: the pool is with its receiver, who does not answer. */
static int add_pool(int fd, uint32_t own)
{
	int other = evil_open();
	uint32_t id;
	int r = evil_bind(fd, 2901, 1000);

	if (!r)
		r = evil_bind(other, 2902, 1000);
	return r ? r : evil_pool_add(fd, own, 2902, 16, 0, &id);
}

int evil_victim(unsigned int what)
{
	struct xenmsg_uapi_info info = { .timeout = 1000 };
	int fd = evil_open();
	int r = fd < 0 ? errno : evil_call(fd, XENMSG_IOC_INFO, &info);

	if (r)
		return r;
	switch (what) {
	case VICTIM_SEND:
		return send_to_self(fd, info.addr, 200);
	case VICTIM_LARGE:
		return send_to_self(fd, info.addr, 48 * EVIL_PAGE);
	case VICTIM_BIND:
		return evil_bind(fd, 2903, 1000);
	case VICTIM_NAME:
		r = evil_resolve(fd, "bob", 1000);
		return r ? r : evil_subscribe(fd, "bob", 0, 1000);
	case VICTIM_AREA:
		return evil_area(fd, 16);
	case VICTIM_POOL:
		return add_pool(fd, info.addr);
	default:
		return EINVAL;
	}
}
