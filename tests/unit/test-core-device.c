/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters, memory and getters of a device, and ports that come and go. */
#include "tests/unit/core-bed.h"

#include <stdlib.h>
#include <string.h>

static struct cbed bed;

static void setup(void)
{
	cbed_defaults(&bed);
}

START_TEST(size_grows_with_everything)
{
	struct vmsg_params *p = &bed.params;
	size_t size;

	cbed_init(&bed);
	size = vmsg_size(p);
	ck_assert_uint_eq(size % 64, 0);
	p->ring_order++;
	ck_assert_uint_gt(vmsg_size(p), size);
	p->ring_order--;
	p->nr_tx_pages += 64;
	ck_assert_uint_gt(vmsg_size(p), size);
	p->nr_tx_pages -= 64;
	p->max_flows += 64;
	ck_assert_uint_gt(vmsg_size(p), size);
	p->max_flows -= 64;
	p->max_ports += 64;
	ck_assert_uint_gt(vmsg_size(p), size);
	p->max_ports -= 64;
	p->max_pools += 64;
	ck_assert_uint_gt(vmsg_size(p), size);
	p->max_pools -= 64;
	ck_assert_uint_eq(vmsg_size(p), size);
	cbed_deinit(&bed);
}
END_TEST

static void refused(void)
{
	static uint8_t memory[64] __attribute__((aligned(64)));

	ck_assert_uint_eq(vmsg_size(&bed.params), 0);
	ck_assert_ptr_null(vmsg_init(memory, &bed.params));
}

/* Each parameter just outside of its range; @field is set back afterwards. */
#define REFUSED(field, value)                          \
	do {                                           \
		__typeof__(p->field) good_ = p->field; \
		p->field = (value);                    \
		refused();                             \
		p->field = good_;                      \
	} while (0)

START_TEST(bad_params)
{
	struct vmsg_params *p = &bed.params;

	cbed_init(&bed);
	REFUSED(ops, NULL);
	REFUSED(ring_order, VMSGIF_MAX_RING_ORDER + 1);
	REFUSED(nr_tx_pages, 1);
	REFUSED(nr_tx_pages, VMSGIF_POOL_PAGES_MAX + 1);
	REFUSED(tx_pages, NULL);
	REFUSED(tx_grefs, NULL);
	REFUSED(nr_rx_pages, 7);
	REFUSED(nr_rx_pages, VMSGIF_POOL_PAGES_MAX + 1);
	REFUSED(rx_pages, NULL);
	REFUSED(rx_grefs, NULL);
	REFUSED(max_ports, 0);
	REFUSED(max_ports, (1u << 16) + 1);
	REFUSED(max_flows, 0);
	REFUSED(max_flows, (1u << 20) + 1);
	REFUSED(max_pools, (1u << 12) + 1);
	REFUSED(max_subscriptions, (1u << 12) + 1);
	REFUSED(copy_out, VMSGIF_PAGE_SIZE + 1);
	REFUSED(seq_start, 0);
	/* The largest ones are fine. */
	p->max_ports = 1u << 16;
	p->max_flows = 1u << 20;
	p->max_pools = 1u << 12;
	p->max_subscriptions = 1u << 12;
	p->copy_out = VMSGIF_PAGE_SIZE;
	p->seq_start = UINT64_MAX;
	ck_assert_uint_gt(vmsg_size(p), 0);
	cbed_deinit(&bed);
}
END_TEST

START_TEST(getters)
{
	cbed_init(&bed);
	ck_assert_ptr_eq(vmsg_priv(bed.v), &bed);
	ck_assert(!vmsg_is_connected(bed.v));
	ck_assert(!vmsg_is_ready(bed.v));
	ck_assert_ptr_null(vmsg_broken(bed.v));
	ck_assert_uint_eq(vmsg_address(bed.v), 0);
	ck_assert(!vmsg_put_off(bed.v));
	/* Nothing happens without a connection. */
	ck_assert(!vmsg_publish(bed.v, true));
	ck_assert(!vmsg_poll(bed.v, 10));
	ck_assert(!vmsg_arm(bed.v));
	vmsg_disconnected(bed.v);
	vmsg_connected(bed.v, &bed.features); /* rings are missing */
	ck_assert(!vmsg_is_connected(bed.v));
	cbed_up(&bed);
	ck_assert(vmsg_is_connected(bed.v));
	ck_assert_uint_eq(vmsg_address(bed.v), CBED_ADDR);
	vmsg_connected(bed.v, &bed.features); /* it is */
	cbed_expect_none(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).resets, 0);
	cbed_deinit(&bed);
}
END_TEST

START_TEST(smallest_and_largest)
{
	/* The smallest device works, */
	bed.params.ring_order = 0;
	bed.params.nr_tx_pages = 2;
	bed.params.nr_rx_pages = 8;
	bed.params.max_ports = 1;
	bed.params.max_flows = 1;
	bed.params.max_pools = 0;
	bed.params.max_subscriptions = 0;
	cbed_init(&bed);
	cbed_up(&bed);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 8);
	ck_assert_int_eq(vmsg_subscribe(bed.v, "a", 1, false, 1), -ENOSPC);
	cbed_deinit(&bed);
	/* and the largest one. */
	cbed_defaults(&bed);
	bed.params.ring_order = 4;
	bed.params.nr_tx_pages = VMSGIF_POOL_PAGES_MAX;
	bed.params.nr_rx_pages = VMSGIF_POOL_PAGES_MAX;
	cbed_init(&bed);
	cbed_up(&bed);
	ck_assert_uint_eq(cbed_rx_posted(&bed), 512);
	cbed_deinit(&bed);
}
END_TEST

/* What BIND says of the longest message, by the number of RX pages and the ring. */
static uint32_t max_len_of(unsigned int order, unsigned int nr_rx, uint32_t max_message,
			   size_t size)
{
	struct vmsgif_tx_request req;
	struct vmsg_port *port;

	cbed_defaults(&bed);
	bed.params.ring_order = order;
	bed.params.nr_rx_pages = nr_rx;
	bed.features.max_message = max_message;
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, size);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 1), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
	return req.max_len;
}

START_TEST(longest_message)
{
	size_t big = 2 << 20;

	ck_assert_uint_eq(max_len_of(4, 520, 1 << 20, big), 1 << 20);
	ck_assert_uint_eq(max_len_of(4, 278, 1 << 20, big), 1 << 20);
	/* a sixteenth stays for what is held */
	ck_assert_uint_eq(max_len_of(4, 256, 1 << 20, big), (240 - 4) * 4096);
	/* the ring is too small */
	ck_assert_uint_eq(max_len_of(3, 520, 1 << 20, big), (256 - 4) * 4096);
	ck_assert_uint_eq(max_len_of(0, 64, 1 << 20, big), (32 - 4) * 4096);
	/* the port's memory is */
	ck_assert_uint_eq(max_len_of(4, 520, 1 << 20, 4096), 4096 - 64);
	/* the broker's limit */
	ck_assert_uint_eq(max_len_of(4, 520, 5000, big), 5000);
	ck_assert_uint_eq(max_len_of(4, 520, 1 << 24, big), 1 << 20);
	ck_assert_uint_eq(max_len_of(1, 8, 4096, big), 4096);
	ck_assert_uint_eq(max_len_of(1, 8, 0, big), 0);
}
END_TEST

START_TEST(ports)
{
	struct vmsg_port *port, *other;

	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	ck_assert_uint_eq(vmsg_port_number(port), 0);
	ck_assert_ptr_null(vmsg_port_priv(port));
	ck_assert_uint_eq(vmsg_unanswered(port), 0);
	ck_assert_ptr_null(vmsg_recv(bed.v, port, &(struct vmsg_info){ 0 }));
	/* Whoever has nothing to receive into cannot be bound. */
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 1), -ENOSPC);
	cbed_port_free(&bed, port);
	/* Odd sizes are cut. */
	port = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
	other = cbed_port(&bed, 128);
	vmsg_port_init(bed.v, port, vmsg_port_priv(other), 127, &bed);
	ck_assert_ptr_eq(vmsg_port_priv(port), &bed);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 9, NULL, 0, 1), -ENOSPC);
	ck_assert_int_eq(vmsg_bind(bed.v, other, 9, NULL, 0, 1), 0);
	cbed_publish(&bed);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_BIND).max_len, 64);
	vmsg_port_init(bed.v, port, NULL, (size_t)1 << 40, NULL);
	vmsg_port_fini(bed.v, port);
	free(port);
	cbed_port_free(&bed, other);
	cbed_deinit(&bed);
}
END_TEST

/* A port that goes leaves its SENDs behind, which complete unheard. */
START_TEST(port_goes_with_sends)
{
	struct vmsgif_tx_request req[3];
	struct vmsg_port *port;

	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_port(&bed, 0);
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(cbed_send(&bed, port, "x", 1, i + 1), 0);
	cbed_publish(&bed);
	for (unsigned int i = 0; i < 3; i++)
		req[i] = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert(!vmsg_drained(bed.v, port));
	cbed_port_free(&bed, port);
	cbed_answered(&bed, &req[0], 0);
	cbed_answered(&bed, &req[1], VMSGIF_EFAULT);
	cbed_no_event(&bed);
	cbed_down(&bed);
	cbed_up(&bed);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_resubmitted, 1);
	cbed_deinit(&bed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-device");
	TCase *tc = tcase_create("device");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, size_grows_with_everything);
	tcase_add_test(tc, bad_params);
	tcase_add_test(tc, getters);
	tcase_add_test(tc, smallest_and_largest);
	tcase_add_test(tc, longest_message);
	tcase_add_test(tc, ports);
	tcase_add_test(tc, port_goes_with_sends);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
