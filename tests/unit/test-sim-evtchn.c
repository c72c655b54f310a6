// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The simulated Xen: event channels.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenevtchn.h>

#include "tests/sim/sim.h"

static domid_t guest;
static struct sim_process *broker, *front;
static xenevtchn_handle *bx, *fx;
static int ours, theirs;

static void setup(void)
{
	sim_init(3);
	guest = sim_domain_new("guest", SIM_PVH);
	broker = sim_process_new(0, "broker");
	front = sim_process_new(guest, "front");
	sim_enter(broker);
	bx = xenevtchn_open(NULL, 0);
	sim_enter(front);
	fx = xenevtchn_open(NULL, 0);
	sim_enter(NULL);
}

static void teardown(void)
{
	xenevtchn_close(bx);
	xenevtchn_close(fx);
	sim_assert_clean();
	sim_fini();
}

static void bind_pair(void)
{
	theirs = xenevtchn_bind_unbound_port(fx, 0);
	ck_assert_int_gt(theirs, 0);
	ours = xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)theirs);
	ck_assert_int_gt(ours, 0);
	ck_assert_int_ne(ours, theirs);
	/* Binding is the first event of the new port, not of the old one. */
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	ck_assert_int_eq(xenevtchn_unmask(bx, (evtchn_port_t)ours), 0);
}

static bool readable(xenevtchn_handle *xce)
{
	struct pollfd p = { .fd = xenevtchn_fd(xce), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

START_TEST(events_arrive_once_until_unmasked)
{
	bind_pair();
	ck_assert(!readable(fx));
	ck_assert_int_eq(xenevtchn_pending(fx), -1);
	ck_assert_int_eq(errno, EAGAIN);

	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	ck_assert(readable(fx));
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	ck_assert(!readable(fx));
	/* The second one waited for the unmask. */
	ck_assert_int_eq(xenevtchn_unmask(fx, (evtchn_port_t)theirs), 0);
	ck_assert(readable(fx));
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	ck_assert_int_eq(xenevtchn_unmask(fx, (evtchn_port_t)theirs), 0);
	ck_assert(!readable(fx));

	ck_assert_uint_eq(sim_port_sent(0, (uint32_t)ours), 2);
	ck_assert_uint_eq(sim_port_received(guest, (uint32_t)theirs), 2);
	ck_assert_uint_eq(sim_counts(broker)->calls[SIM_CALL_NOTIFY], 2);
}
END_TEST

/* As many as there are and fit, by the descriptor itself (drivers/xen/evtchn.c:evtchn_read()). */
START_TEST(several_are_read_at_once)
{
	evtchn_port_t ports[3];
	int port[3];

	for (unsigned int i = 0; i < 3; i++) {
		int remote = xenevtchn_bind_unbound_port(fx, 0);

		port[i] = xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)remote);
		ck_assert_int_gt(port[i], 0);
	}
	ck_assert_int_eq(read(xenevtchn_fd(bx), ports, 2 * sizeof(ports[0])), 2 * sizeof(ports[0]));
	ck_assert_int_eq((int)ports[0], port[0]);
	ck_assert_int_eq((int)ports[1], port[1]);
	ck_assert(readable(bx));
	ck_assert_int_eq(read(xenevtchn_fd(bx), ports, sizeof(ports)), sizeof(ports[0]));
	ck_assert_int_eq((int)ports[0], port[2]);
	ck_assert(!readable(bx));
	ck_assert_int_eq(read(xenevtchn_fd(bx), ports, sizeof(ports)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_uint_eq(sim_counts(broker)->calls[SIM_CALL_PENDING], 3);
}
END_TEST

START_TEST(foreign_ports_are_refused)
{
	bind_pair();
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)theirs), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert_int_eq(xenevtchn_unbind(bx, 4095), -1);
	ck_assert_int_eq(errno, ENOTCONN);
	/* The driver does not complain here. */
	ck_assert_int_eq(xenevtchn_unmask(bx, 4095), 0);
}
END_TEST

START_TEST(bind_errors)
{
	domid_t other = sim_domain_new("other", SIM_PV);
	int port = xenevtchn_bind_unbound_port(fx, other);

	ck_assert_int_eq(xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)port), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(xenevtchn_bind_interdomain(bx, guest, 3000), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(xenevtchn_bind_interdomain(bx, 99, 1), -1);
	ck_assert_int_eq(errno, ESRCH);
	bind_pair();
	/* Taken already. */
	ck_assert_int_eq(xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)theirs), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(peer_falls_back_to_unbound)
{
	int again;

	bind_pair();
	sim_process_kill(broker);
	ck_assert_int_eq(sim_port_state(guest, (uint32_t)theirs), SIM_PORT_UNBOUND);
	ck_assert(!readable(fx));
	/* A kick into the void is no error, and lost. */
	ck_assert_int_eq(xenevtchn_notify(fx, (evtchn_port_t)theirs), 0);

	xenevtchn_close(bx);
	broker = sim_process_new(0, "broker again");
	sim_enter(broker);
	bx = xenevtchn_open(NULL, 0);
	again = xenevtchn_bind_interdomain(bx, guest, (evtchn_port_t)theirs);
	ck_assert_int_gt(again, 0);
	ck_assert_int_eq(xenevtchn_pending(bx), again);
	ck_assert_int_eq(xenevtchn_notify(fx, (evtchn_port_t)theirs), 0);
	ck_assert_int_eq(xenevtchn_pending(bx), -1);
	xenevtchn_unmask(bx, (evtchn_port_t)again);
	ck_assert_int_eq(xenevtchn_pending(bx), again);
}
END_TEST

START_TEST(unbound_port_may_be_read)
{
	bind_pair();
	xenevtchn_notify(bx, (evtchn_port_t)ours);
	xenevtchn_unbind(fx, (evtchn_port_t)theirs);
	ck_assert_int_eq(xenevtchn_pending(fx), theirs);
	ck_assert_int_eq(xenevtchn_unbind(fx, (evtchn_port_t)theirs), -1);
	ck_assert_int_eq(sim_port_state(0, (uint32_t)ours), SIM_PORT_UNBOUND);
}
END_TEST

START_TEST(destroyed_guest_closes_its_ports)
{
	bind_pair();
	sim_domain_destroy(guest);
	ck_assert_int_eq(sim_port_state(0, (uint32_t)ours), SIM_PORT_UNBOUND);
	ck_assert(!readable(bx));
	ck_assert_int_eq(xenevtchn_notify(bx, (evtchn_port_t)ours), 0);
	ck_assert_int_eq(xenevtchn_notify(fx, (evtchn_port_t)theirs), -1);
	ck_assert_int_eq(errno, SIM_DEAD_ERRNO);
}
END_TEST

START_TEST(ports_are_finite)
{
	unsigned int n = 0;

	sim_config()->evtchns = 5;
	while (xenevtchn_bind_unbound_port(fx, 0) > 0)
		n++;
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_uint_eq(n, 5);
	for (n = 0; n < 20; n++)
		ck_assert_int_gt(xenevtchn_bind_unbound_port(bx, guest), 0);
}
END_TEST

START_TEST(restricted_handle)
{
	bind_pair();
	ck_assert_int_eq(xenevtchn_restrict(bx, guest), 0);
	ck_assert_int_eq(xenevtchn_restrict(bx, guest), -1);
	ck_assert_int_eq(xenevtchn_bind_unbound_port(bx, guest), -1);
	ck_assert_int_eq(errno, EACCES);
	ck_assert_int_eq(xenevtchn_bind_interdomain(bx, 99, 1), -1);
	ck_assert_int_eq(errno, EACCES);
}
END_TEST

START_TEST(storm)
{
	unsigned int i;

	bind_pair();
	for (i = 0; i < 1000; i++)
		sim_port_raise(0, (uint32_t)ours);
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	ck_assert_int_eq(xenevtchn_pending(bx), -1);
	xenevtchn_unmask(bx, (evtchn_port_t)ours);
	ck_assert_int_eq(xenevtchn_pending(bx), ours);
	xenevtchn_unmask(bx, (evtchn_port_t)ours);
	ck_assert_int_eq(xenevtchn_pending(bx), -1);
}
END_TEST

static Suite *evtchn_suite(void)
{
	Suite *s = suite_create("sim-evtchn");
	TCase *t = tcase_create("evtchn");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, events_arrive_once_until_unmasked);
	tcase_add_test(t, several_are_read_at_once);
	tcase_add_test(t, foreign_ports_are_refused);
	tcase_add_test(t, bind_errors);
	tcase_add_test(t, peer_falls_back_to_unbound);
	tcase_add_test(t, unbound_port_may_be_read);
	tcase_add_test(t, destroyed_guest_closes_its_ports);
	tcase_add_test(t, ports_are_finite);
	tcase_add_test(t, restricted_handle);
	tcase_add_test(t, storm);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(evtchn_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
