/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What applications in the guests of a test do: steps of one line each, that
 * wait as long as it takes and fail the test if it does not work. Payloads
 * follow from a key.
 */
#ifndef SYSTEM_TRAFFIC_H
#define SYSTEM_TRAFFIC_H

#include "tests/unit/system.h"

#define VM_TIMEOUT 1000 /* ms */

void traffic_fill(void *data, size_t len, uint64_t key);
/* Does @msg hold what traffic_fill() wrote, in whatever pieces? */
bool traffic_is(const struct xenmsg_msg *msg, size_t len, uint64_t key);

/* @service may be NULL. */
struct xenmsg_port *vm_bind(struct vm *vm, uint32_t number, const char *service);
/* The address of the domain @name. */
uint32_t vm_find(struct vm *vm, const char *name);
/* What xenmsg_send() returns. */
int vm_send(struct vm *vm, struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t len,
	    uint64_t key);
/* What xenmsg_flush() returns. */
int vm_flush(struct vm *vm);
struct xenmsg_msg *vm_receive(struct vm *vm, struct xenmsg_port *port);
/* Takes the next message of @port, which has to be the one of that key. */
void vm_expect(struct vm *vm, struct xenmsg_port *port, size_t len, uint64_t key);
/* The next event, which has to be of that type. */
struct xenmsg_event vm_event(struct vm *vm, enum xenmsg_event_type type);

#endif
