// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may still have pages of the dead, and for how long that is said. */
#include "tests/unit/fake-guests.h"

#include "broker/zombies.h"

static struct device *alice, *bob;

static void setup(void)
{
	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 32);
	bob = fake_guest(2, "bob", 32);
	fake.fate = DOMAIN_DYING;
}

static void teardown(void)
{
	fake_fini();
}

/* Pool @id of @owner for port 7 of @to; mapped if @mapped. */
static void share(struct device *owner, struct device *to, uint16_t id, bool mapped)
{
	fake_pool(owner, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, id, to, 7);
	fake_turns();
	if (mapped)
		fake_ack(to, owner->addr, id, 0);
	fake_turns();
}

static unsigned int count(void)
{
	zombies_prune(fake.broker);
	return fake.broker->nr_zombies;
}

START_TEST(until_the_domain_is_gone)
{
	const struct zombie *zombie;

	share(alice, bob, 2, true);
	fake_send_map(alice, bob, 7, 2, 0, 100);
	fake_turns();
	ck_assert_uint_eq(count(), 0);
	fake_down(alice);
	fake_turns();
	ck_assert_uint_eq(count(), 1);
	zombie = list_first_entry(&fake.broker->zombies, struct zombie, link);
	ck_assert_str_eq(zombie->name, "alice");
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(zombie->addr), 1);
	ck_assert_ptr_eq(zombie->receiver, fake_peer(bob));
	ck_assert_uint_eq(zombie->port, 7);
	ck_assert_uint_eq(zombie->id, 2);
	ck_assert_uint_eq(zombie->nr_pages, 16);
	ck_assert(zombie->told);
	fake.fate = DOMAIN_GONE;
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* What the receiver was not told to map is not held by it; a pool that is to go may be. */
START_TEST(only_what_may_be_mapped)
{
	struct device *slow = fake_guest(3, "slow", 0);
	struct device *other = fake_device(4, "other");

	fake_awaited(other);
	share(alice, bob, 1, false);
	share(alice, slow, 2, false);
	share(alice, other, 3, false);
	share(alice, bob, 4, true);
	fake_pool(alice, VMSGIF_OP_POOL_DEL, VMSGIF_POOL_MAP, 4, NULL, 0);
	fake_turns();
	fake_down(alice);
	ck_assert_uint_eq(count(), 2);
	ck_assert_uint_eq(list_first_entry(&fake.broker->zombies, struct zombie, link)->id, 1);
}
END_TEST

/* Its frontend died alone: that is over when the receiver was told. */
START_TEST(domain_lives_on)
{
	struct device *slow = fake_guest(3, "slow", 0);

	fake_post(slow, 1);
	share(alice, slow, 1, true);
	fake.fate = DOMAIN_ALIVE;
	fake_down(alice);
	fake_turns();
	ck_assert_uint_eq(count(), 1);
	fake_post(slow, 1);
	fake_turns();
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(processes_of_this_domain)
{
	struct device *local = fake_guest(VMSGIF_ADDR_LOCAL | 5, "Domain-0", 8);

	share(local, bob, 1, true);
	fake_down(local);
	ck_assert_uint_eq(count(), 1);
	fake_turns();
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(receiver_dies)
{
	share(alice, bob, 1, true);
	share(bob, alice, 2, true);
	fake_down(alice);
	ck_assert_uint_eq(count(), 1);
	fake_down(bob);
	ck_assert_uint_eq(count(), 0);
}
END_TEST

/* The oldest make room. */
START_TEST(bounded)
{
	fake_post(bob, 200);
	for (unsigned int life = 0; life < ZOMBIES_MAX / 32 + 2; life++) {
		token_bucket_init(&fake_peer(alice)->pool_tokens, POOL_RATE, POOL_BURST, 0);
		for (uint16_t id = 0; id < 32; id++)
			share(alice, bob, id, true);
		fake_down(alice);
		fake_post(bob, 64);
		fake_turns();
		fake_clear();
		fake_connect(alice);
		fake_ready(alice);
		fake_turns();
	}
	ck_assert_uint_eq(count(), ZOMBIES_MAX);
	ck_assert_uint_ne(list_first_entry(&fake.broker->zombies, struct zombie, link)->addr,
			  VMSGIF_ADDR(101, 1));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-zombies");
	TCase *t = tcase_create("zombies");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, until_the_domain_is_gone);
	tcase_add_test(t, only_what_may_be_mapped);
	tcase_add_test(t, domain_lives_on);
	tcase_add_test(t, processes_of_this_domain);
	tcase_add_test(t, receiver_dies);
	tcase_add_test(t, bounded);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
