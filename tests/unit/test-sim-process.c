// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: how processes and domains end.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "tests/sim/sim.h"

/* A broker and a frontend with one shared page and an event channel. */
static domid_t guest;
static struct sim_process *broker, *front;
static xengnttab_handle *xgt;
static xengntshr_handle *xgs;
static xenevtchn_handle *bx, *fx;
static uint32_t ref;
static uint8_t *shared, *mapped;
static int theirs, ours;

static void setup(void)
{
	sim_init(7);
	guest = sim_domain_new("guest", SIM_PVH);
	broker = sim_process_new(0, "broker");
	front = sim_process_new(guest, "front");
	sim_enter(front);
	xgs = xengntshr_open(NULL, 0);
	fx = xenevtchn_open(NULL, 0);
	theirs = xenevtchn_bind_unbound_port(fx, 0);
	shared = xengntshr_share_page_notify(xgs, 0, &ref, 1, 10, (evtchn_port_t)theirs);
	memset(shared, 1, SIM_PAGE_SIZE);
	sim_enter(broker);
	xgt = xengnttab_open(NULL, 0);
	bx = xenevtchn_open(NULL, 0);
	ours = xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)theirs);
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	xenevtchn_unmask(bx, (evtchn_port_t)ours);
	mapped = xengnttab_map_grant_ref_notify(xgt, guest, ref, PROT_READ | PROT_WRITE, 20,
						(evtchn_port_t)ours);
	ck_assert_ptr_nonnull(mapped);
	sim_enter(NULL);
}

/* What both programs do when they end, dead or alive. */
static void teardown(void)
{
	xengnttab_unmap(xgt, mapped, 1);
	xenevtchn_close(bx);
	xengnttab_close(xgt);
	xengntshr_unshare(xgs, shared, 1);
	xenevtchn_close(fx);
	xengntshr_close(xgs);
	sim_assert_clean();
	sim_fini();
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

START_TEST(killed_backend)
{
	sim_process_kill(broker);
	ck_assert(sim_process_dead(broker));
	ck_assert(!sim_process_dead(front));
	/* The byte is cleared and the event sent before the port closes. */
	ck_assert_uint_eq(shared[20], 0);
	ck_assert_uint_eq(shared[21], 1);
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	ck_assert_int_eq(sim_port_state(guest, (uint32_t)theirs), SIM_PORT_UNBOUND);
	ck_assert_uint_eq(sim_gref_maps(guest, ref), 0);

	/* The program still has what it saw, but nobody sees what it does. */
	ck_assert_uint_eq(mapped[10], 1);
	mapped[10] = 77;
	ck_assert_uint_eq(shared[10], 1);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), -1);
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
	ck_assert_int_eq(xenevtchn_bind_unbound_port(bx, 0), -1);
	ck_assert_ptr_null(xengnttab_map_grant_ref(xgt, guest, ref, PROT_READ));
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
	sim_enter(broker);
	ck_assert_ptr_null(xs_open(0));
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
	/* A second time is none. */
	sim_process_kill(broker);
}
END_TEST

START_TEST(killed_frontend)
{
	sim_process_kill(front);
	ck_assert_uint_eq(mapped[10], 0);
	ck_assert_uint_eq(mapped[11], 1);
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	/* Its page is busy, so it waits. */
	ck_assert_uint_eq(sim_grants(guest), 1);
	shared[11] = 99;
	ck_assert_uint_eq(mapped[11], 1);
	xengnttab_unmap(xgt, mapped, 1);
	sim_advance(SIM_NSEC_PER_SEC);
	ck_assert_uint_eq(sim_grants(guest), 0);
}
END_TEST

/* Memory of its own that it shares with others is not theirs any more, either. */
START_TEST(killed_with_memory_of_its_own)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint8_t *its, *others, *moved;
	char *leaks;

	ck_assert_int_eq(ftruncate(fd, 4096), 0);
	sim_enter(broker);
	its = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sim_enter(front);
	others = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/* One that takes the place of another one is seen as well. */
	moved = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_eq(mremap(moved, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, others), others);
	close(fd);
	*its = 1;
	ck_assert_uint_eq(*others, 1);
	leaks = sim_leaks();
	ck_assert_ptr_nonnull(strstr(leaks, "process front (d1): 1 mappings of descriptors"));
	free(leaks);
	sim_process_kill(broker);
	ck_assert_uint_eq(*its, 1);
	*its = 2;
	ck_assert_uint_eq(*others, 1);
	munmap(its, 4096);
	sim_process_kill(front);
	*others = 3;
	munmap(others, 4096);
	leaks = sim_leaks();
	ck_assert(!leaks || !strstr(leaks, "of descriptors"));
	free(leaks);
}
END_TEST

START_TEST(process_free_is_exit)
{
	sim_process_free(broker);
	ck_assert_uint_eq(shared[20], 0);
	/* Its handles are gone; those of teardown() must be new ones. */
	broker = sim_process_new(0, "broker");
	sim_enter(broker);
	xgt = xengnttab_open(NULL, 0);
	bx = xenevtchn_open(NULL, 0);
	mapped = NULL;
}
END_TEST

START_TEST(timers_die)
{
	struct itimerspec its = { .it_value.tv_sec = 1 };
	int fd;

	sim_enter(broker);
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(fd, 0, &its, NULL);
	ck_assert_uint_ne(sim_next_timer(), SIM_NO_TIMER);
	sim_process_kill(broker);
	ck_assert_uint_eq(sim_next_timer(), SIM_NO_TIMER);
	timerfd_settime(fd, 0, &its, NULL);
	sim_advance(5 * SIM_NSEC_PER_SEC);
	ck_assert(!readable(fd));
	close(fd);
}
END_TEST

START_TEST(kill_at_before)
{
	sim_kill_at(broker, 2, SIM_BEFORE);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	xenevtchn_unmask(fx, (evtchn_port_t)theirs);
	ck_assert(!sim_process_dead(broker));
	ck_assert_int_eq(xengnttab_unmap(xgt, mapped, 1), -1);
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
	ck_assert(sim_process_dead(broker));
	/* The call had no effect, the end of the process had. */
	ck_assert_uint_eq(sim_counts(broker)->pages_unmapped, 0);
	ck_assert_uint_eq(shared[20], 0);
	mapped = NULL;
}
END_TEST

START_TEST(kill_at_after)
{
	uint64_t sent = sim_port_sent(0, (uint32_t)ours);

	sim_kill_at(broker, 1, SIM_AFTER);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), -1);
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
	ck_assert(sim_process_dead(broker));
	/* One by the call, one by the unmap notification. */
	ck_assert_uint_eq(sim_port_sent(0, (uint32_t)ours), sent + 2);
}
END_TEST

/* Each call of a connecting backend may be its last. */
START_TEST(kill_at_any_call)
{
	enum sim_when when = _i % 2 ? SIM_AFTER : SIM_BEFORE;
	unsigned int n = (unsigned int)_i / 2 + 1;
	struct sim_process *victim = sim_process_new(0, "victim");
	uint32_t pfn = sim_page_alloc(guest, 4), grefs[4], i;
	xengnttab_handle *gt = NULL;
	xenevtchn_handle *ec = NULL;
	struct xs_handle *xs = NULL;
	xs_transaction_t t = XBT_NULL;
	void *p = NULL;

	for (i = 0; i < 4; i++)
		grefs[i] = sim_grant(guest, pfn + i, 0, false);
	sim_kill_at(victim, n, when);
	sim_enter(victim);
	gt = xengnttab_open(NULL, 0);
	if (gt)
		ec = xenevtchn_open(NULL, 0);
	if (ec)
		xs = xs_open(0);
	if (xs && xs_watch(xs, "/t", "T"))
		t = xs_transaction_start(xs);
	if (t && xs_write(xs, t, "/t/x", "1", 1) && xs_transaction_end(xs, t, false))
		p = xengnttab_map_domain_grant_refs(gt, 4, guest, grefs, PROT_READ);
	if (p)
		xengnttab_unmap(gt, p, 4);
	ck_assert(sim_process_dead(victim));
	ck_assert_int_eq(sim_xs_exists("/t/x"), n > 7 || (n == 7 && when == SIM_AFTER));
	xengnttab_close(gt);
	xenevtchn_close(ec);
	xs_close(xs);
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(sim_revoke(guest, grefs[i]), 0);
	sim_xs_rm("/t");
	sim_process_free(victim);
}
END_TEST

START_TEST(fail_nth)
{
	struct sim_process *other = sim_process_new(0, "other");
	xenevtchn_handle *ox;

	sim_enter(other);
	ox = xenevtchn_open(NULL, 0);
	sim_fail_nth(broker, SIM_CALL_NOTIFY, 2, ENODEV);
	sim_fail_nth(NULL, SIM_CALL_ANY, 4, ENOMEM);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	ck_assert_int_eq(xenevtchn_notify(ox, 1), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), -1);
	ck_assert_int_eq(errno, ENODEV);
	ck_assert_int_eq(xenevtchn_pending(fx), -1);
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	sim_fail_nth(NULL, SIM_CALL_ANY, 1, ENOMEM);
	sim_kill_at(broker, 1, SIM_BEFORE);
	sim_fail_reset();
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	xenevtchn_close(ox);
}
END_TEST

START_TEST(counts)
{
	const struct sim_counts *c = sim_counts(broker);
	uint64_t all = sim_counts(NULL)->calls[SIM_CALL_ANY], mine = c->calls[SIM_CALL_ANY];

	ck_assert_uint_eq(c->calls[SIM_CALL_MAP], 1);
	ck_assert_uint_eq(c->pages_mapped, 1);
	xenevtchn_notify(bx, (evtchn_port_t)ours);
	xenevtchn_notify(fx, (evtchn_port_t)theirs);
	ck_assert_uint_eq(c->calls[SIM_CALL_ANY], mine + 1);
	ck_assert_uint_eq(sim_counts(NULL)->calls[SIM_CALL_ANY], all + 2);
	ck_assert_str_eq(sim_call_name(SIM_CALL_NOTIFY), "evtchn notify");
}
END_TEST

START_TEST(destroyed_guest_is_a_zombie_while_mapped)
{
	char perms[32];

	sim_xs_put("/local/domain/0/backend/vmsg/1/0", "");
	snprintf(perms, sizeof(perms), "n0,r%u", guest);
	sim_xs_chmod("/local/domain/0/backend/vmsg/1/0", perms);
	sim_domain_destroy(guest);
	ck_assert(sim_process_dead(front));
	ck_assert_int_eq(sim_domain_state(guest), SIM_DOMAIN_DYING);
	/* No last word. */
	ck_assert_uint_eq(mapped[10], 1);
	ck_assert_int_eq(xenevtchn_pending(bx), -1);
	ck_assert(sim_xs_exists("/local/domain/0/backend/vmsg/1/0"));
	mapped[11] = 5;
	ck_assert_uint_eq(shared[11], 1);
	xengnttab_unmap(xgt, mapped, 1);
	ck_assert_int_eq(sim_domain_state(guest), SIM_DOMAIN_GONE);
	ck_assert_ptr_null(sim_domain_uuid(guest));
	mapped = NULL;
	sim_xs_rm("/local/domain/0/backend");
}
END_TEST

START_TEST(killed_mapper_frees_the_zombie)
{
	sim_domain_destroy(guest);
	sim_process_kill(broker);
	ck_assert_int_eq(sim_domain_state(guest), SIM_DOMAIN_GONE);
}
END_TEST

START_TEST(shutdown_keeps_everything)
{
	uint32_t theirs_pfn = sim_page_alloc(0, 1), back = sim_grant(0, theirs_pfn, guest, false);
	xengnttab_handle *gt;
	uint8_t *p;

	sim_enter(front);
	gt = xengnttab_open(NULL, 0);
	p = xengnttab_map_grant_ref(gt, 0, back, PROT_READ | PROT_WRITE);
	ck_assert_ptr_nonnull(p);
	sim_domain_shutdown(guest, SHUTDOWN_crash);
	ck_assert(sim_process_dead(front));
	p[0] = 1;
	ck_assert_uint_eq(*(uint8_t *)sim_page(0, theirs_pfn), 0);
	ck_assert_int_eq(sim_revoke(0, back), -EBUSY);
	ck_assert_uint_eq(mapped[10], 1);
	ck_assert_int_eq(sim_port_state(guest, (uint32_t)theirs), SIM_PORT_BOUND);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	/* The program's clean-up changes nothing of that. */
	xengnttab_unmap(gt, p, 1);
	xengnttab_close(gt);
	ck_assert_int_eq(sim_revoke(0, back), -EBUSY);
	sim_domain_destroy(guest);
	ck_assert_int_eq(sim_revoke(0, back), 0);
	ck_assert_int_eq(sim_domain_state(guest), SIM_DOMAIN_DYING);
}
END_TEST

START_TEST(getinfo)
{
	xc_interface *xch, *domu;
	xc_dominfo_t info[4];
	xc_domaininfo_t list[4];
	domid_t other = sim_domain_new("other", SIM_PV);

	sim_enter(broker);
	xch = xc_interface_open(NULL, NULL, 0);
	ck_assert_int_eq(xc_domain_getinfo(xch, 0, 4, info), 3);
	ck_assert_uint_eq(info[0].domid, 0);
	ck_assert_uint_eq(info[1].domid, guest);
	ck_assert_uint_eq(info[1].hvm, 1);
	ck_assert_uint_eq(info[2].hvm, 0);
	ck_assert_mem_eq(info[1].handle, sim_domain_uuid(guest), 16);
	ck_assert_mem_ne(info[1].handle, info[2].handle, 16);
	sim_domain_shutdown(other, SHUTDOWN_crash);
	sim_domain_destroy(guest);
	ck_assert_int_eq(xc_domain_getinfo(xch, 1, 4, info), 2);
	ck_assert_uint_eq(info[0].dying, 1);
	ck_assert_uint_eq(info[1].crashed, 1);
	ck_assert_uint_eq(info[1].shutdown, 0);
	ck_assert_uint_eq(info[1].dying, 0);
	ck_assert_int_eq(xc_domain_getinfo(xch, 9, 4, info), -1);
	ck_assert_int_eq(errno, ESRCH);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 1, 1, list), 1);
	ck_assert_uint_eq(list[0].domain, guest);
	ck_assert(list[0].flags & XEN_DOMINF_dying);
	ck_assert_int_eq(xc_domain_getinfolist(xch, 9, 4, list), 0);
	sim_domain_destroy(other);
	xengnttab_unmap(xgt, mapped, 1);
	ck_assert_int_eq(xc_domain_getinfo(xch, 1, 4, info), -1);
	/* The domid may be used again, by somebody else. */
	sim_domain_new_at(guest, "reborn", SIM_PV);
	ck_assert_int_eq(xc_domain_getinfo(xch, 1, 1, info), 1);
	ck_assert_uint_eq(info[0].domid, guest);
	xc_interface_close(xch);

	sim_enter(sim_process_new(guest, "nosy"));
	domu = xc_interface_open(NULL, NULL, 0);
	ck_assert_int_eq(xc_domain_getinfo(domu, 0, 4, info), -1);
	ck_assert_int_eq(errno, EPERM);
	xc_interface_close(domu);
}
END_TEST

static Suite *process_suite(void)
{
	Suite *s = suite_create("sim-process");
	TCase *t = tcase_create("process");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, killed_backend);
	tcase_add_test(t, killed_frontend);
	tcase_add_test(t, killed_with_memory_of_its_own);
	tcase_add_test(t, process_free_is_exit);
	tcase_add_test(t, timers_die);
	tcase_add_test(t, kill_at_before);
	tcase_add_test(t, kill_at_after);
	tcase_add_loop_test(t, kill_at_any_call, 0, 18);
	tcase_add_test(t, fail_nth);
	tcase_add_test(t, counts);
	tcase_add_test(t, destroyed_guest_is_a_zombie_while_mapped);
	tcase_add_test(t, killed_mapper_frees_the_zombie);
	tcase_add_test(t, shutdown_keeps_everything);
	tcase_add_test(t, getinfo);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(process_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
