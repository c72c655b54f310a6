// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that do anything at any time: send in all modes, bind and unbind, give
 * credit and pages or none, share pools, release, come and go, are taken out of
 * service and back. Whatever happens,
 * what is promised holds:
 *
 *   a message completed with 0 was delivered before, once; one completed with
 *   another status was not, but for EHOSTDOWN and ECONNREFUSED
 *   messages of a flow arrive in order
 *   nothing of a dead address arrives after its PEER_DOWN
 *   no domain has more under way than its account says
 *   when all are gone, nothing is left (the sanitizer looks for memory)
 */
#include "tests/unit/fake-guests.h"

#include "broker/drain.h"
#include "broker/reload.h"
#include "common/clock.h"
#include "common/macros.h"
#include "tests/sim/sim.h"

#define GUESTS 5u
#define STEPS  4000u
#define SENDS  20000u

struct sent {
	struct device *dev;
	uint32_t addr; /* of the sender */
	uint64_t seq;
	uint16_t id;
	bool delivered;
	bool answered;
	bool held;
};

static struct device *guests[GUESTS];
static struct sent *sends;
static unsigned int nr_sends, seen;
static uint32_t down[GUESTS][4096]; /* addresses whose PEER_DOWN it got */
static unsigned int nr_down[GUESTS];
static uint64_t state;

static unsigned int pick(unsigned int n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned int)(state >> 33) % n;
}

static struct sent *find(uint32_t addr, uint64_t seq)
{
	for (unsigned int i = nr_sends; i-- > 0;)
		if (sends[i].addr == addr && sends[i].seq == seq)
			return &sends[i];
	return NULL;
}

/* ------------------------------------------------------------------ checking */

static unsigned int index_of(const struct device *dev)
{
	unsigned int i = 0;

	while (guests[i] != dev)
		i++;
	return i;
}

/* The last message of its flow that @dev got before entry @at, or 0. */
static uint64_t last_of_flow(const struct fake_entry *e, unsigned int at)
{
	while (at-- > 0) {
		const struct fake_entry *old = &fake.entries[at];

		if (old->kind == FAKE_RX && old->dev == e->dev &&
		    old->rx.type == VMSGIF_RX_MESSAGE && old->rx.addr == e->rx.addr &&
		    old->rx.port == e->rx.port)
			return old->rx.seq;
	}
	return 0;
}

static void check_rx(const struct fake_entry *e, unsigned int at)
{
	unsigned int g = index_of(e->dev);
	struct sent *s;

	if (e->rx.type == VMSGIF_RX_PEER_DOWN)
		down[g][nr_down[g]++ % 4096] = e->rx.addr;
	if (e->rx.type == VMSGIF_RX_POOL_ADD)
		fake_ack(e->dev, e->rx.addr, e->rx.u.pool.id, pick(4) ? 0 : VMSGIF_ENOBUFS);
	if (e->rx.type == VMSGIF_RX_POOL_DEL)
		fake_ack(e->dev, e->rx.addr, e->rx.u.pool.id, VMSGIF_ECONNREFUSED);
	if (e->rx.type != VMSGIF_RX_MESSAGE)
		return;
	for (unsigned int i = 0; i < nr_down[g] && i < 4096; i++)
		ck_assert_uint_ne(down[g][i], e->rx.addr);
	ck_assert_uint_lt(last_of_flow(e, at), e->rx.seq);
	s = find(e->rx.addr, e->rx.seq);
	ck_assert_ptr_nonnull(s);
	ck_assert(!s->delivered);
	ck_assert(!s->answered);
	s->delivered = true;
	if (e->rx.flags & VMSGIF_RXF_MAP && pick(3)) {
		fake_release(e->dev, e->rx.addr, e->rx.port, e->rx.seq);
	} else if (e->rx.flags & VMSGIF_RXF_MAP) {
		s->held = true;
	}
}

static void check_tx(const struct fake_entry *e)
{
	struct sent *s = NULL;

	if (e->tx.op != VMSGIF_OP_SEND)
		return;
	for (unsigned int i = nr_sends; i-- > 0 && !s;)
		if (sends[i].dev == e->dev && sends[i].id == e->tx.id && !sends[i].answered)
			s = &sends[i];
	ck_assert_ptr_nonnull(s);
	s->answered = true;
	if (e->tx.status == 0)
		ck_assert(s->delivered);
	else if (e->tx.status != VMSGIF_EHOSTDOWN && e->tx.status != VMSGIF_ECONNREFUSED)
		ck_assert(!s->delivered);
}

static void check(void)
{
	for (; seen < fake.nr_entries; seen++) {
		const struct fake_entry *e = &fake.entries[seen];

		if (e->kind == FAKE_RX)
			check_rx(e, seen);
		else if (e->kind == FAKE_TX)
			check_tx(e);
	}
}

/* -------------------------------------------------------------------- acting */

/* A ring's slots are the guest's own to respect. */
static bool has_slot(const struct device *dev)
{
	unsigned int busy = 0;

	for (unsigned int i = 0; i < dev->slots; i++)
		busy += dev->busy[i];
	return busy + 2 < dev->slots;
}

/* Mostly to whom one of its pools is shared with. */
static uint16_t send_map(struct device *dev, struct device *to, uint32_t port)
{
	uint16_t id = (uint16_t)pick(3);
	const struct map_pool *pool = fake_peer(dev)->pools[id];
	struct device owner = { 0 };

	if (!pool || !pick(10))
		return fake_send_map(dev, to, port, id, 0, 100);
	owner.addr = pool->addr;
	return fake_send_map(dev, &owner, pool->port, id, 0, 100);
}

static void send(struct device *dev, struct device *to)
{
	struct sent *s = &sends[nr_sends];
	uint32_t port = 7 + pick(3);

	if (nr_sends == SENDS || !to->addr)
		return;
	switch (pick(4)) {
	case 0:
		s->id = fake_send(dev, to, port, "inline");
		break;
	case 1:
		s->id = send_map(dev, to, port);
		break;
	default:
		s->id = fake_send_pages(dev, to, port, pick(16), 1 + pick(30000));
		break;
	}
	s->dev = dev;
	s->addr = dev->addr;
	s->seq = dev->seq;
	nr_sends++;
}

static void release_some(struct device *dev)
{
	for (unsigned int i = 0; i < nr_sends; i++) {
		if (!sends[i].held || pick(2))
			continue;
		sends[i].held = false;
		for (uint32_t port = 7; port < 10 && has_slot(dev); port++)
			for (unsigned int g = 0; g < GUESTS && has_slot(guests[g]); g++)
				if (device_is_up(guests[g]))
					fake_release(guests[g], sends[i].addr, port, sends[i].seq);
	}
}

static void come_or_go(struct device *dev)
{
	if (device_is_up(dev) && !pick(3)) {
		/* It broke a rule; the broker hears of its end later. */
		dev->frozen = true;
	} else if (dev->priv && (dev->up || pick(2))) {
		fake_down(dev);
		/* What was under way from there is answered by nobody. */
		for (unsigned int i = 0; i < nr_sends; i++)
			if (sends[i].dev == dev)
				sends[i].answered = true;
	} else if (!dev->priv && !pick(3)) {
		fake_awaited(dev);
	} else {
		fake_connect(dev);
		for (uint32_t port = 7; port < 10; port++)
			if (pick(4))
				fake_bind(dev, port, UINT64_C(1) << 40, NULL);
		fake_ready(dev);
		fake_post(dev, 128);
	}
}

static void act(struct device *dev)
{
	struct device *to = guests[pick(GUESTS)];
	uint16_t pool = (uint16_t)pick(3);

	switch (pick(60)) {
	case 0:
		fake_bind(dev, 7 + pick(3), pick(2) ? UINT64_C(1) << 40 : 20000,
			  pick(2) ? "svc" : NULL);
		break;
	case 1:
		if (!pick(3))
			fake_port_op(dev, VMSGIF_OP_UNBIND, 7 + pick(3), 0);
		break;
	case 2:
		fake_port_op(dev, VMSGIF_OP_CREDIT, 7 + pick(3), pick(1000000));
		break;
	case 3:
		fake_name_op(dev, pick(2) ? VMSGIF_OP_SUBSCRIBE : VMSGIF_OP_RESOLVE,
			     pick(2) ? to->name : "svc@g1");
		break;
	case 4:
		fake_put(dev, VMSGIF_OP_RESOLVE)->req.addr = to->addr;
		break;
	case 5:
		fake_pool(dev, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, pool, to, 7 + pick(3));
		break;
	case 6:
		fake_pool(dev, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, pool, NULL, 0);
		break;
	case 7:
		fake_ack(dev, to->addr, pool, pick(4) ? 0 : VMSGIF_EFAULT);
		break;
	case 8:
		dev->bad_tx[pick(16)] = !pick(6);
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		if (dev->posted_end - dev->answered < 128)
			fake_post(dev, 1 + pick(128));
		break;
	default:
		send(dev, to);
		break;
	}
}

/* The policy changes all the time, under whatever is under way. */
static void reload(void)
{
	static const char *const policies[] = {
		FAKE_OPEN,
		FAKE_OPEN "[limits some]\ndomains = g1 g2\nqueued-messages = 20\n"
			  "outstanding-maps = 2\nmessages-per-second = 1000\nweight = 7\n",
		"[devices]\ndomains = *\n[deny g1]\nfrom = g1\nto = g2\n"
		"[allow slow]\nfrom = *\nto = *\nbytes-per-second = 1000000\n",
		"[devices]\ndomains = *\n[allow copy]\nfrom = *\nto = *\n"
		"[offer none]\ndomains = nobody\nservices = *\n",
		"[devices]\ndomains = *\n[allow svc]\nfrom = *\nto = *\nports = svc 8\n"
		"modes = map\n[allow rest]\nfrom = g3\nto = *\nmessages-per-second = 50\n",
		"[devices]\ndomains = g0 g1 g2 g3\n[allow any]\nfrom = *\nto = *\nmodes = copy map\n",
	};
	/* Mostly what lets things happen. */
	unsigned int n = pick(2) ? 0 : pick(ARRAY_LEN(policies));
	unsigned int max_maps = fake.broker->config->limits.max_maps;
	struct config *config = fake_config(policies[n]);

	config->limits.max_maps = max_maps;
	ck_assert_int_eq(broker_reconfigure(fake.broker, config), 0);
}

static void drain(const struct device *dev)
{
	const char *who = pick(4) ? dev->name : DRAIN_ALL;

	if (drain_set(fake.broker, who, pick(3) == 0) == 0)
		ck_assert_uint_le(drain_left(fake.broker, who), nr_sends);
}

/* What waits does so for a reason. */
static void check_parked(void)
{
	for (unsigned int g = 0; g < GUESTS; g++) {
		const struct peer *peer = guests[g]->priv;

		for (unsigned int i = 0; peer && i < peer->nr_slots; i++) {
			const struct message *m = &peer->slots[i];

			if (m->state == MESSAGE_PARKED)
				ck_assert(drain_holds(peer) || drain_holds(m->flow->pair->dst));
		}
	}
}

static void check_accounts(void)
{
	struct account *account;

	list_for_each_entry(account, &fake.broker->accounts, link) {
		const struct peer *peer = guests[account->domid - 1u]->priv;
		unsigned int queued = 0, maps = 0;

		for (unsigned int i = 0; peer && i < peer->nr_slots; i++) {
			const struct message *m = &peer->slots[i];
			bool send = m->state != MESSAGE_NONE && m->op == VMSGIF_OP_SEND;

			queued += send &&
				  (m->state == MESSAGE_QUEUED || m->state == MESSAGE_PARKED);
			maps += send && message_is_map(m);
		}
		ck_assert_uint_eq(account->queued, queued);
		ck_assert_uint_eq(account->maps, maps);
	}
}

START_TEST(anything)
{
	sim_init((uint64_t)_i + 1);
	memset(nr_down, 0, sizeof(nr_down));
	nr_sends = seen = 0;
	state = (uint64_t)_i * 7919 + 1;
	sends = calloc(SENDS, sizeof(*sends));
	fake_init(FAKE_OPEN);
	fake.batch_room = 1 + pick(40);
	fake.broker->config->limits.max_maps = 1 + pick(8);
	for (unsigned int g = 0; g < GUESTS; g++) {
		char name[8];

		snprintf(name, sizeof(name), "g%u", g);
		guests[g] = fake_device((uint16_t)(1 + g), name);
	}
	for (unsigned int step = 0; step < STEPS; step++) {
		struct device *dev = guests[pick(GUESTS)];

		if (pick(150) == 0 || step < 3 * GUESTS)
			come_or_go(dev);
		else if (device_is_up(dev) && has_slot(dev))
			act(dev);
		if (pick(100) == 0)
			release_some(dev);
		if (pick(100) == 0)
			reload();
		if (pick(100) == 0)
			drain(dev);
		if (pick(4) == 0) {
			(void)turn_run(fake.broker);
			check();
			check_accounts();
			check_parked();
			sim_advance(pick(1000) * NS_PER_US);
		}
	}
	(void)drain_set(fake.broker, DRAIN_ALL, false);
	fake_turns();
	check();
	check_parked();
	for (unsigned int g = 0; g < GUESTS; g++)
		if (guests[g]->priv)
			fake_down(guests[g]);
	fake_turns();
	ck_assert_uint_eq(fake.broker->route.nr_peers, 0);
	ck_assert(list_empty(&fake.broker->late));
	ck_assert(list_empty(&fake.broker->zombies));
	ck_assert_ptr_null(name_find(&fake.broker->route, "g1"));
	ck_assert_uint_gt(nr_sends, STEPS / 50);
	ck_assert_uint_gt(fake.broker->total.messages[WAY_COPY], 0);
	free(sends);
	fake_fini();
	sim_fini();
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-random");
	TCase *t = tcase_create("random");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, anything, 0, 40);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
