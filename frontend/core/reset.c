/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * The phases of a connection.
 *
 *   DOWN      Requests are taken and wait.
 *   POOLS     POOL_ADD of the TX and the RX pool is posted; whether the broker
 *             takes them decides how all pages are named, so all else waits.
 *   BINDS     RX pages are posted, then BINDs as fast as shadows come back.
 *             Subscriptions and own MAP pools go along, and their answers are
 *             not waited for: that to a MAP pool depends on another domain.
 *   RELEASES  what was released while there was no broker.
 *   RUN       READY is posted; SENDs follow, the old ones first.
 */
#include "frontend/core/reset.h"

#include "frontend/core/complete.h"
#include "frontend/core/control.h"
#include "frontend/core/poll.h"
#include "frontend/core/pool.h"
#include "frontend/core/port.h"
#include "frontend/core/rx.h"
#include "frontend/core/tx.h"
#include "frontend/core/wait.h"

/* Parts of the RX pages: kept back, so that rows stay in order; and posted at a time. */
#define RX_SPARE 16u
#define RX_LOT	 32u

void vmsg_ring_init(struct vmsg *v, void *tx_ring, void *rx_ring)
{
	if (v->phase != VMSG_DOWN)
		vmsg_disconnected(v);
	v->broken = NULL;
	if (v->down) {
		v->down = false;
		v->max_call = v->max_wait;
	}
	vmsg_ring_start(v, tx_ring, rx_ring);
}

/* ---------------------------------------------------------------- connect */

static void post_device_pool(struct vmsg *v, unsigned int type, uint32_t directory,
			     unsigned int nr_pages)
{
	struct vmsg_shadow *s;

	if (directory == VMSG_NO_GREF || nr_pages > v->features.max_pool_pages)
		return;
	s = vmsg_tx_get(v, VMSGIF_OP_POOL_ADD);
	s->index = VMSG_PAGE_END;
	s->req.u.pool.type = (uint16_t)type;
	s->req.u.pool.ref = directory;
	s->req.u.pool.nr_pages = nr_pages;
	vmsg_tx_post(v, s);
	v->pool_answers++;
}

/*
 * How many RX pages applications may hold, and how long a message may be. Half
 * of the pages may be held; less, down to a sixteenth, if the longest message
 * could not come in otherwise. So nobody who holds messages keeps another's
 * from coming in.
 */
static void share_rx_pages(struct vmsg *v)
{
	uint32_t nr = v->params.nr_rx_pages;
	uint32_t need = (v->features.max_message + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE +
			VMSGIF_RX_RESERVE;
	uint32_t room;

	v->rx_hold_max = nr / 2;
	if (nr - v->rx_hold_max < need)
		v->rx_hold_max = nr - nr / 16 < need ? nr / 16 : nr - need;
	room = nr - v->rx_hold_max;
	if (room > vmsg_slots(v))
		room = vmsg_slots(v);
	v->max_len = (room - VMSGIF_RX_RESERVE) * VMSGIF_PAGE_SIZE;
	if (v->max_len > v->features.max_message)
		v->max_len = v->features.max_message;
	v->rx_enough = need < room ? need : room;
	v->rx_most = nr - nr / RX_SPARE / VMSG_RUN_PAGES * VMSG_RUN_PAGES;
	if (v->rx_most > vmsg_slots(v))
		v->rx_most = vmsg_slots(v);
	if (v->rx_most < v->rx_enough)
		v->rx_most = v->rx_enough;
	v->rx_due = v->rx_most - v->rx_most / RX_LOT;
}

static void limit_features(struct vmsg *v)
{
	struct vmsg_features *f = &v->features;

	if (f->max_message > VMSGIF_MESSAGE_MAX)
		f->max_message = VMSGIF_MESSAGE_MAX;
	v->inline_max = VMSGIF_INLINE_MAX;
	if (f->max_message < VMSGIF_INLINE_MAX)
		v->inline_max = (uint16_t)f->max_message;
	v->window = v->share;
	if (f->flow_window < v->share)
		v->window = f->flow_window ? (uint16_t)f->flow_window : 1;
}

/* The peers took the former address for dead: nothing of it goes on. */
static void new_address(struct vmsg *v)
{
	vmsg_send_fail_again(v);
	vmsg_foreign_peer_down(v, 0);
}

static void next_phase(struct vmsg *v)
{
	v->phase = VMSG_BINDS;
	v->rx_on = true;
	v->todo |= VMSG_TODO_RX | VMSG_TODO_PORTS;
}

void vmsg_connected(struct vmsg *v, const struct vmsg_features *features)
{
	uint32_t addr = v->addr;

	if (v->phase != VMSG_DOWN || v->down || !v->tx.shared)
		return;
	v->features = *features;
	v->addr = features->addr;
	limit_features(v);
	share_rx_pages(v);
	if (addr && addr != v->addr)
		new_address(v);
	if (v->was_connected)
		v->stats.resets++;
	v->was_connected = true;
	v->tx_pool = 0;
	v->quick_max = 0;
	v->rx_pool = 0;
	vmsg_tx_told(v, v->tx.prod);
	v->phase = VMSG_POOLS;
	post_device_pool(v, VMSGIF_POOL_TX, v->params.tx_directory, v->params.nr_tx_pages);
	post_device_pool(v, VMSGIF_POOL_RX, v->params.rx_directory, v->params.nr_rx_pages);
	if (!v->pool_answers)
		next_phase(v);
}

void vmsg_device_pool_added(struct vmsg *v, unsigned int type, int status)
{
	if (!status && type == VMSGIF_POOL_TX) {
		v->tx_pool = VMSGIF_TXF_POOL;
		v->quick_max = VMSGIF_PAGE_SIZE;
		if (v->features.max_message < VMSGIF_PAGE_SIZE)
			v->quick_max = (uint16_t)v->features.max_message;
	}
	if (!status && type == VMSGIF_POOL_RX)
		v->rx_pool = VMSGIF_RXF_POOL;
	if (!--v->pool_answers)
		next_phase(v);
}

static void post_ready(struct vmsg *v)
{
	vmsg_tx_post(v, vmsg_tx_get(v, VMSGIF_OP_READY));
	v->phase = VMSG_RUN;
	v->todo |= VMSG_TODO_QUEUE;
}

void vmsg_pump(struct vmsg *v)
{
	if (v->phase < VMSG_BINDS)
		return;
	if (v->todo & VMSG_TODO_PORTS)
		vmsg_port_pump(v, v->phase == VMSG_BINDS);
	if (v->todo & VMSG_TODO_ACKS)
		vmsg_foreign_pump(v);
	if (v->todo & VMSG_TODO_RX)
		vmsg_rx_pump(v);
	if (v->todo & VMSG_TODO_SUBS)
		vmsg_sub_pump(v);
	if (v->todo & VMSG_TODO_OWN)
		vmsg_own_pump(v);
	if (v->phase == VMSG_BINDS && !v->nr_bind) {
		v->phase = VMSG_RELEASES;
		if (v->todo & VMSG_TODO_RELEASES)
			vmsg_tx_repost_releases(v);
		vmsg_port_pump(v, false);
	}
	if (v->phase == VMSG_RELEASES && !v->nr_release && vmsg_tx_room_control(v))
		post_ready(v);
	if (v->phase == VMSG_RUN && (v->todo & VMSG_TODO_QUEUE))
		vmsg_tx_pump(v);
}

/* ------------------------------------------------------------- disconnect */

static void ring_is_void(struct vmsg *v)
{
	v->phase = VMSG_DOWN;
	v->send_now = false;
	v->ready = false;
	v->pool_answers = 0;
	v->due = false;
	v->urgent = false;
	v->armed = false;
	v->skipped = VMSG_SKIP_NONE;
	v->put_off = false;
	v->open = NULL;
	v->tx.shared = NULL;
	v->rx.shared = NULL;
	vmsg_rx_reclaim(v);
}

void vmsg_disconnected(struct vmsg *v)
{
	if (v->phase == VMSG_DOWN)
		return;
	v->rx_on = false;
	vmsg_poll_all(v);
	if (v->phase == VMSG_DOWN)
		return; /* broken on the last stretch */
	ring_is_void(v);
	vmsg_tx_requeue(v);
	vmsg_tx_drop(v, false);
	vmsg_foreign_reset_all(v);
	vmsg_own_reset_all(v);
	vmsg_sub_reset_all(v);
	vmsg_port_reset_all(v);
	vmsg_wait_wake(v);
}

void vmsg_shutdown(struct vmsg *v, int status)
{
	v->down = true;
	ring_is_void(v);
	vmsg_tx_end_all(v, status);
	vmsg_foreign_peer_down(v, 0);
	vmsg_own_shutdown_all(v, status);
	vmsg_sub_shutdown_all(v, status);
	vmsg_port_shutdown_all(v, status);
	vmsg_hash_clear(&v->t.flows);
	v->max_call = 0;
	v->addr = 0;
	vmsg_wait_wake(v);
}
