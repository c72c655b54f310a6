// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-load.h. */
#include "tests/unit/system-load.h"

#include "tests/unit/system-device.h"
#include "tests/unit/system-traffic.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void load_init(struct load *load, struct world *w)
{
	memset(load, 0, sizeof(*load));
	load->w = w;
	sim_config()->xs_cost = COST_STORE;
}

static struct vm *connect(struct load *load, const char *name)
{
	struct xenmsg_options options = XENMSG_OPTIONS_INIT;
	struct vm *vm = vm_new(load->w, name, SIM_PV);

	options.ring_order = 4;
	options.tx_pages = 1000;
	options.rx_pages = 1000;
	ck_assert_int_eq(vm_open(vm, &options), 0);
	return vm;
}

struct vm *load_receiver_new(struct load *load, const char *name)
{
	struct load_receiver *receiver = &load->receivers[load->nr_receivers++];

	ck_assert_uint_le(load->nr_receivers, LOAD_RECEIVERS);
	receiver->vm = connect(load, name);
	for (unsigned int i = 0; i < LOAD_PORTS; i++)
		receiver->ports[i] = vm_bind(receiver->vm, LOAD_PORT + i, NULL);
	return receiver->vm;
}

struct load_sender *load_sender_new(struct load *load, const char *name, uint32_t len)
{
	struct load_sender *sender = &load->senders[load->nr_senders++];

	ck_assert_uint_le(load->nr_senders, LOAD_SENDERS);
	sender->vm = connect(load, name);
	sender->len = len;
	return sender;
}

void load_flow(struct load_sender *sender, struct vm *to, unsigned int i)
{
	unsigned int n = sender->nr_ports++;

	ck_assert_uint_lt(n, LOAD_PORTS);
	sender->ports[n].port = vm_bind(sender->vm, 1000 + n, NULL);
	sender->ports[n].to = to;
	sender->ports[n].number = LOAD_PORT + i;
}

/* ------------------------------------------------------------------- the guests */

static bool send_all(struct load_sender *sender)
{
	static char data[XENMSG_MESSAGE_MAX];
	bool any = false;

	vm_enter(sender->vm);
	(void)xenmsg_dispatch(sender->vm->x);
	for (unsigned int i = 0; i < sender->nr_ports; i++) {
		uint32_t addr = xenmsg_address(sender->ports[i].to->x);

		while (!sender->gap || sim_now() >= sender->next) {
			int r = xenmsg_send(sender->ports[i].port, addr, sender->ports[i].number,
					    data, sender->len, XENMSG_NONBLOCK, NULL);

			if (r == -EAGAIN)
				break;
			ck_assert_int_eq(r, 0);
			sender->next += sender->gap;
			any = true;
		}
	}
	return any;
}

/* Nobody asked for answers: those that are told are of failures. */
static void count_failures(struct load_sender *sender)
{
	struct xenmsg_event event;

	while (!xenmsg_event(sender->vm->x, &event))
		sender->failed++;
}

static bool receive_all(struct load_receiver *receiver)
{
	struct xenmsg_msg *msg;
	bool any = false;

	vm_enter(receiver->vm);
	(void)xenmsg_dispatch(receiver->vm->x);
	for (unsigned int i = 0; i < LOAD_PORTS && !receiver->stopped; i++) {
		while (!xenmsg_recv(receiver->ports[i], &msg, 0)) {
			xenmsg_release(msg);
			receiver->messages++;
			any = true;
		}
	}
	return any;
}

/* ------------------------------------------------------------------- the broker */

static uint64_t slots_of(const struct broker *broker)
{
	const struct peer *peer;
	uint64_t slots = 0;

	list_for_each_entry(peer, &broker->route.peers, in_route)
		slots += device_slots(peer->dev);
	return slots;
}

static uint64_t sum(const struct sim_counts *counts, enum sim_call first, enum sim_call last)
{
	uint64_t n = 0;

	for (unsigned int call = first; call <= last; call++)
		n += counts->calls[call];
	return n;
}

/* What the broker has done since the last call of this. */
static uint64_t cost(struct load *load)
{
	const struct broker *broker = load->w->broker;
	const struct sim_counts *now = sim_counts(load->w->process), *was = &load->counts;
	uint64_t slots = slots_of(broker), bytes = 0, ns = COST_STEP;

	for (unsigned int way = 0; way < WAY_MAP; way++)
		bytes += broker->total.bytes[way];
	ns += COST_CALL *
	      (sum(now, SIM_CALL_MAP, SIM_CALL_UNMASK) - sum(was, SIM_CALL_MAP, SIM_CALL_UNMASK));
	ns += COST_STEP *
	      (now->calls[SIM_CALL_XS_CHECK_WATCH] - was->calls[SIM_CALL_XS_CHECK_WATCH]);
	ns += COST_MAP *
	      (now->pages_mapped + now->pages_unmapped - was->pages_mapped - was->pages_unmapped);
	ns += COST_COPY * (now->copy_ops - was->copy_ops);
	ns += (bytes - load->bytes) / COST_BYTES;
	/* Rings that are gone count no more. */
	if (slots > load->slots)
		ns += COST_SLOT * (slots - load->slots);
	load->counts = *now;
	load->slots = slots;
	load->bytes = bytes;
	return ns;
}

static struct peer *peer_of(const struct load *load, const struct load_sender *sender)
{
	return route_peer(&load->w->broker->route, xenmsg_address(sender->vm->x));
}

static uint64_t total(const uint64_t n[WAYS])
{
	return n[WAY_INLINE] + n[WAY_POOLED] + n[WAY_COPY] + n[WAY_MAP];
}

static void note(struct load *load, struct load_sender *sender, uint64_t begin)
{
	const struct peer *peer = peer_of(load, sender);
	uint64_t published = total(peer->count.sent.messages);
	uint64_t taken = published + peer->account->queued;

	ck_assert_uint_eq(peer->count.failed + peer->count.refused, 0);
	ck_assert_uint_le(taken - sender->published, LOAD_PENDING);
	for (; sender->taken < taken; sender->taken++)
		sender->pending[sender->taken % LOAD_PENDING] = begin;
	for (; sender->published < published; sender->published++) {
		uint64_t since = sender->pending[sender->published % LOAD_PENDING];

		if (load->nr_samples < LOAD_SAMPLES)
			load->samples[load->nr_samples++] = sim_now() - since;
	}
}

uint64_t load_cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * SIM_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static bool broker_turn(struct load *load)
{
	uint64_t begin = sim_now(), cpu = load_cpu_ns(), ns;
	bool any = sim_step(load->w->actor);

	load->cpu += load_cpu_ns() - cpu;
	if (!any)
		return false;
	ns = cost(load);
	sim_advance(ns);
	load->busy += sim_now() - begin;
	load->steps++;
	for (unsigned int i = 0; i < load->nr_senders; i++)
		if (load->senders[i].measured)
			note(load, &load->senders[i], begin);
	return true;
}

/* At its own pace, also if the broker was busy meanwhile. */
static bool disturb(struct load *load)
{
	if (!load->nuisance || sim_now() < load->nuisance_next)
		return false;
	load->nuisance_next = sim_now() + load->nuisance_gap;
	load->nuisance();
	return true;
}

void load_run(struct load *load, unsigned int us)
{
	uint64_t end = sim_now() + us * SIM_NSEC_PER_USEC;

	while (sim_now() < end) {
		bool any = broker_turn(load);

		for (unsigned int i = 0; i < load->nr_senders; i++) {
			any |= send_all(&load->senders[i]);
			count_failures(&load->senders[i]);
		}
		for (unsigned int i = 0; i < load->nr_receivers; i++)
			any |= receive_all(&load->receivers[i]);
		any |= disturb(load);
		if (!any)
			sim_advance(COST_STEP);
	}
}

/* ------------------------------------------------------------------ measurements */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of the samples, which are sorted. */
static double percentile(const struct load *load, unsigned int percent)
{
	unsigned int i = load->nr_samples * percent / 100;

	return (double)load->samples[i];
}

static void begin(struct load *load)
{
	for (unsigned int i = 0; i < load->nr_senders; i++) {
		struct load_sender *sender = &load->senders[i];
		const struct peer *peer = peer_of(load, sender);

		sender->messages = total(peer->count.sent.messages);
		sender->bytes = total(peer->count.sent.bytes);
	}
	load->nr_samples = 0;
	load->steps = 0;
	load->busy = 0;
	load->cpu = 0;
}

static void finish(struct load *load, struct load_sender *sender)
{
	const struct peer *peer = peer_of(load, sender);

	sender->messages = total(peer->count.sent.messages) - sender->messages;
	/* All of one sender are of one length. */
	sender->bytes = sender->messages * VMSGIF_MSG_COST(sender->len);
}

struct load_result load_measure(struct load *load, unsigned int us, unsigned int sharers)
{
	struct load_result r = { .per_measured = UINT64_MAX };
	uint64_t bytes = 0, least = UINT64_MAX;

	load_run(load, us / 4);
	begin(load);
	load_run(load, us);
	for (unsigned int i = 0; i < load->nr_senders; i++) {
		struct load_sender *sender = &load->senders[i];

		finish(load, sender);
		bytes += sender->bytes;
		r.messages += sender->messages;
		if (!sender->measured)
			continue;
		if (sender->bytes < least)
			least = sender->bytes;
		if (sender->messages < r.per_measured)
			r.per_measured = sender->messages;
	}
	r.least = (double)least * sharers / (double)bytes;
	if (!load->nr_samples)
		return r;
	qsort(load->samples, load->nr_samples, sizeof(load->samples[0]), compare);
	r.p50 = percentile(load, 50);
	r.p99 = percentile(load, 99);
	return r;
}
