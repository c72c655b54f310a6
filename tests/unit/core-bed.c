/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A device of frontend/core whose broker is the test; see core-bed.h. */
#include "tests/unit/core-bed.h"

#include "frontend/core/state.h"

#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------- device */

static void *page_new(size_t bytes)
{
	void *page = aligned_alloc(VMSGIF_PAGE_SIZE, bytes);

	ck_assert_ptr_nonnull(page);
	memset(page, 0xa5, bytes);
	return page;
}

void cbed_defaults(struct cbed *bed)
{
	memset(bed, 0, sizeof(*bed));
	bed->params = (struct vmsg_params){
		.ops = &cbed_ops,
		.priv = bed,
		.ring_order = 1,
		.nr_tx_pages = 32,
		.tx_directory = 5,
		.nr_rx_pages = 64,
		.rx_directory = 6,
		.max_ports = 4,
		.max_flows = 16,
		.max_pools = 3,
		.max_subscriptions = 3,
		.copy_out = 256,
		.seq_start = 1000,
	};
	bed->features = (struct vmsg_features){
		.addr = CBED_ADDR,
		.flow_window = 8,
		.max_message = 65536,
		.max_pool_pages = 1024,
		.max_maps = 64,
		.map = true,
	};
}

void cbed_init(struct cbed *bed)
{
	struct vmsg_params *p = &bed->params;
	size_t size;
	void *memory;

	if (bed->no_lost)
		p->ops = &cbed_ops_no_lost;
	for (unsigned int i = 0; i < p->nr_tx_pages; i++) {
		bed->tx_pages[i] = page_new(VMSGIF_PAGE_SIZE);
		bed->tx_grefs[i] = 10000 + i;
	}
	for (unsigned int i = 0; i < p->nr_rx_pages; i++) {
		bed->rx_pages[i] = page_new(VMSGIF_PAGE_SIZE);
		bed->rx_grefs[i] = 20000 + i;
	}
	p->tx_pages = bed->tx_pages;
	p->tx_grefs = bed->tx_grefs;
	p->rx_pages = bed->rx_pages;
	p->rx_grefs = bed->rx_grefs;
	bed->ring_bytes = VMSGIF_RING_BYTES(p->ring_order);
	bed->tx_ring = page_new(bed->ring_bytes);
	bed->rx_ring = page_new(bed->ring_bytes);
	size = vmsg_size(p);
	ck_assert_uint_gt(size, 0);
	memory = aligned_alloc(64, size);
	ck_assert_ptr_nonnull(memory);
	memset(memory, 0, size);
	bed->v = vmsg_init(memory, p);
	ck_assert_ptr_eq(bed->v, memory);
}

void cbed_deinit(struct cbed *bed)
{
	for (unsigned int i = 0; i < bed->params.nr_tx_pages; i++)
		free(bed->tx_pages[i]);
	for (unsigned int i = 0; i < bed->params.nr_rx_pages; i++)
		free(bed->rx_pages[i]);
	free(bed->tx_ring);
	free(bed->rx_ring);
	free(bed->v);
}

struct vmsg_port *cbed_port(struct cbed *bed, size_t size)
{
	struct vmsg_port *port = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
	void *memory = size ? aligned_alloc(64, size) : NULL;

	ck_assert_ptr_nonnull(port);
	vmsg_port_init(bed->v, port, memory, size, memory);
	return port;
}

void cbed_port_free(struct cbed *bed, struct vmsg_port *port)
{
	vmsg_port_fini(bed->v, port);
	free(vmsg_port_priv(port));
	free(port);
}

/* --------------------------------------------------------------- connection */

void cbed_connect(struct cbed *bed)
{
	vmsg_ring_init(bed->v, bed->tx_ring, bed->rx_ring);
	bed->tx_cons = bed->tx_prod = bed->rx_cons = bed->rx_prod = 0;
	bed->rx_requests = 0;
	vmsg_connected(bed->v, &bed->features);
	cbed_publish(bed);
}

void cbed_up(struct cbed *bed)
{
	cbed_connect(bed);
	for (unsigned int i = 0; i < 1000 && !vmsg_is_ready(bed->v); i++)
		cbed_answer_all(bed, 0);
	ck_assert(vmsg_is_ready(bed->v));
}

void cbed_down(struct cbed *bed)
{
	vmsg_disconnected(bed->v);
}

bool cbed_publish(struct cbed *bed)
{
	return vmsg_publish(bed->v, false);
}

void cbed_poll(struct cbed *bed)
{
	while (vmsg_poll(bed->v, 1000))
		;
	cbed_publish(bed);
}

/* ---------------------------------------------------------------- shortcuts */

struct vmsg_port *cbed_bound_port(struct cbed *bed, uint32_t number, size_t size)
{
	struct vmsg_port *port = cbed_port(bed, size);
	struct vmsgif_tx_request req;

	ck_assert_int_eq(vmsg_bind(bed->v, port, number, NULL, 0, 1), 0);
	cbed_publish(bed);
	req = cbed_expect(bed, VMSGIF_OP_BIND);
	cbed_answered(bed, &req, 0);
	ck_assert_int_eq(cbed_expect_event(bed, CBED_CONTROL_DONE).status, 0);
	return port;
}

int cbed_send(struct cbed *bed, struct vmsg_port *port, const void *data, uint32_t len,
	      uint64_t cookie)
{
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_INLINE,
		.cookie = cookie,
		.data = data,
	};

	return vmsg_send(bed->v, port, &send, NULL);
}

int cbed_send_pages(struct cbed *bed, struct vmsg_port *port, const void *data, uint32_t len,
		    uint64_t cookie)
{
	unsigned int nr = (len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE;
	unsigned int list = nr > VMSGIF_SEGS_MAX;
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	uint16_t pages[VMSGIF_INDIRECT_MAX + 1];
	struct vmsg_send send = {
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_PAGES,
		.cookie = cookie,
		.segs = segs,
		.nr_segs = nr,
	};
	int error = vmsg_tx_pages_get(bed->v, port, nr + list, pages);

	if (error)
		return error;
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t left = len - i * VMSGIF_PAGE_SIZE;

		segs[i].ref = pages[i];
		segs[i].offset = 0;
		segs[i].len = (uint16_t)(left < VMSGIF_PAGE_SIZE ? left : VMSGIF_PAGE_SIZE);
		memcpy(bed->tx_pages[pages[i]], (const uint8_t *)data + i * VMSGIF_PAGE_SIZE,
		       segs[i].len);
	}
	send.list_page = pages[nr * list];
	error = vmsg_send(bed->v, port, &send, NULL);
	if (error)
		vmsg_tx_pages_put(bed->v, port, nr + list, pages);
	return error;
}

unsigned int cbed_gather(struct cbed *bed, struct vmsg_port *port, const struct vmsg_msg *msg,
			 void *out)
{
	uint32_t cursor = 0;
	unsigned int pieces = 0;
	const void *data;
	uint32_t len;
	uint8_t *to = out;

	while (vmsg_msg_piece(bed->v, port, msg, &cursor, &data, &len)) {
		memcpy(to, data, len);
		to += len;
		pieces++;
	}
	return pieces;
}

struct vmsg_msg *cbed_recv(struct cbed *bed, struct vmsg_port *port, struct vmsg_info *info)
{
	return vmsg_recv(bed->v, port, info);
}

void cbed_expect_msg(struct cbed *bed, struct vmsg_port *port, uint64_t seq, const void *data,
		     uint32_t len)
{
	struct vmsg_info info;
	struct vmsg_msg *msg = vmsg_recv(bed->v, port, &info);
	uint8_t *copy = malloc(len + 1);

	ck_assert_ptr_nonnull(msg);
	ck_assert_uint_eq(info.addr, CBED_PEER);
	ck_assert_uint_eq(info.src_port, 5);
	ck_assert_uint_eq(info.seq, seq);
	ck_assert_uint_eq(info.len, len);
	ck_assert(!info.mapped);
	cbed_gather(bed, port, msg, copy);
	ck_assert_mem_eq(copy, data, len);
	free(copy);
	vmsg_release(bed->v, port, msg);
}

void cbed_fill(void *data, size_t len, unsigned int seed)
{
	uint8_t *to = data;

	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)((seed * 2654435761u + (unsigned int)i * 40503u) >> 8);
}

struct vmsg_stats cbed_stats(struct cbed *bed)
{
	struct vmsg_stats stats;

	vmsg_stats_get(bed->v, &stats);
	return stats;
}

void cbed_expect_broken(struct cbed *bed, const char *reason)
{
	ck_assert_ptr_nonnull(vmsg_broken(bed->v));
	ck_assert_str_eq(vmsg_broken(bed->v), reason);
	ck_assert(!vmsg_is_connected(bed->v));
}

void cbed_expect_pages(struct cbed *bed, unsigned int held)
{
	unsigned int nr_tx = bed->params.nr_tx_pages - 1; /* the last one is for names */
	unsigned int nr_rx = bed->params.nr_rx_pages - held;
	struct vmsg_port *port = cbed_port(bed, 0);
	uint16_t pages[VMSGIF_POOL_PAGES_MAX];

	ck_assert_int_eq(vmsg_tx_pages_get(bed->v, port, nr_tx, pages), 0);
	vmsg_tx_pages_put(bed->v, port, nr_tx, pages);
	ck_assert_uint_eq(cbed_rx_pages(bed), nr_rx);
	ck_assert_uint_ge(cbed_rx_posted(bed),
			  bed->v->rx_enough < nr_rx ? bed->v->rx_enough : nr_rx);
	cbed_port_free(bed, port);
}

void cbed_expect_broken_once(struct cbed *bed, const char *reason, unsigned int held)
{
	struct vmsg_port *port = cbed_port(bed, 0);

	cbed_expect_broken(bed, reason);
	ck_assert(!vmsg_poll(bed->v, 1000));
	ck_assert(!vmsg_publish(bed->v, true));
	ck_assert(!vmsg_arm(bed->v));
	ck_assert_int_eq(cbed_send(bed, port, "x", 1, 1), -EHOSTDOWN);
	ck_assert_int_eq(vmsg_resolve_addr(bed->v, 1, 1), -EHOSTDOWN);
	cbed_expect_broken(bed, reason);
	cbed_port_free(bed, port);
	cbed_forget_events(bed);
	cbed_up(bed);
	ck_assert_ptr_null(vmsg_broken(bed->v));
	cbed_expect_pages(bed, held);
	cbed_forget_events(bed);
}

int cbed_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
