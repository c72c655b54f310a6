// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs of domain 0 that do anything at any time, beside a guest and a program
 * that keep the rules: nothing crashes, hangs or is left behind, and these two do
 * not notice, whatever the seed.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/local-raw.h"
#include "tests/unit/system-traffic.h"
#include "tests/unit/system.h"

#define EVIL  4
#define STEPS 400

static const char config[] = "[devices]\n"
			     "domains = alice\n"
			     "[allow all]\n"
			     "from = *\n"
			     "to = *\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *agent;
static struct xenmsg_port *at_alice, *at_agent;
static uint64_t sent;
static unsigned int ups;

static struct evil {
	struct raw raw;
	bool welcome, started;
} evils[EVIL];

static uint32_t below(uint32_t n)
{
	return (uint32_t)sim_random_below(n);
}

static void leave(struct evil *e)
{
	raw_close(&e->raw);
	e->welcome = e->started = false;
}

static void say_hello(struct evil *e)
{
	struct local_hello h = raw_hello(&e->raw);
	uint8_t *bytes = (uint8_t *)&h;

	h.ring_order = below(5);
	if (!below(6))
		bytes[below(sizeof(h))] = (uint8_t)below(256);
	/* The rest of this test knows but one layout. */
	h.tx_pages = h.rx_pages = RAW_PAGES;
	(void)raw_send(&e->raw, &h, below(12) ? sizeof(h) : below(sizeof(h)) + 1, -1);
}

/* Few bytes that are not 0, so that it is often nearly right. */
static void post_garbage(struct evil *e)
{
	struct vmsgif_tx_request slot;
	uint8_t *bytes = (uint8_t *)&slot;

	memset(&slot, 0, sizeof(slot));
	slot.op = (uint8_t)below(13);
	slot.id = (uint16_t)below(32);
	for (uint32_t i = below(4); i > 0; i--)
		bytes[below(sizeof(slot))] = (uint8_t)below(below(2) ? 8 : 256);
	raw_tx(&e->raw, &slot);
}

static uint32_t some_ref(const struct evil *e)
{
	return below(20) ? 1 + below(e->raw.l.nr_pages) : (uint32_t)sim_random();
}

/* Often to itself, to another one of its kind or to those that keep the rules. */
static uint32_t some_address(void)
{
	switch (below(4)) {
	case 0:
		return xenmsg_address(alice->x);
	case 1:
		return xenmsg_address(agent->x);
	case 2:
		return evils[below(EVIL)].raw.welcome.addr;
	default:
		return (uint32_t)sim_random();
	}
}

static void post_good(struct evil *e)
{
	static uint64_t seq = 1;
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_SEND,
		.id = (uint16_t)below(32),
		.addr = some_address(),
		.port = 1 + below(3),
		.seq = seq,
		.len = 1 + below(4096),
		.nr_segs = 1,
	};

	seq++;
	slot.u.seg[0] = (struct vmsgif_segment){ some_ref(e), 0, (uint16_t)slot.len };
	if (!below(3)) {
		slot.flags = VMSGIF_TXF_POOL;
		slot.u.seg[0].ref = below(RAW_PAGES + 1);
	}
	raw_tx(&e->raw, &slot);
	raw_rx(&e->raw, (uint16_t)below(32), some_ref(e), false);
}

static void bind(struct evil *e)
{
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_BIND,
		.flags = VMSGIF_TXF_INLINE,
		.id = (uint16_t)below(32),
		.port = 1 + below(3),
		.seq = sim_random(),
		.src_port = 4096,
		.len = 1,
		.u.data = { (uint8_t)('a' + below(4)) },
	};

	raw_tx(&e->raw, &slot);
	slot = (struct vmsgif_tx_request){ .op = VMSGIF_OP_READY, .id = (uint16_t)below(32) };
	raw_tx(&e->raw, &slot);
}

static void post_pool(struct evil *e)
{
	struct vmsgif_tx_request slot = {
		.op = (uint8_t)(VMSGIF_OP_POOL_ADD + below(2)),
		.id = (uint16_t)below(32),
		.u.pool.type = (uint16_t)(1 + below(3)),
	};
	uint32_t *directory = raw_page(&e->raw, e->raw.l.tx_directory);
	uint32_t first = some_ref(e);

	if (slot.op == VMSGIF_OP_POOL_ADD) {
		slot.u.pool.nr_pages = 1 + below(RAW_PAGES);
		slot.u.pool.ref = below(5) ? e->raw.l.tx_directory : some_ref(e);
		memset(directory, 0, VMSGIF_PAGE_SIZE);
		for (uint32_t i = 0; i < slot.u.pool.nr_pages; i++)
			directory[i] = below(30) ? first + i : some_ref(e);
	}
	if (slot.u.pool.type == VMSGIF_POOL_MAP) {
		slot.addr = some_address();
		slot.port = slot.src_port = 1;
	}
	raw_tx(&e->raw, &slot);
}

static void scribble(struct evil *e)
{
	size_t bytes = (size_t)e->raw.l.nr_pages * VMSGIF_PAGE_SIZE;

	switch (below(4)) {
	case 0: /* the indexes */
		((uint32_t *)(void *)(below(2) ? (void *)e->raw.tx : (void *)e->raw.rx))[below(4)] =
			(uint32_t)sim_random();
		break;
	case 1:
		memset(e->raw.va, (int)below(256), bytes);
		break;
	case 2:
		(void)fallocate(e->raw.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				(off_t)bytes);
		break;
	default:
		for (unsigned int i = 0; i < 100; i++)
			e->raw.va[below((uint32_t)bytes)] = (uint8_t)sim_random();
		break;
	}
}

static void send_packets(struct evil *e)
{
	uint8_t bytes[LOCAL_PACKET_MAX + 8];

	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = below(4) ? 0 : (uint8_t)sim_random();
	bytes[0] = (uint8_t)below(8);
	(void)raw_send(&e->raw, bytes, 1 + below(sizeof(bytes)), below(2) ? e->raw.fd : -1);
}

static void storm(struct evil *e)
{
	for (unsigned int i = 0; i < 400 && raw_say(&e->raw, LOCAL_BELL); i++)
		;
}

static void read_all(struct evil *e)
{
	struct vmsgif_tx_response tx;
	struct vmsgif_rx_response rx;
	char packet[LOCAL_PACKET_MAX];

	for (unsigned int i = 0; i < 40 && raw_tx_rsp(&e->raw, &tx); i++)
		;
	for (unsigned int i = 0; i < 40 && raw_rx_rsp(&e->raw, &rx); i++)
		;
	if (raw_recv(&e->raw, packet, sizeof(packet), NULL) == 0)
		leave(e);
}

static void connect_step(struct evil *e)
{
	if (e->raw.fd < 0) {
		if (raw_try_connect(&e->raw, w.socket) == 0 && below(8))
			say_hello(e);
		return;
	}
	if (!e->welcome) {
		e->welcome = raw_try_welcome(&e->raw);
		if (!e->welcome && !below(6))
			leave(e);
		return;
	}
	if (!e->started && below(3)) {
		(void)raw_say(&e->raw, LOCAL_START);
		e->started = true;
		ups++;
		bind(e);
	}
}

static void step(struct evil *e)
{
	if (!e->started || !below(60)) {
		connect_step(e);
		return;
	}
	switch (below(16)) {
	case 0:
		if (!below(4))
			post_garbage(e);
		break;
	case 1:
		if (!below(8))
			scribble(e);
		break;
	case 2:
		if (!below(8))
			send_packets(e);
		break;
	case 3:
		storm(e);
		break;
	case 4:
		post_pool(e);
		break;
	case 5:
		bind(e);
		break;
	case 6:
	case 7:
	case 8:
		read_all(e);
		break;
	case 9:
		if (!below(6))
			leave(e);
		break;
	default:
		post_good(e);
		(void)raw_say(&e->raw, LOCAL_BELL);
		break;
	}
}

/* Those that keep the rules go on. */
static void talk(void)
{
	size_t len = 1 + below(9000);

	ck_assert_int_eq(vm_send(alice, at_alice, xenmsg_address(agent->x), 1000, len, sent), 0);
	ck_assert_int_eq(vm_send(agent, at_agent, xenmsg_address(alice->x), 1000, len, sent), 0);
	vm_expect(agent, at_agent, len, sent);
	vm_expect(alice, at_alice, len, sent);
	sent++;
	sim_enter(NULL);
}

static void restart(void)
{
	if (below(2))
		world_broker_kill(&w);
	else
		world_broker_stop(&w);
	ck_assert_int_eq(world_broker_start(&w), 0);
}

static unsigned int open_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

START_TEST(anything)
{
	unsigned int files = open_files();

	world_init(&w, (uint64_t)_i, config);
	alice = vm_new(&w, "alice", SIM_PV);
	agent = vm_new_local(&w, "agent");
	ck_assert_int_eq(world_broker_start(&w), 0);
	ck_assert_int_eq(vm_open(alice, NULL), 0);
	ck_assert_int_eq(vm_open(agent, NULL), 0);
	at_alice = vm_bind(alice, 1000, NULL);
	at_agent = vm_bind(agent, 1000, NULL);
	sim_enter(NULL);
	for (unsigned int i = 0; i < EVIL; i++)
		evils[i].raw.fd = evils[i].raw.memory = -1;
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&evils[below(EVIL)]);
		if (below(3))
			sim_run_for((below(4) ? 1 : 40) * SIM_NSEC_PER_MSEC);
		if (!below(10))
			talk();
		if (!below(150))
			restart();
	}
	ck_assert_uint_gt(ups, 0);
	talk();
	ck_assert_int_eq(vm_flush(alice), 0);
	ck_assert_int_eq(vm_flush(agent), 0);
	sim_enter(NULL);
	for (unsigned int i = 0; i < EVIL; i++)
		leave(&evils[i]);
	world_fini(&w);
	ck_assert_uint_eq(open_files(), files);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("local-chaos");
	TCase *t = tcase_create("chaos");
	SRunner *runner;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, anything, 1, 101);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
