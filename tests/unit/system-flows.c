// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-flows.h. */
#include "tests/unit/system-flows.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#define RULES                \
	"[devices]\n"        \
	"domains = *\n"      \
	"[allow all]\n"      \
	"from = alice bob\n" \
	"to = alice bob\n"   \
	"modes = copy map\n"

/* Longest message, and rounds without anything before it is given up. */
#define LEN_MAX	 20000
#define IDLE_MAX 3000

static const size_t usual_lens[] = { 1, 20, 33, 3000, 4096, 5000, 17000 };

static struct vm *new_vm(struct world *w, const char *name, enum sim_domain_type type, bool local)
{
	if (!local)
		return vm_new(w, name, type);
	/* Programs of domain 0 go by its name. */
	sim_xs_put("/local/domain/0/name", name);
	return vm_new_local(w, name);
}

void flows_init(struct flows *f, enum flows_local local, const char *settings, uint64_t seed)
{
	char config[1024];

	*f = (struct flows){ .count = 24, .lens = usual_lens, .pool_bytes = 128u * 1024 };
	f->nr_lens = sizeof(usual_lens) / sizeof(usual_lens[0]);
	f->options = (struct xenmsg_options)XENMSG_OPTIONS_INIT;
	(void)snprintf(config, sizeof(config), "[daemon]\n%s\n%s", settings, RULES);
	world_init(&f->w, seed, config);
	f->w.waits = true;
	f->alice = new_vm(&f->w, "alice", SIM_PV, local == FLOWS_ALICE_IS_LOCAL);
	f->bob = new_vm(&f->w, "bob", SIM_PVH, local == FLOWS_BOB_IS_LOCAL);
}

/* The own address is 0 while there is no connection. */
static uint32_t address(struct flows *f, const struct vm *vm)
{
	unsigned int ms = 0;

	while (!xenmsg_address(vm->x)) {
		ck_assert_uint_lt(ms++, VM_TIMEOUT);
		world_run(&f->w, 1);
	}
	return xenmsg_address(vm->x);
}

static void make_flow(struct flows *f, unsigned int i, struct vm *from, struct vm *to, bool map)
{
	struct flow_test *flow = &f->flow[i];
	uint32_t addr;

	*flow = (struct flow_test){ .from = from, .to = to, .number = 7 + i };
	flow->key = flow->number * 1000;
	flow->in = vm_bind(to, flow->number, NULL);
	flow->out = vm_bind(from, flow->number + 100, NULL);
	if (!map)
		return;
	addr = address(f, to);
	vm_enter(from);
	ck_assert_int_eq(xenmsg_pool_open(flow->out, addr, flow->number, f->pool_bytes, &flow->pool,
					  VM_TIMEOUT),
			 0);
}

static void make_flows(struct flows *f)
{
	make_flow(f, 0, f->alice, f->bob, false);
	make_flow(f, 1, f->alice, f->bob, true);
	make_flow(f, 2, f->bob, f->alice, false);
	world_run(&f->w, 10);
}

void flows_open(struct flows *f)
{
	ck_assert_int_eq(vm_open(f->alice, &f->options), 0);
	ck_assert_int_eq(vm_open(f->bob, &f->options), 0);
	make_flows(f);
}

void flows_reopen(struct flows *f)
{
	for (unsigned int i = 0; i < FLOWS; i++) {
		const struct flow_test *flow = &f->flow[i];

		vm_enter(flow->from);
		if (flow->pool)
			xenmsg_pool_close(flow->pool);
		xenmsg_port_close(flow->out);
		vm_enter(flow->to);
		xenmsg_port_close(flow->in);
	}
	world_run(&f->w, 20);
	make_flows(f);
}

/* Not the same in all flows at once. */
static size_t len_of(const struct flows *f, const struct flow_test *flow, unsigned int i)
{
	return f->lens[(i + flow->number) % f->nr_lens];
}

static int send_copy(struct flow_test *flow, size_t len, unsigned int flags)
{
	static char data[LEN_MAX];
	int r;

	ck_assert_uint_le(len, sizeof(data));
	traffic_fill(data, len, flow->key + flow->sent);
	r = xenmsg_send(flow->out, xenmsg_address(flow->to->x), flow->number, data, len, flags,
			NULL);
	/* To an address of 0: there is no connection. */
	return r == -EINVAL && !xenmsg_address(flow->to->x) ? -EAGAIN : r;
}

static int send_map(struct flow_test *flow, size_t len, unsigned int flags)
{
	void *room;
	int r = xenmsg_pool_get(flow->pool, len, &room, XENMSG_NONBLOCK);

	if (r)
		return r;
	traffic_fill(room, len, flow->key + flow->sent);
	r = xenmsg_pool_send(flow->pool, room, len, flags, NULL);
	if (r)
		xenmsg_pool_put(flow->pool, room);
	return r;
}

bool flows_send(struct flows *f, struct flow_test *flow)
{
	size_t len = len_of(f, flow, flow->sent);
	unsigned int flags = XENMSG_NONBLOCK | XENMSG_CONFIRM;
	int r;

	vm_enter(flow->from);
	if (flow->sent % 5 == 4)
		flags |= XENMSG_LAZY;
	r = flow->pool ? send_map(flow, len, flags) : send_copy(flow, len, flags);
	if (r == -EAGAIN)
		return false;
	ck_assert_int_eq(r, 0);
	flow->sent++;
	return true;
}

bool flows_receive(struct flows *f, struct flow_test *flow)
{
	struct xenmsg_msg *msg;
	int r;

	vm_enter(flow->to);
	r = xenmsg_recv(flow->in, &msg, 0);
	if (r == -EAGAIN)
		return false;
	ck_assert_int_eq(r, 0);
	ck_assert_msg(traffic_is(msg, len_of(f, flow, flow->received), flow->key + flow->received),
		      "flow %u: message %u is not what it should be", flow->number, flow->received);
	ck_assert(!xenmsg_msg_is_mapped(msg) == !flow->pool);
	flow->received++;
	if (flow->received % 3 == 0) {
		xenmsg_release(msg);
	} else {
		xenmsg_release(flow->held);
		flow->held = msg;
	}
	return true;
}

bool flows_answers(struct flows *f, struct vm *vm)
{
	struct xenmsg_event event;
	bool any = false;

	vm_enter(vm);
	while (!xenmsg_event(vm->x, &event)) {
		ck_assert_msg(event.type == XENMSG_SENT, "event %d", event.type);
		ck_assert_int_eq(event.status, 0);
		for (unsigned int i = 0; i < FLOWS; i++)
			if (f->flow[i].out == event.port)
				f->flow[i].answered++;
		any = true;
	}
	return any;
}

bool flows_done(const struct flows *f)
{
	for (unsigned int i = 0; i < FLOWS; i++)
		if (f->flow[i].answered < f->count || f->flow[i].received < f->count)
			return false;
	return true;
}

bool flows_round(struct flows *f)
{
	bool any = false;

	for (unsigned int i = 0; i < FLOWS; i++) {
		struct flow_test *flow = &f->flow[i];

		if (flow->sent < f->count)
			any |= flows_send(f, flow);
		any |= flows_receive(f, flow);
		if (flow->received == f->count && flow->held) {
			vm_enter(flow->to);
			xenmsg_release(flow->held);
			flow->held = NULL;
		}
	}
	any |= flows_answers(f, f->alice);
	any |= flows_answers(f, f->bob);
	return any;
}

void flows_exchange(struct flows *f)
{
	const struct flow_test *flow = f->flow;
	unsigned int idle = 0;

	while (!flows_done(f)) {
		idle = flows_round(f) ? 0 : idle + 1;
		ck_assert_msg(idle < IDLE_MAX,
			      "nothing happens any more: %u/%u/%u %u/%u/%u %u/%u/%u", flow[0].sent,
			      flow[0].received, flow[0].answered, flow[1].sent, flow[1].received,
			      flow[1].answered, flow[2].sent, flow[2].received, flow[2].answered);
		world_run(&f->w, 1);
	}
	world_run(&f->w, 100);
	for (unsigned int i = 0; i < FLOWS; i++) {
		ck_assert_uint_eq(f->flow[i].received, f->count);
		ck_assert_uint_eq(f->flow[i].answered, f->count);
		ck_assert(!flows_receive(f, &f->flow[i]));
	}
	ck_assert(!flows_answers(f, f->alice));
	ck_assert(!flows_answers(f, f->bob));
}
