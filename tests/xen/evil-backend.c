/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A broker that breaks the rules of <xen/io/vmsgif.h>, one at a time.
 *
 *	evil-backend DOMID CASE...	in place of xenmsgd, for one guest
 *	evil-backend list		a line per case: name, outcome, reason
 *
 * It makes the guest's device, connects it, and does what a broker does, but
 * for leaving SENDs and RESOLVEs unanswered; when the guest has posted as many
 * of them as raw-endpoint does, it misbehaves, and then sees the device to its
 * end. Outcomes:
 *
 *	broken	the driver closes the device and says the reason, once
 *	refused	the driver does not connect, and says the reason, once
 *	closed	the driver follows, and there is nothing to say
 *	held	the same; its pages stay mapped until SIGTERM
 *	removed	the same; the device is gone
 *	lives	everything is answered in the end
 *	waits	the driver has not connected, and waits
 *	silent	the driver is connected, and waits for answers
 *	mute	the same for BIND
 *	late	lives, though the device had been closed before
 *	odd	lives, after answers with statuses that are none
 *	narrow	lives, and has one message under way at a time
 *	short	lives, but takes no messages of any length
 *
 * Exit status: 0 the guest's driver ended its device, or it was removed; 1 it
 * did not; 2 the case could not be tried.
 */
#include "tests/xen/evil.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define OFFER_MS   4000
#define TRIGGER_MS 4000
#define LATE_MS	   200
/* To load a driver whose device does not connect takes Linux half a minute. */
#define END_MS 45000
/* What raw-endpoint has under way. */
#define SENDS	   4
#define STORM	   100000
#define EPOCHS	   10
#define HELD_PAGES 8

/* --------------------------------------------------------------- the device */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void storm(struct evil *e)
{
	int64_t begin = now_ms();
	unsigned int i;

	for (i = 0; i < STORM; i++)
		evil_kick(e);
	printf("evil-backend: %u events with nothing behind them in %d ms\n", i,
	       (int)(now_ms() - begin));
}

static void do_nothing(struct evil *e)
{
}

static void close_it(struct evil *e)
{
	evil_write(e, "state", "5");
}

/* Closed without Closing before. */
static void end_it(struct evil *e)
{
	evil_write(e, "state", "6");
}

static void remove_nodes(struct evil *e)
{
	evil_remove(e, true);
}

static void remove_backend(struct evil *e)
{
	evil_remove(e, false);
}

/* Serves until raw-endpoint has its messages and its look-up under way. */
static void wait_for_work(struct evil *e)
{
	int64_t end = now_ms() + TRIGGER_MS;

	evil_serve(e);
	while (e->all_sends < SENDS || !e->resolving) {
		if (now_ms() >= end)
			evil_cannot("see the guest at work: %u SENDs", e->all_sends);
		evil_wait(e, (int)(end - now_ms()));
		evil_serve(e);
	}
}

/* One broker after the other, the last of which stays. */
static void many_epochs(struct evil *e)
{
	unsigned int i;

	for (i = 0; i < EPOCHS; i++) {
		evil_new_epoch(e);
		if (!evil_offered(e, OFFER_MS))
			evil_cannot("connect for the %uth time", i);
		evil_attach(e);
		evil_connected(e);
		/* Every other one dies before it has answered anything. */
		if (i % 2)
			evil_serve(e);
	}
	wait_for_work(e);
}

static void state_nonsense(struct evil *e)
{
	static const char *const states[] = { "",  "x", "0",  "1",  "2",	  "3",
					      "7", "8", "99", "-1", "4294967295", "4x" };
	unsigned int i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		evil_write(e, "state", states[i]);
		evil_wait(e, 20);
	}
	evil_write(e, "state", "4");
}

static volatile sig_atomic_t enough;

static void on_term(int sig)
{
	enough = 1;
}

/*
 * The device is closed, but its rings and some of its pages stay mapped until
 * SIGTERM. Whatever the guest does meanwhile, nothing of it is in them.
 */
static void hold_pages(struct evil *e)
{
	uint32_t *refs = xengnttab_map_grant_ref(e->gnttab, e->domid, e->rx_directory, PROT_READ);
	size_t i, size = HELD_PAGES * VMSGIF_PAGE_SIZE;
	uint8_t *pages = NULL, *rings[2];
	unsigned int wrong = 0, ring;

	signal(SIGTERM, on_term);
	if (refs)
		pages = xengnttab_map_domain_grant_refs(e->gnttab, HELD_PAGES, e->domid, refs,
							PROT_READ | PROT_WRITE);
	if (!pages)
		evil_cannot("map pages of the pool");
	close_it(e);
	for (i = 0; i < 10 && evil_front_state(e) != XenbusStateClosed; i++)
		evil_wait(e, OFFER_MS / 10);
	rings[0] = (uint8_t *)e->tx.sring;
	rings[1] = (uint8_t *)e->rx.sring;
	memset(pages, 0xe1, size);
	for (ring = 0; ring < 2; ring++)
		memset(rings[ring], 0xe1, VMSGIF_PAGE_SIZE);
	evil_write(e, "state", "6");
	while (!enough)
		usleep(20000);
	for (i = 0; i < size; i++)
		wrong += pages[i] != 0xe1;
	for (ring = 0; ring < 2; ring++)
		for (i = 0; i < VMSGIF_PAGE_SIZE; i++)
			wrong += rings[ring][i] != 0xe1;
	printf("evil-backend: %u bytes of the pages held have changed\n", wrong);
	xengnttab_unmap(e->gnttab, pages, HELD_PAGES);
	xengnttab_unmap(e->gnttab, refs, 1);
	evil_let_go(e);
	exit(wrong != 0);
}

/* -------------------------------------------------------------------- cases */

#define NODE(node, value, outcome, reason)                               \
	{                                                                \
		node "=" value, outcome, reason, do_nothing, node, value \
	}

/* clang-format off */
static const struct evil_case cases[] = {
	{ .name = "nothing", .outcome = "lives", .run = do_nothing },
	{ .name = "storm", .outcome = "lives", .run = storm },
	{ .name = "late-offer", .outcome = "late", .run = do_nothing },
	{ .name = "close", .outcome = "closed", .run = close_it },
	{ .name = "end", .outcome = "closed", .run = end_it },
	{ .name = "hold-pages", .outcome = "held", .run = hold_pages },
	{ .name = "remove-nodes", .outcome = "removed", .run = remove_nodes },
	{ .name = "remove-backend", .outcome = "lives", .run = remove_backend },
	{ .name = "many-epochs", .outcome = "lives", .run = many_epochs },
	{ .name = "state-nonsense", .outcome = "lives", .run = state_nonsense },
	{ .name = "no-answers", .outcome = "silent", .run = do_nothing },
	{ .name = "bind-unanswered", .outcome = "mute", .run = do_nothing },
	{ .name = "never-connected", .outcome = "waits", .run = NULL },
	NODE("version", "0", "refused", "cannot connect"),
	NODE("version", "x", "refused", "cannot connect"),
	NODE("version", "", "refused", "cannot connect"),
	NODE("version", "99", "lives", ""),
	NODE("epoch", "x", "refused", "cannot connect"),
	NODE("epoch", "", "refused", "cannot connect"),
	NODE("epoch", "-1", "refused", "cannot connect"),
	NODE("epoch", "99999999999999999999999", "waits", ""),
	NODE("address", "0", "refused", "cannot connect"),
	NODE("address", "x", "refused", "cannot connect"),
	NODE("address", "-1", "refused", "cannot connect"),
	NODE("address", "4294967296", "refused", "cannot connect"),
	NODE("address", "1", "lives", ""),
	NODE("max-ring-order", "x", "lives", ""),
	NODE("max-ring-order", "99", "lives", ""),
	NODE("max-ring-order", "4294967295", "lives", ""),
	NODE("flow-window", "0", "narrow", ""),
	NODE("flow-window", "-5", "lives", ""),
	NODE("flow-window", "4294967295", "lives", ""),
	NODE("max-message", "0", "short", ""),
	NODE("max-message", "x", "lives", ""),
	NODE("max-message", "4294967295", "lives", ""),
	NODE("max-pool-pages", "0", "lives", ""),
	NODE("max-pool-pages", "31", "lives", ""),
	NODE("max-pool-pages", "32", "lives", ""),
	NODE("max-pool-pages", "4294967295", "lives", ""),
	NODE("max-maps", "x", "lives", ""),
	NODE("feature-map", "99", "lives", ""),
	NODE("state", "4", "waits", ""),
};
/* clang-format on */

/* ------------------------------------------------------------------ outcome */

static const unsigned int nr_cases = sizeof(cases) / sizeof(cases[0]);

/* Those of the rings come first. */
static const struct evil_case *case_at(unsigned int i)
{
	if (i < evil_nr_ring_cases)
		return &evil_ring_cases[i];
	i -= evil_nr_ring_cases;
	return i < nr_cases ? &cases[i] : NULL;
}

static bool is(const struct evil_case *c, const char *outcome)
{
	return !strcmp(c->outcome, outcome);
}

/* Everything is answered, and the process told that this was all. */
static void be_generous(struct evil *e)
{
	bool is_generous = e->generous;
	unsigned int i;

	e->generous = true;
	for (i = 0; i < e->nr_sends; i++)
		evil_answer(e, VMSGIF_OP_SEND, e->sends[i]);
	if (e->resolving && !is_generous)
		evil_answer(e, VMSGIF_OP_RESOLVE, e->resolve)->addr = EVIL_PEER;
	e->nr_sends = 0;
	memcpy(evil_message(e, 3)->u.data, "bye", 3);
	evil_push(e);
}

/* Until the guest has closed its device, as it does at the latest when its driver is unloaded. */
static int see_the_end(struct evil *e, bool serve)
{
	int64_t end = now_ms() + END_MS;
	int state;

	while ((state = evil_front_state(e)) != XenbusStateClosed && state != EVIL_GONE) {
		if (now_ms() >= end)
			return 1;
		if (state == XenbusStateClosing && e->port >= 0) {
			evil_let_go(e);
			evil_write(e, "state", "5");
		}
		evil_wait(e, (int)(end - now_ms()));
		if (serve && e->port >= 0)
			evil_serve(e);
	}
	evil_let_go(e);
	if (state != EVIL_GONE)
		evil_write(e, "state", "6");
	return 0;
}

static int misbehave(struct evil *e, const struct evil_case *c)
{
	bool lives = is(c, "lives") || is(c, "narrow") || is(c, "odd") || is(c, "late");

	evil_attach(e);
	evil_connected(e);
	e->mute = is(c, "mute");
	e->generous = is(c, "short") || is(c, "narrow");
	if (!e->mute && !is(c, "short") && !is(c, "refused"))
		wait_for_work(e);
	c->run(e);
	if (lives)
		be_generous(e);
	else if (e->port >= 0 && !is(c, "silent"))
		evil_push(e);
	return see_the_end(e, lives || e->generous || is(c, "silent") || e->mute);
}

/* Everything is as a former life left it, and the broker has other things to do. */
static void be_late(struct evil *e)
{
	int i;

	for (i = 0; i < 10 && evil_front_state(e) != XenbusStateInitialising; i++)
		evil_wait(e, OFFER_MS / 10);
	usleep(LATE_MS * 1000);
}

static int run_case(struct evil *e, const struct evil_case *c)
{
	e->name = c->name;
	e->spoilt = c->node;
	e->value = c->value;
	e->begin = is(c, "late") ? XenbusStateClosed : XenbusStateInitialising;
	evil_provision(e);
	if (is(c, "late"))
		be_late(e);
	evil_new_epoch(e);
	if (c->run && evil_offered(e, OFFER_MS))
		return misbehave(e, c);
	if (c->run && !is(c, "refused") && !is(c, "waits"))
		evil_cannot("connect");
	return see_the_end(e, false);
}

static const struct evil_case *find_case(const char *name)
{
	const struct evil_case *c;
	unsigned int i;

	for (i = 0; (c = case_at(i)) && strcmp(name, c->name) != 0; i++)
		;
	if (!c)
		evil_cannot("find case %s", name);
	return c;
}

int main(int argc, char **argv)
{
	const struct evil_case *c;
	int i, r = 0;

	for (i = 0; argc == 2 && !strcmp(argv[1], "list") && (c = case_at((unsigned int)i)); i++)
		printf("%s %s %s\n", c->name, c->outcome, c->reason ? c->reason : "");
	for (i = 2; i < argc; i++) {
		struct evil e = { .domid = (unsigned int)strtoul(argv[1], NULL, 10) };

		evil_open(&e);
		if (run_case(&e, find_case(argv[i]))) {
			printf("evil-backend: %s: the guest's state is still %d\n", argv[i],
			       evil_front_state(&e));
			r = 1;
		}
		evil_close(&e);
	}
	return r;
}
