// SPDX-License-Identifier: GPL-2.0-or-later
/* The driver of fake-kernel.h: what the process fetches, messages and events. */
#include "fake-kernel-parts.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One message to the process. 0; -EMSGSIZE: it does not fit; -ENOBUFS: too many are held. */
static int give(struct fake_file *file, struct fake_msg *m, const struct xenmsg_uapi_recv *arg,
		struct xenmsg_uapi_rx *out, uint64_t *at)
{
	uint64_t data = (*at + 7) & ~UINT64_C(7);

	if (!m->bytes) {
		if (file->nr_handles == fake.held_max)
			return -ENOBUFS;
		*out = m->rx;
		file->handles[file->nr_handles++] = m->rx.handle;
		return 0;
	}
	*out = (struct xenmsg_uapi_rx){ .seq = m->rx.seq, .len = m->rx.len };
	if (data > arg->buffer_len || m->rx.len > arg->buffer_len - data)
		return -EMSGSIZE;
	*out = m->rx;
	memcpy((char *)fake_pointer(arg->buffer) + data, m->bytes, m->rx.len);
	out->data = data;
	*at = data + m->rx.len;
	free(m->bytes);
	m->bytes = NULL;
	return 0;
}

int fake_do_recv(struct fake_file *file, const struct xenmsg_uapi_recv *arg)
{
	struct xenmsg_uapi_rx *out = fake_pointer(arg->msgs);
	uint64_t at = 0;
	unsigned int n;
	int r;

	ck_assert_int_eq(arg->timeout, 0);
	ck_assert_uint_eq(arg->buffer % 8, 0);
	if (!file->bind.port || file->unbinding || !arg->nr)
		return -EINVAL;
	for (n = 0; n < arg->nr && n < XENMSG_UAPI_BATCH && file->nr_msgs; n++) {
		r = give(file, &file->queue[file->first_msg % FAKE_QUEUE], arg, &out[n], &at);
		if (r)
			return n ? (int)n : r;
		file->first_msg++;
		file->nr_msgs--;
	}
	if (n)
		return (int)n;
	if (fake.gone)
		return -EHOSTDOWN;
	fake.published = true;
	return -EAGAIN;
}

int fake_do_release(struct fake_file *file, const struct xenmsg_uapi_release *arg)
{
	const uint32_t *handles = fake_pointer(arg->handles);
	unsigned int i;

	ck_assert_uint_eq(arg->nr, 1);
	for (i = 0; i < file->nr_handles; i++) {
		if (file->handles[i] != handles[0])
			continue;
		file->handles[i] = file->handles[--file->nr_handles];
		return 0;
	}
	ck_abort_msg("handle %u is not out", handles[0]);
	return -EINVAL;
}

/* What changes as the process learns of it. */
static void fetched(struct fake_file *file, const struct xenmsg_uapi_event *event)
{
	switch (event->type) {
	case XENMSG_EV_POOL_MAP:
		file->foreign[event->slot] = FAKE_FOREIGN_ASKED;
		break;
	case XENMSG_EV_POOL_FREE:
		file->foreign[event->slot] = FAKE_FOREIGN_NONE;
		break;
	case XENMSG_EV_POOL_UNMAP:
		if (!event->status)
			file->foreign[event->slot] = FAKE_FOREIGN_LEAVING;
		break;
	case XENMSG_EV_POOL_ADDED:
		file->pool_state[event->slot].await = false;
		if (event->status)
			fake_memory_free(&file->pools[event->slot]);
		break;
	default:
		break;
	}
}

int fake_do_events(struct fake_file *file, const struct xenmsg_uapi_events *arg)
{
	struct xenmsg_uapi_event *out = fake_pointer(arg->events);
	unsigned int n;

	ck_assert_int_eq(arg->timeout, 0);
	if (!arg->nr)
		return -EINVAL;
	for (n = 0; n < arg->nr && file->nr_events; n++) {
		out[n] = file->events[file->first_event++ % FAKE_EVENTS];
		file->nr_events--;
	}
	if (n < arg->nr && file->lost) {
		out[n] = (struct xenmsg_uapi_event){ .type = XENMSG_EV_LOST, .seq = file->lost };
		file->lost = 0;
		n++;
	}
	for (; n < arg->nr && file->nr_states; n++) {
		out[n] = file->states[0];
		memmove(&file->states[0], &file->states[1],
			--file->nr_states * sizeof(file->states[0]));
		fetched(file, &out[n]);
	}
	fake.published |= !n;
	return n ? (int)n : -EAGAIN;
}
