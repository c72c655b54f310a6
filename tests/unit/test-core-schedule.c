/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random schedules against a model. Three devices with three ports each send to
 * one another in all forms, while the broker dies in mid-turn, devices come back
 * late or as new instances, ports are bound and unbound, pools come and go, and
 * applications are slow. Whatever happens: every message arrives at most once,
 * in order, with the right bytes; with status 0 exactly once; with a status that
 * says "not delivered", not at all. In the end nothing is left over.
 */
#include "frontend/core/state.h"
#include "tests/unit/core-schedule.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static bool quiet(void)
{
	for (unsigned int i = 0; i < DEVS; i++) {
		const struct vmsg *v = schedule.dev[i].v;

		if (vmsg_nr_free(v) != vmsg_slots(v) || v->todo & ~VMSG_TODO_WAKE)
			return false;
		for (unsigned int p = 0; p < PORTS; p++)
			if (schedule.dev[i].ports[p].state == BINDING ||
			    schedule.dev[i].ports[p].state == UNBINDING)
				return false;
		for (unsigned int slot = 0; slot < FOREIGN; slot++)
			if (schedule.dev[i].foreign[slot].leaving)
				return false;
	}
	return broker_idle(&schedule.b);
}

static void settle(void)
{
	for (unsigned int round = 0; round < 3000; round++) {
		for (unsigned int i = 0; i < DEVS; i++) {
			if (schedule.dev[i].attach)
				schedule_attach(i);
			schedule_poll_dev(&schedule.dev[i], 1000);
			for (unsigned int p = 0; p < PORTS; p++) {
				for (unsigned int k = 0; k < 4; k++)
					schedule_release(i, p);
				while (schedule_recv(i, p, true))
					;
			}
			schedule_publish(&schedule.dev[i]);
		}
		broker_turn(&schedule.b, 1000, 0);
		if (quiet())
			return;
	}
	for (unsigned int i = 0; i < schedule.nr_sent; i++)
		ck_assert_msg(schedule.sent[i].status != NEVER, "message %u stuck, %s", i,
			      schedule.sent[i].pool >= 0 ? "mapped" : "");
	ck_abort_msg("does not come to rest");
}

static void check_messages(void)
{
	for (unsigned int i = 0; i < schedule.nr_sent; i++) {
		const struct sent *sent = &schedule.sent[i];
		const struct wport *to = &schedule.dev[sent->dst_dev].ports[sent->dst_port];

		ck_assert_int_ne(sent->status, NEVER);
		if (sent->status == 0 && sent->taint == to->taint)
			ck_assert_msg(sent->received == 1, "message %u lost", i);
		if (sent->status && sent->status != -EHOSTDOWN && sent->status != -ECONNREFUSED)
			ck_assert_uint_eq(sent->received, 0);
	}
}

static void check_nothing_left(const struct vmsg *v)
{
	unsigned int free = 0;

	ck_assert_uint_eq(vmsg_nr_free(v), vmsg_slots(v));
	ck_assert_uint_eq(v->nr_wait, 0);
	ck_assert_uint_eq(v->nr_control, 0);
	ck_assert_uint_eq(v->nr_prompt, 0);
	ck_assert_uint_eq(v->nr_quiet, 0);
	ck_assert_uint_eq(v->nr_queue, 0);
	ck_assert_uint_eq(v->nr_bind, 0);
	ck_assert_uint_eq(v->nr_release, 0);
	ck_assert_uint_eq(v->nr_behind, 0);
	ck_assert_uint_eq(v->nr_work, 0);
	ck_assert_uint_eq(v->nr_ports, 0);
	ck_assert_uint_eq(v->nr_rejects, 0);
	ck_assert_uint_eq(v->rx_held, 0);
	ck_assert_uint_eq(v->nr_cells, 32);
	ck_assert_uint_eq(v->max_call, v->max_wait);
	ck_assert_uint_eq(v->nr_tx_free, BROKER_PAGES - 1);
	for (unsigned int i = 0; i < BROKER_PAGES; i++) {
		free += v->t.rx_map[i / VMSG_MAP_BITS] >> i % VMSG_MAP_BITS & 1;
		ck_assert_uint_eq(v->t.rx_mark[i], VMSG_PAGE_FREE);
	}
	ck_assert_uint_eq(free, v->nr_rx_free);
	ck_assert_uint_eq(v->rx.prod - v->rx.cons + free, BROKER_PAGES);
	for (unsigned int i = 0; i < v->t.windows.nr; i++) {
		const struct vmsg_window *window = (void *)vmsg_hash_at(&v->t.windows, i);

		ck_assert_uint_eq(window->count, 0);
		ck_assert_uint_eq(window->queued, 0);
	}
}

static void run(unsigned int seed, unsigned int steps)
{
	memset(&schedule, 0, sizeof(schedule));
	schedule.rng = seed * 7919u + 1;
	schedule.order = rnd(2);
	broker_init(&schedule.b);
	schedule.b.features = (struct vmsg_features){
		.flow_window = 8,
		.max_message = 65536,
		.max_pool_pages = BROKER_PAGES,
		.max_maps = 64,
		.map = true,
	};
	for (unsigned int i = 0; i < DEVS; i++)
		schedule_dev_init(i);
	for (unsigned int i = 0; i < steps; i++)
		schedule_step();
	settle();
	check_messages();
	for (unsigned int i = 0; i < DEVS; i++)
		for (unsigned int p = 0; p < PORTS; p++)
			schedule_unbind(i, p);
	settle();
	for (unsigned int i = 0; i < DEVS; i++)
		for (unsigned int id = 0; id < BROKER_POOLS; id++)
			if (schedule.dev[i].pools[id].state == ON)
				ck_assert_int_eq(vmsg_pool_del(schedule.dev[i].v, id,
							       cookie_of(COOKIE_DEL, id)),
						 0);
	for (unsigned int i = 0; i < DEVS; i++)
		for (unsigned int id = 0; id < BROKER_POOLS; id++)
			if (schedule.dev[i].pools[id].state == ON)
				schedule.dev[i].pools[id].state = DELETING;
	settle();
	for (unsigned int i = 0; i < DEVS; i++) {
		check_nothing_left(schedule.dev[i].v);
		for (unsigned int s = 0; s < FOREIGN; s++)
			ck_assert(!schedule.dev[i].foreign[s].mapped);
	}
	for (unsigned int i = 0; i < DEVS; i++)
		schedule_dev_deinit(i);
	broker_deinit(&schedule.b);
}

START_TEST(schedules)
{
	unsigned int runs = 0, singles = 0, joined = 0;

	if (getenv("SEED")) {
		run((unsigned int)atoi(getenv("SEED")), 4000);
		return;
	}
	for (unsigned int k = 0; k < 10; k++) {
		run((unsigned int)_i * 10 + k + 1, 4000);
		runs += schedule.b.runs;
		singles += schedule.b.singles;
		joined += schedule.joined;
	}
	/* RX pages were posted in both ways. */
	ck_assert_uint_gt(runs, 100);
	ck_assert_uint_gt(singles, 100);
	ck_assert_uint_gt(joined, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-schedule");
	TCase *tc = tcase_create("schedule");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 120);
	/* SEED=n runs that one alone. */
	tcase_add_loop_test(tc, schedules, 0, getenv("SEED") ? 1 : 20);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
