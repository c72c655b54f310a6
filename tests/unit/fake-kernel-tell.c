// SPDX-License-Identifier: GPL-2.0-or-later
/* What tests say to the driver of fake-kernel.h: what comes in, what is answered. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "fake-kernel-parts.h"

void fake_init(void)
{
	unsigned int i;

	memset(&fake, 0, sizeof(fake));
	for (i = 0; i < FAKE_FILES; i++)
		fake.files[i].fd = -1;
	fake.info = (struct xenmsg_uapi_info){
		.version = XENMSG_UAPI_VERSION,
		.flags = XENMSG_INFO_CONNECTED | XENMSG_INFO_MAP | XENMSG_INFO_DEVICE,
		.addr = 0x10005,
		.max_message = 1 << 20,
		.area_pages = 64,
		.buffer_max = 8 << 20,
	};
	fake.area_limit = 64;
	fake.held_max = FAKE_QUEUE;
}

void fake_fini(void)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		fake_file_free(&fake.files[i]);
	for (i = 0; i < fake.nr_sent; i++)
		free(fake.sent[i].bytes);
}

struct fake_file *fake_port(uint32_t port)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].fd >= 0 && fake.files[i].bind.port == port && (port || i > 0))
			return &fake.files[i];
	ck_abort_msg("no file is bound to %u", port);
	return NULL;
}

unsigned int fake_open_files(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < FAKE_FILES; i++)
		n += fake.files[i].fd >= 0;
	return n;
}

static struct fake_msg *new_msg(struct fake_file *file)
{
	struct fake_msg *m;

	ck_assert_uint_lt(file->nr_msgs, FAKE_QUEUE);
	m = &file->queue[(file->first_msg + file->nr_msgs++) % FAKE_QUEUE];
	m->rx.seq = file->first_msg + file->nr_msgs;
	m->rx.src_port = 5;
	return m;
}

void fake_deliver(struct fake_file *file, uint32_t addr, size_t len, char c)
{
	struct fake_msg *m = new_msg(file);

	m->rx = (struct xenmsg_uapi_rx){
		.seq = m->rx.seq,
		.src_port = m->rx.src_port,
		.addr = addr,
		.len = (uint32_t)len,
	};
	m->bytes = malloc(len + 1);
	memset(m->bytes, c, len);
	/* The driver says so when there were none. */
	if (file->nr_msgs == 1)
		fake_wake(file);
}

void fake_deliver_mapped(struct fake_file *file, uint32_t slot, uint64_t offset, uint32_t len,
			 uint32_t handle)
{
	struct fake_msg *m = new_msg(file);

	m->rx = (struct xenmsg_uapi_rx){
		.seq = m->rx.seq,
		.src_port = m->rx.src_port,
		.addr = 0x10007,
		.flags = XENMSG_RX_MAPPED,
		.slot = (uint16_t)slot,
		.data = offset,
		.len = len,
		.handle = handle,
	};
	if (file->nr_msgs == 1)
		fake_wake(file);
}

void fake_event(struct fake_file *file, const struct xenmsg_uapi_event *event)
{
	switch (event->type) {
	case XENMSG_EV_LOST:
		file->lost += event->seq;
		break;
	case XENMSG_EV_SENT:
	case XENMSG_EV_FAILED:
	case XENMSG_EV_PEER_DOWN:
		if (file->nr_events == FAKE_EVENTS)
			file->lost++;
		else
			file->events[(file->first_event + file->nr_events++) % FAKE_EVENTS] =
				*event;
		break;
	default:
		ck_assert_uint_lt(file->nr_states, FAKE_STATES);
		file->states[file->nr_states++] = *event;
		break;
	}
	fake_wake(file);
}

void fake_answer(unsigned int i, int status)
{
	struct fake_sent *sent = &fake.sent[i];
	struct fake_file *file = sent->file;
	const struct xenmsg_uapi_event event = {
		.type = sent->tx.flags & XENMSG_TX_CONFIRM ? XENMSG_EV_SENT : XENMSG_EV_FAILED,
		.status = status,
		.addr = sent->tx.addr,
		.port = sent->tx.port,
		.seq = sent->tx.seq,
		.cookie = sent->tx.cookie,
	};
	uint64_t page;

	ck_assert(!sent->answered);
	sent->answered = true;
	if (sent->tx.flags & XENMSG_TX_AREA)
		for (page = sent->tx.data / PAGE; page <= (sent->tx.data + sent->tx.len - 1) / PAGE;
		     page++)
			file->area_busy[page] = false;
	if (status && !file->failure)
		file->failure = status;
	/* Whoever flushes or waits for his share is woken, if there is room or not. */
	if (!--file->unanswered || file->stuck) {
		file->stuck = false;
		fake_wake(file);
	}
	if (status || (sent->tx.flags & XENMSG_TX_CONFIRM))
		fake_event(file, &event);
}

void fake_pool_answer(struct fake_file *file, uint32_t id, int status)
{
	const struct xenmsg_uapi_event event = {
		.type = XENMSG_EV_POOL_ADDED,
		.slot = id,
		.status = status,
	};

	ck_assert(file->pools[id].nr_pages && file->pool_state[id].await);
	ck_assert(!file->pool_state[id].told);
	file->pool_state[id].told = true;
	fake_event(file, &event);
}

void fake_pool_gone(struct fake_file *file, uint32_t id)
{
	const struct xenmsg_uapi_event event = { .type = XENMSG_EV_POOL_GONE, .slot = id };

	file->pool_state[id].gone = true;
	fake_event(file, &event);
}

void fake_left(void)
{
	fake.nr_leaving = 0;
}

void fake_room(void)
{
	unsigned int i;

	fake.no_room = false;
	for (i = 0; i < FAKE_FILES; i++) {
		if (!fake.files[i].stuck)
			continue;
		fake.files[i].stuck = false;
		fake_wake(&fake.files[i]);
	}
}

static void wake_all(void)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		fake_wake(&fake.files[i]);
}

/* The answer to all that is under way about pools. */
static void pools_gone(struct fake_file *file)
{
	uint32_t id;

	for (id = 0; id < FAKE_POOLS; id++) {
		if (!file->pools[id].nr_pages || file->pool_state[id].gone)
			continue;
		if (!file->pool_state[id].await || file->pool_state[id].told)
			fake_pool_gone(file, id);
		else
			fake_pool_answer(file, id, -EHOSTDOWN);
	}
}

void fake_gone(void)
{
	unsigned int i;

	fake.gone = true;
	for (i = 0; i < FAKE_FILES; i++)
		pools_gone(&fake.files[i]);
	for (i = 0; i < fake.nr_sent; i++)
		if (!fake.sent[i].answered)
			fake_answer(i, -EHOSTDOWN);
	wake_all();
}

void fake_back(uint32_t addr)
{
	const struct xenmsg_uapi_event event = { .type = XENMSG_EV_ADDRESS, .addr = addr };
	unsigned int i;

	fake.gone = false;
	for (i = 0; i < FAKE_FILES && addr != fake.info.addr; i++)
		if (fake.files[i].fd >= 0)
			fake_event(&fake.files[i], &event);
	fake.info.addr = addr;
	wake_all();
}
