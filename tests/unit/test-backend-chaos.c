// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Guests that do anything at any time, a broker that answers in any order and
 * is restarted in between: nothing crashes, hangs or is left behind, whatever
 * the seed.
 */
#include "tests/unit/backend-guest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define GUESTS 3
#define STEPS  500

static struct bed bed;
static struct guest guests[GUESTS];
static struct copy_batch *batch;

static uint32_t below(uint32_t n)
{
	return (uint32_t)sim_random_below(n);
}

/* ----------------------------------------------------------- the broker */

static void use_pool(struct device *dev, const struct request *req)
{
	int status = req->op == VMSGIF_OP_POOL_ADD ? device_pool_add(dev, &req->pool) :
						     device_pool_del(dev, req->pool.type);

	device_complete(dev, req->id, req->op, status, 0, 0);
}

/* Copies to some other guest that has pages, and answers both. */
static void transfer(struct device *dev, const struct request *req,
		     const struct vmsgif_segment *segs)
{
	struct device *dst = guest_dev(&guests[below(GUESTS)]);
	struct rx_page pages[VMSGIF_INDIRECT_MAX];
	struct vmsgif_rx_response rsp = { .type = VMSGIF_RX_MESSAGE };
	unsigned int nr = (req->len + 4095) / 4096;
	int r;

	if (!dst || nr == 0 || device_rx_posted(dst, nr) < nr)
		return;
	device_rx_take_run(dst, pages, nr);
	r = copy_batch_add(batch, 0, dev, segs, req->nr_segs, req->pooled, dst, pages, nr);
	if (r == 0) {
		copy_batch_run(batch);
		r = copy_batch_status(batch, 0);
	}
	r = r == COPY_DONE ? 0 : r;
	copy_batch_reset(batch);
	rsp.id = pages[0].id;
	device_rx_respond_run(dst, &rsp, pages, nr);
	device_publish_rx(dst, below(2));
	(void)device_notify(dst, below(2));
	device_complete(dev, req->id, req->op, r, 0, 0);
}

static void serve(struct bed *b, struct device *dev)
{
	const struct vmsgif_segment *segs;
	struct request req;
	const char *name;

	for (unsigned int i = 0; i < 20 && device_next_request(dev, &req, &segs, &name); i++) {
		ck_assert(!name || strlen(name) == req.len);
		if (req.op == VMSGIF_OP_POOL_ADD || req.op == VMSGIF_OP_POOL_DEL)
			use_pool(dev, &req);
		else if (segs && req.op == VMSGIF_OP_SEND)
			transfer(dev, &req, segs);
		else if (below(8))
			device_complete(dev, req.id, req.op, 0, 0, 0);
	}
	if (!below(500))
		device_fail(dev, "no reason");
	device_publish_tx(dev, below(2));
	(void)device_notify(dev, below(2));
	(void)device_arm(dev);
}

static void start(void)
{
	bed_start(&bed);
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
}

static void restart(void)
{
	copy_batch_free(batch);
	if (below(2))
		bed_kill(&bed);
	else
		bed_stop(&bed, !below(4));
	start();
}

/* ----------------------------------------------------------- the guests */

static void arrive(struct guest *g)
{
	guest_init(g, &bed, "guest");
	bed_run(&bed);
	guest_prepare(g, below(5));
}

static void connect(struct guest *g)
{
	if (guest_backend_state(g) != 2)
		return;
	guest_reset_rings(g);
	guest_put_nodes(g);
	guest_state(g, 3);
	if (guest_backend_state(g) == 4)
		guest_state(g, 4);
}

static void scribble_node(struct guest *g)
{
	static const char *const names[] = { "state",	      "epoch",	       "instance",
					     "ring-order",    "tx-ring-ref-0", "rx-ring-ref-0",
					     "event-channel", "backend" };
	static const char *const values[] = { "", "x", "0", "1", "4", "99999999999", "-1" };

	guest_put(g, names[below(8)], "%s", values[below(7)]);
}

/* Mostly all right, as ids may be in use or too large, and pages beyond the pool. */
static void post_run(struct guest *g, uint16_t id)
{
	uint32_t slots = VMSGIF_RING_SLOTS(g->order);
	uint32_t more = below(4);

	if (id + more >= slots && below(20))
		more = 0;
	guest_rx_run(g, id, below(3), (uint8_t)more);
}

static void post_good(struct guest *g)
{
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_SEND,
		.id = (uint16_t)below(VMSGIF_RING_SLOTS(g->order)),
		.addr = 1,
		.port = 1,
		.seq = 1,
		.nr_segs = 1,
	};
	bool pooled = below(2);
	uint16_t offset = pooled ? (uint16_t)below(4096) : 0;
	uint32_t ref = 0;

	/* Over as many pages as the pool has, and sometimes one more. */
	slot.len = 1 + below(pooled && below(2) ? 3 * 4096 : 4096);

	if (g->tx_prod - g->tx_cons >= VMSGIF_RING_SLOTS(g->order) / 2)
		return;
	(void)guest_page(g, below(2), &ref);
	if (pooled)
		slot.flags = VMSGIF_TXF_POOL;
	slot.u.seg[0] =
		(struct vmsgif_segment){ pooled ? below(3) : ref, offset, (uint16_t)slot.len };
	guest_tx(g, &slot);
	(void)guest_page(g, !below(10), &ref);
	if (pooled && below(2))
		post_run(g, slot.id);
	else
		guest_rx(g, slot.id, pooled ? below(3) : ref, pooled);
}

static void post_pool(struct guest *g)
{
	struct vmsgif_tx_request slot = {
		.op = VMSGIF_OP_POOL_ADD,
		.u.pool.type = (uint16_t)(1 + below(2)),
		.u.pool.nr_pages = 1 + below(3),
	};
	void *pages;

	slot.u.pool.ref = guest_pool(g, 3, false, &pages, NULL);
	guest_tx(g, &slot);
}

/* Few bytes that are not 0, so that it is often nearly right. */
static void post_garbage(struct guest *g)
{
	struct vmsgif_tx_request slot;
	uint8_t *bytes = (uint8_t *)&slot;

	memset(&slot, 0, sizeof(slot));
	slot.op = (uint8_t)below(13);
	for (uint32_t i = below(6); i > 0; i--)
		bytes[below(sizeof(slot))] = (uint8_t)below(below(2) ? 8 : 256);
	guest_tx(g, &slot);
}

static void corrupt(struct guest *g)
{
	uint32_t *words = (uint32_t *)(void *)(below(2) ? (void *)g->tx : (void *)g->rx);

	words[below(4)] = (uint32_t)sim_random();
}

static void read_answers(struct guest *g)
{
	struct vmsgif_tx_response tx;
	struct vmsgif_rx_response rx;

	for (unsigned int i = 0; i < 40 && guest_tx_rsp(g, &tx); i++)
		;
	for (unsigned int i = 0; i < 40 && guest_rx_rsp(g, &rx); i++)
		;
	(void)guest_events(g);
}

static void step(void)
{
	struct guest *g = &guests[below(GUESTS)];

	switch (below(24)) {
	case 0:
		if (!below(8))
			guest_state(g, 1 + (int)below(6));
		break;
	case 1:
		if (!below(4))
			scribble_node(g);
		break;
	case 2:
		if (!below(4))
			post_garbage(g);
		break;
	case 3:
		if (!below(10))
			corrupt(g);
		break;
	case 4:
		if (!below(8)) {
			guest_fini(g);
			arrive(g);
		}
		break;
	case 5:
		if (!below(8))
			restart();
		break;
	case 6:
		sim_xs_spurious();
		break;
	case 7:
		bed_wait(&bed, below(200) * SIM_NSEC_PER_MSEC);
		break;
	case 8:
		post_pool(g);
		break;
	case 9:
		sim_xs_conflict(below(3));
		break;
	case 10:
	case 11:
		if (!guest_dev(g) || !device_is_up(guest_dev(g)))
			guest_state(g, 1);
		connect(g);
		break;
	case 12:
	case 13:
		connect(g);
		break;
	case 14:
	case 15:
		read_answers(g);
		break;
	default:
		post_good(g);
		xenevtchn_notify(g->xce, g->port);
		break;
	}
	if (below(3))
		bed_run(&bed);
}

START_TEST(anything)
{
	unsigned int ups = 0;

	bed_init_seed(&bed, (uint64_t)_i);
	bed.on_kick = serve;
	start();
	for (unsigned int i = 0; i < GUESTS; i++)
		arrive(&guests[i]);
	for (unsigned int i = 0; i < STEPS; i++) {
		step();
		ups += strstr(bed_calls(&bed), "up:") != NULL;
		bed.lines[0] = '\0';
		ck_assert_int_ne(sd_event_get_state(bed.event), SD_EVENT_FINISHED);
	}
	ck_assert_uint_gt(ups, 0);
	bed_run(&bed);
	copy_batch_free(batch);
	for (unsigned int i = 0; i < GUESTS; i++)
		guest_fini(&guests[i]);
	bed_fini(&bed);
}
END_TEST

static Suite *chaos_suite(void)
{
	Suite *s = suite_create("backend-chaos");
	TCase *t = tcase_create("chaos");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, anything, 1, 41);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(chaos_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
