// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-traffic.h. */
#include "tests/unit/system-traffic.h"

#include "tests/mix.h"

#include <check.h>
#include <errno.h>
#include <string.h>

void traffic_fill(void *data, size_t len, uint64_t key)
{
	mix_fill(key, 0, data, len);
}

bool traffic_is(const struct xenmsg_msg *msg, size_t len, uint64_t key)
{
	static struct iovec iov[XENMSG_SEGMENTS_MAX];
	uint32_t at = 0, bad;
	int i, n;

	if (xenmsg_msg_len(msg) != len)
		return false;
	n = xenmsg_msg_iov(msg, iov, XENMSG_SEGMENTS_MAX);
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len > len - at ||
		    !mix_check(key, at, iov[i].iov_base, iov[i].iov_len, &bad))
			return false;
		at += (uint32_t)iov[i].iov_len;
	}
	return at == len;
}

struct xenmsg_port *vm_bind(struct vm *vm, uint32_t number, const char *service)
{
	struct xenmsg_bind bind = { .size = sizeof(bind), .service = service };
	struct xenmsg_port *port;

	vm_enter(vm);
	ck_assert_int_eq(xenmsg_port_open(vm->x, number, &bind, &port), 0);
	return port;
}

uint32_t vm_find(struct vm *vm, const char *name)
{
	uint32_t addr;

	vm_enter(vm);
	ck_assert_int_eq(xenmsg_resolve(vm->x, name, &addr, NULL, VM_TIMEOUT), 0);
	return addr;
}

int vm_send(struct vm *vm, struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t len,
	    uint64_t key)
{
	static char data[XENMSG_MESSAGE_MAX + 1];

	traffic_fill(data, len, key);
	vm_enter(vm);
	return xenmsg_send(port, addr, number, data, len, 0, NULL);
}

int vm_flush(struct vm *vm)
{
	vm_enter(vm);
	return xenmsg_flush(vm->x, VM_TIMEOUT);
}

struct xenmsg_msg *vm_receive(struct vm *vm, struct xenmsg_port *port)
{
	struct xenmsg_msg *msg;

	vm_enter(vm);
	ck_assert_int_eq(xenmsg_recv(port, &msg, VM_TIMEOUT), 0);
	return msg;
}

void vm_expect(struct vm *vm, struct xenmsg_port *port, size_t len, uint64_t key)
{
	struct xenmsg_msg *msg = vm_receive(vm, port);

	ck_assert_uint_eq(xenmsg_msg_len(msg), len);
	ck_assert(traffic_is(msg, len, key));
	xenmsg_release(msg);
}

struct xenmsg_event vm_event(struct vm *vm, enum xenmsg_event_type type)
{
	struct xenmsg_event event = { 0 };

	vm_enter(vm);
	while (xenmsg_event(vm->x, &event) == -EAGAIN)
		ck_assert_int_eq(xenmsg_wait(vm->x, VM_TIMEOUT), 1);
	ck_assert_int_eq(event.type, type);
	return event;
}
