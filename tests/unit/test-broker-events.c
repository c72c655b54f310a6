// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Names and events: RESOLVE, SUBSCRIBE, who comes and goes, who waits, and what
 * is told to whom in which order.
 */
#include "tests/unit/fake-guests.h"

static struct device *alice, *bob;

static void begin(const char *config)
{
	fake_init(config);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
	fake_clear();
}

static void setup(void)
{
	begin(FAKE_OPEN);
}

static void teardown(void)
{
	fake_fini();
}

static uint16_t resolve(struct device *dev, const char *name)
{
	uint16_t id = fake_name_op(dev, VMSGIF_OP_RESOLVE, name);

	fake_turns();
	return id;
}

static uint16_t resolve_addr(struct device *dev, uint32_t addr)
{
	struct fake_request *in = fake_put(dev, VMSGIF_OP_RESOLVE);

	in->req.addr = addr;
	fake_turns();
	return in->req.id;
}

static uint16_t subscribe(struct device *dev, const char *name, bool cancel)
{
	uint16_t id = fake_name_op(dev, VMSGIF_OP_SUBSCRIBE, name);

	dev->in[(dev->in_end - 1) % FAKE_SLOTS].req.cancel = cancel;
	fake_turns();
	return id;
}

static void no_pages(struct device *dev)
{
	dev->posted_first = dev->answered = dev->posted_end;
}

/* ------------------------------------------------------------------- RESOLVE */

START_TEST(resolve_names)
{
	uint16_t id;

	fake_bind(bob, 10, 0, "log");
	id = resolve(alice, "bob");
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_uint_eq(fake_answer(alice, id)->addr, bob->addr);
	ck_assert_uint_eq(fake_answer(alice, id)->port, 0);
	fake_clear();
	id = resolve(alice, "log@bob");
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_uint_eq(fake_answer(alice, id)->addr, bob->addr);
	ck_assert_uint_eq(fake_answer(alice, id)->port, 10);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "spool@bob")), VMSGIF_EHOSTUNREACH);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "carol")), VMSGIF_EHOSTUNREACH);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "log@carol")), VMSGIF_EHOSTUNREACH);
	/* A port that is going is not there. */
	fake_port_op(bob, VMSGIF_OP_UNBIND, 10, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, resolve(alice, "log@bob")), VMSGIF_EHOSTUNREACH);
	ck_assert_uint_eq(fake_peer(alice)->waiting, 0);
}
END_TEST

START_TEST(resolve_is_policed)
{
	struct device *mallory;
	uint16_t id;

	fake_fini();
	begin("[devices]\ndomains = *\n"
	      "[allow a]\nfrom = alice\nto = b*\nports = 10 log\n");
	mallory = fake_guest(3, "mallory", 64);
	fake_bind(bob, 10, 0, "other");
	fake_bind(bob, 11, 0, "log");
	fake_bind(bob, 12, 0, "secret");
	ck_assert_int_eq(fake_status(mallory, resolve(mallory, "bob")), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(mallory, resolve(mallory, "nobody")), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(mallory, resolve(mallory, "log@bob")), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "bob")), 0);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "bill")), VMSGIF_EHOSTUNREACH);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "other@bob")), 0);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "log@bob")), 0);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "log@bill")), VMSGIF_EHOSTUNREACH);
	/* Denied, and not there: the same. */
	ck_assert_int_eq(fake_status(alice, resolve(alice, "secret@bob")), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, resolve(alice, "nothing@bob")), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "refused from=mallory(3) name=bob"));

	/* By address: the receiver may know whom it hears from. */
	id = resolve_addr(bob, alice->addr);
	ck_assert_int_eq(fake_status(bob, id), 0);
	ck_assert_int_eq(fake_status(mallory, resolve_addr(mallory, alice->addr)), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(mallory, resolve_addr(mallory, 0x70007)), VMSGIF_EACCES);
}
END_TEST

START_TEST(resolve_addresses)
{
	uint32_t old = bob->addr;
	struct device *nameless = fake_guest(3, "", 0);
	const struct vmsgif_rx_response *rx;
	uint16_t id = resolve_addr(alice, bob->addr);

	ck_assert_int_eq(fake_status(alice, id), 0);
	rx = fake_rx(alice, VMSGIF_RX_RESOLVED, 0);
	ck_assert_uint_eq(rx->addr, bob->addr);
	ck_assert_uint_eq(rx->flags, VMSGIF_RXF_INLINE);
	ck_assert_uint_eq(rx->len, 3);
	ck_assert_mem_eq(rx->u.data, "bob", 4);
	ck_assert_int_lt(fake_rx_at(alice, VMSGIF_RX_RESOLVED, 0), fake_tx_at(alice, id, 0));
	ck_assert_int_eq(fake_status(alice, resolve_addr(alice, nameless->addr)),
			 VMSGIF_EHOSTUNREACH);
	/* It waits for a page, and goes on if its subject dies meanwhile. */
	no_pages(alice);
	id = resolve_addr(alice, old);
	ck_assert_int_eq(fake_status(alice, id), FAKE_UNANSWERED);
	fake_down(bob);
	fake_post(alice, 8);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, id), 0);
	ck_assert_mem_eq(fake_rx(alice, VMSGIF_RX_RESOLVED, 1)->u.data, "bob", 4);
	ck_assert_int_eq(fake_status(alice, resolve_addr(alice, old)), VMSGIF_EHOSTUNREACH);
}
END_TEST

/* Look-ups for who has not said READY wait. */
START_TEST(resolve_waits)
{
	struct device *carol = fake_device(3, "carol");
	uint16_t name, service, missing, addr;

	fake_awaited(carol);
	name = resolve(alice, "carol");
	service = resolve(alice, "log@carol");
	missing = resolve(alice, "spool@carol");
	addr = resolve_addr(alice, carol->addr);
	ck_assert_int_eq(fake_status(alice, name), FAKE_UNANSWERED);
	ck_assert_int_eq(fake_status(alice, addr), FAKE_UNANSWERED);
	fake_connect(carol);
	fake_bind(carol, 5, 0, "log");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, service), FAKE_UNANSWERED);
	fake_ready(carol);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, name), 0);
	ck_assert_uint_eq(fake_answer(alice, name)->addr, carol->addr);
	ck_assert_uint_eq(fake_answer(alice, service)->port, 5);
	ck_assert_int_eq(fake_status(alice, missing), VMSGIF_EHOSTUNREACH);
	ck_assert_int_eq(fake_status(alice, addr), 0);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_RESOLVED), 1);
}
END_TEST

START_TEST(resolve_in_vain)
{
	struct device *carol = fake_device(3, "carol");
	uint16_t name, addr;

	fake_awaited(carol);
	name = resolve(alice, "carol");
	addr = resolve_addr(alice, carol->addr);
	fake_down(carol);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, name), VMSGIF_EHOSTUNREACH);
	ck_assert_int_eq(fake_status(alice, addr), VMSGIF_EHOSTUNREACH);
	/* And the one who asks dies. */
	fake_awaited(carol);
	resolve(alice, "log@carol");
	no_pages(alice);
	resolve_addr(alice, bob->addr);
	fake_down(alice);
	fake_connect(carol);
	fake_ready(carol);
	fake_turns();
	ck_assert(list_empty(&fake_peer(carol)->resolvers));
}
END_TEST

/* ----------------------------------------------------------------- SUBSCRIBE */

START_TEST(subscription)
{
	const struct vmsgif_rx_response *rx;
	uint32_t first = bob->addr;
	uint16_t id = subscribe(alice, "bob", false);

	ck_assert_int_eq(fake_status(alice, id), 0);
	rx = fake_rx(alice, VMSGIF_RX_PEER_UP, 0);
	ck_assert_uint_eq(rx->addr, first);
	ck_assert_uint_eq(rx->len, 3);
	ck_assert_mem_eq(rx->u.data, "bob", 4);
	/* Twice is once. */
	subscribe(alice, "bob", false);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 1);
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_DOWN, 0)->addr, first);
	fake_connect(bob);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 1);
	fake_ready(bob);
	fake_turns();
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_UP, 1)->addr, bob->addr);
	ck_assert_int_lt(fake_rx_at(alice, VMSGIF_RX_PEER_DOWN, 0),
			 fake_rx_at(alice, VMSGIF_RX_PEER_UP, 1));
	/* No more. */
	subscribe(alice, "bob", true);
	subscribe(alice, "bob", true);
	subscribe(alice, "nobody", true);
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_peer(alice)->nr_subs, 0);
}
END_TEST

START_TEST(subscription_to_the_future)
{
	subscribe(alice, "carol", false);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 0);
	fake_guest(3, "carol", 0);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 1);
}
END_TEST

/* Up to 32 bytes fit into the slot, longer ones come in the page. */
START_TEST(long_names)
{
	char name[VMSGIF_NAME_MAX + 1] = "";
	const struct vmsgif_rx_response *rx;
	size_t len = (size_t)_i;
	struct device *dev;

	memset(name, 'n', len);
	subscribe(alice, name, false);
	dev = fake_guest(3, name, 0);
	rx = fake_rx(alice, VMSGIF_RX_PEER_UP, 0);
	ck_assert_ptr_nonnull(rx);
	ck_assert_uint_eq(rx->addr, dev->addr);
	ck_assert_uint_eq(rx->len, len);
	ck_assert_uint_eq(rx->flags, len > 32 ? 0 : VMSGIF_RXF_INLINE);
	ck_assert_uint_eq(rx->used, len > 32 ? len : 0);
	ck_assert_mem_eq(len > 32 ? alice->rx_page[alice->posted[rx->id % FAKE_SLOTS].ref] :
				    rx->u.data,
			 name, len);
	/* Whoever posts pages that cannot be written is told, but not the name. */
	fake.bad_writes = true;
	resolve_addr(alice, dev->addr);
	rx = fake_rx(alice, VMSGIF_RX_RESOLVED, 0);
	ck_assert_uint_eq(rx->addr, dev->addr);
	ck_assert_uint_eq(rx->len, len > 32 ? 0 : len);
	ck_assert_uint_eq(rx->used, 0);
}
END_TEST

START_TEST(subscriptions_are_bounded)
{
	char name[32];
	uint16_t id;

	fake.broker->config->max_subscriptions = 10;
	for (unsigned int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		ck_assert_int_eq(fake_status(alice, subscribe(alice, name, false)), 0);
	}
	id = subscribe(alice, "bob", false);
	ck_assert_int_eq(fake_status(alice, id), VMSGIF_ENOBUFS);
	subscribe(alice, "d3", true);
	ck_assert_int_eq(fake_status(alice, subscribe(alice, "bob", false)), 0);
}
END_TEST

START_TEST(subscription_is_policed)
{
	struct device *mallory;

	fake_fini();
	begin("[devices]\ndomains = *\n[allow a]\nfrom = alice\nto = bob\n");
	mallory = fake_guest(3, "mallory", 64);
	ck_assert_int_eq(fake_status(mallory, subscribe(mallory, "bob", false)), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(mallory, subscribe(mallory, "nobody", false)), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(bob, subscribe(bob, "alice", false)), 0);
	ck_assert_int_eq(fake_status(alice, subscribe(alice, "bob", false)), 0);
	ck_assert_uint_eq(fake_rx_count(mallory, VMSGIF_RX_PEER_UP), 0);
}
END_TEST

/* What changed before anybody could be told is told as it is in the end. */
START_TEST(states_coalesce)
{
	uint32_t first = bob->addr;

	subscribe(alice, "bob", false);
	no_pages(alice);
	for (unsigned int i = 0; i < 20; i++) {
		fake_down(bob);
		fake_connect(bob);
		fake_ready(bob);
		fake_turns();
	}
	ck_assert_uint_eq(fake_peer(alice)->nr_events, 2);
	fake_post(alice, 8);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_DOWN, 0)->addr, first);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 2);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_UP, 1)->addr, bob->addr);
}
END_TEST

START_TEST(never_told)
{
	no_pages(alice);
	subscribe(alice, "bob", false);
	fake_down(bob);
	fake_post(alice, 8);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 0);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 0);
}
END_TEST

/* ----------------------------------------------------------------- PEER_DOWN */

/* Both ends of whatever was delivered hear of it, once; others do not. */
START_TEST(partners_hear_of_death)
{
	struct device *carol = fake_guest(3, "carol", 64), *dave = fake_guest(4, "dave", 64);
	uint32_t addr = bob->addr;

	fake_send(alice, bob, 7, "x");
	fake_send(bob, alice, 7, "x");
	fake_send(bob, carol, 7, "x");
	fake_turns();
	subscribe(alice, "bob", false);
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_rx_count(carol, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_rx_count(dave, VMSGIF_RX_PEER_DOWN), 0);
	ck_assert_uint_eq(fake_rx(carol, VMSGIF_RX_PEER_DOWN, 0)->addr, addr);
}
END_TEST

/* After its last message; what was not delivered is not any more. */
START_TEST(down_after_the_last_message)
{
	fake_send(alice, bob, 7, "1");
	fake_turns();
	no_pages(bob);
	fake_send(alice, bob, 7, "2");
	fake_turns();
	fake_down(alice);
	fake_post(bob, 16);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 1);
	ck_assert_int_lt(fake_rx_at(bob, VMSGIF_RX_MESSAGE, 0),
			 fake_rx_at(bob, VMSGIF_RX_PEER_DOWN, 0));
}
END_TEST

/*
 * After a restart nobody knows who dealt with whom: who lived before is told of
 * all who lived before, if he may know of them.
 */
START_TEST(survivors)
{
	struct device *dev[5], *mallory;
	uint32_t early, late;
	char name[8];

	fake_fini();
	begin("[devices]\ndomains = *\n[allow d]\nfrom = d*\nto = d*\n");
	mallory = fake_device(20, "mallory");
	for (unsigned int d = 0; d < 5; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		dev[d] = fake_device((uint16_t)(10 + d), name);
	}
	fake_awaited(mallory);
	fake_awaited(dev[0]);
	fake_awaited(dev[1]);
	early = dev[1]->addr;
	fake_down(dev[1]);
	fake_awaited(dev[2]);
	fake_awaited(dev[3]);
	for (unsigned int d = 0; d < 5; d++) {
		if (d == 3)
			continue; /* does not come back */
		fake_connect(dev[d]);
		fake_post(dev[d], 8);
		fake_ready(dev[d]);
	}
	fake_connect(mallory);
	fake_post(mallory, 8);
	fake_ready(mallory);
	fake_turns();
	late = dev[3]->addr;
	fake_down(dev[3]);
	fake_turns();
	for (unsigned int d = 0; d < 3; d += 2) {
		ck_assert_uint_eq(fake_rx_count(dev[d], VMSGIF_RX_PEER_DOWN), 2);
		ck_assert_uint_eq(fake_rx(dev[d], VMSGIF_RX_PEER_DOWN, 0)->addr, early);
		ck_assert_uint_eq(fake_rx(dev[d], VMSGIF_RX_PEER_DOWN, 1)->addr, late);
	}
	/* New ones, and those who may not know. */
	ck_assert_uint_eq(fake_rx_count(dev[1], VMSGIF_RX_PEER_DOWN), 0);
	ck_assert_uint_eq(fake_rx_count(dev[4], VMSGIF_RX_PEER_DOWN), 0);
	ck_assert_uint_eq(fake_rx_count(mallory, VMSGIF_RX_PEER_DOWN), 0);
}
END_TEST

START_TEST(receiver_of_events_dies)
{
	fake_send(alice, bob, 7, "1");
	subscribe(bob, "alice", false);
	no_pages(bob);
	fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 0, bob, 7);
	fake_turns();
	fake_down(alice);
	fake_connect(alice);
	fake_ready(alice);
	fake_turns();
	ck_assert_uint_eq(fake_peer(bob)->nr_events, 2);
	fake_down(bob);
	ck_assert_uint_eq(fake.broker->route.nr_peers, 1);
}
END_TEST

/* Who never takes its events is closed before they fill the memory. */
START_TEST(events_are_bounded)
{
	no_pages(alice);
	for (unsigned int i = 0; i < EVENTS_MAX; i++) {
		struct pair *pair = calloc(1, sizeof(*pair));

		list_init(&pair->down.link);
		event_post(fake_peer(alice), &pair->down, EVENT_PAIR_DOWN, i + 1);
	}
	ck_assert(alice->frozen);
	ck_assert_ptr_nonnull(strstr(alice->failure, "events are pending"));
}
END_TEST

START_TEST(long_name)
{
	struct device *dev = fake_guest(3, "a-name-that-is-longer-than-what-a-slot-takes", 0);

	subscribe(alice, dev->name, false);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_UP, 0)->addr, dev->addr);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-events");
	TCase *t = tcase_create("resolve");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, resolve_names);
	tcase_add_test(t, resolve_is_policed);
	tcase_add_test(t, resolve_addresses);
	tcase_add_test(t, resolve_waits);
	tcase_add_test(t, resolve_in_vain);
	suite_add_tcase(s, t);

	t = tcase_create("subscribe");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, subscription);
	tcase_add_test(t, subscription_to_the_future);
	tcase_add_loop_test(t, long_names, 31, 35);
	tcase_add_loop_test(t, long_names, VMSGIF_NAME_MAX, VMSGIF_NAME_MAX + 1);
	tcase_add_test(t, subscriptions_are_bounded);
	tcase_add_test(t, subscription_is_policed);
	tcase_add_test(t, states_coalesce);
	tcase_add_test(t, never_told);
	suite_add_tcase(s, t);

	t = tcase_create("down");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, partners_hear_of_death);
	tcase_add_test(t, down_after_the_last_message);
	tcase_add_test(t, survivors);
	tcase_add_test(t, receiver_of_events_dies);
	tcase_add_test(t, events_are_bounded);
	tcase_add_test(t, long_name);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
