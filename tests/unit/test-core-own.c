/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Own pools: added, used, deleted, gone on the receiver's side, and what of it
 * survives a restart of the broker.
 */
#include "tests/unit/core-bed.h"

#include <string.h>

#define REF   815u
#define PAGES 2u
#define BYTES (PAGES * VMSGIF_PAGE_SIZE)
#define OTHER (CBED_PEER + 1)

static struct cbed bed;
static struct vmsg_port *port;

static void setup(void)
{
	cbed_defaults(&bed);
	cbed_init(&bed);
	cbed_up(&bed);
	port = cbed_bound_port(&bed, 9, 4096);
	cbed_forget_events(&bed);
}

static void teardown(void)
{
	cbed_port_free(&bed, port);
	cbed_deinit(&bed);
}

static int add(unsigned int id)
{
	return vmsg_pool_add(bed.v, port, id, CBED_PEER, CBED_PORT, REF, PAGES, 100 + id);
}

static int del(unsigned int id)
{
	return vmsg_pool_del(bed.v, id, 200 + id);
}

static struct vmsgif_tx_request expect_add(unsigned int id)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);

	ck_assert_uint_eq(req.addr, CBED_PEER);
	ck_assert_uint_eq(req.port, CBED_PORT);
	ck_assert_uint_eq(req.src_port, 9);
	ck_assert_uint_eq(req.u.pool.type, VMSGIF_POOL_MAP);
	ck_assert_uint_eq(req.u.pool.id, id);
	ck_assert_uint_eq(req.u.pool.ref, REF);
	ck_assert_uint_eq(req.u.pool.nr_pages, PAGES);
	return req;
}

static struct vmsgif_tx_request expect_del(unsigned int id)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_POOL_DEL);

	ck_assert_uint_eq(req.u.pool.type, VMSGIF_POOL_MAP);
	ck_assert_uint_eq(req.u.pool.id, id);
	return req;
}

static void expect_done(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_CONTROL_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static void expect_sent(uint64_t cookie, int status)
{
	struct cbed_event event = cbed_expect_event(&bed, CBED_SEND_DONE);

	ck_assert_uint_eq(event.cookie, cookie);
	ck_assert_int_eq(event.status, status);
}

static void expect_gone(unsigned int id)
{
	ck_assert_uint_eq(cbed_expect_event(&bed, CBED_POOL_GONE).slot, id);
}

/* A pool that can be used. */
static void pool(unsigned int id)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(id), 0);
	cbed_publish(&bed);
	req = expect_add(id);
	cbed_answered(&bed, &req, 0);
	expect_done(100 + id, 0);
}

static struct vmsg_send in_pool(unsigned int id, uint32_t offset, uint32_t len)
{
	return (struct vmsg_send){
		.addr = CBED_PEER,
		.port = CBED_PORT,
		.len = len,
		.form = VMSG_MAP,
		.map_id = id,
		.map_offset = offset,
		.cookie = 7,
	};
}

static int send(unsigned int id, uint32_t offset, uint32_t len)
{
	struct vmsg_send s = in_pool(id, offset, len);

	return vmsg_send(bed.v, port, &s, NULL);
}

static struct vmsgif_tx_request expect_send(unsigned int id, uint32_t offset)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_SEND);

	ck_assert_uint_eq(req.flags, VMSGIF_TXF_MAP);
	ck_assert_uint_eq(req.u.map.id, id);
	ck_assert_uint_eq(req.u.map.offset, offset);
	return req;
}

static void tell_gone(uint32_t addr, unsigned int id)
{
	struct vmsgif_rx_response rsp = cbed_rx_event(VMSGIF_RX_POOL_GONE, addr);

	rsp.u.pool.id = (uint16_t)id;
	cbed_tell(&bed, rsp);
}

/* Connects anew; the port is bound, and what else was asked for is left. */
static void restart(void)
{
	struct vmsgif_tx_request req;

	cbed_down(&bed);
	cbed_connect(&bed);
	for (unsigned int i = 0; i < 2; i++) {
		req = cbed_expect(&bed, VMSGIF_OP_POOL_ADD);
		ck_assert_uint_ne(req.u.pool.type, VMSGIF_POOL_MAP);
		cbed_answer(&bed, &req, 0);
	}
	cbed_tx_publish(&bed);
	cbed_poll(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
}

static void expect_ready(void)
{
	struct vmsgif_tx_request req = cbed_expect(&bed, VMSGIF_OP_READY);

	cbed_answered(&bed, &req, 0);
}

/* -------------------------------------------------------------------- life */

START_TEST(add_send_del)
{
	struct vmsgif_tx_request req;

	pool(63);
	/* What was sent before leaves nothing in the request. */
	ck_assert_int_eq(cbed_send_pages(&bed, port, "abc", 3, 0), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	ck_assert_int_eq(send(63, 0, BYTES), 0);
	ck_assert_int_eq(send(63, BYTES - 1, 1), 0);
	cbed_publish(&bed);
	req = expect_send(63, 0);
	cbed_answered(&bed, &req, 0);
	expect_sent(7, 0);
	ck_assert_int_eq(del(63), -EBUSY);
	req = expect_send(63, BYTES - 1);
	cbed_answered(&bed, &req, VMSGIF_ENOBUFS);
	expect_sent(7, VMSGIF_ENOBUFS);
	ck_assert_uint_eq(cbed_stats(&bed).tx_mapped, 2);
	ck_assert_int_eq(del(63), 0);
	ck_assert_int_eq(del(63), -EBUSY);
	ck_assert_int_eq(send(63, 0, 1), -EINVAL);
	ck_assert_int_eq(add(63), -EADDRINUSE);
	cbed_publish(&bed);
	req = expect_del(63);
	/* Its status does not matter, but is passed on. */
	cbed_answered(&bed, &req, VMSGIF_EINVAL);
	expect_done(263, VMSGIF_EINVAL);
	cbed_no_event(&bed);
	pool(63);
}
END_TEST

START_TEST(bad_arguments)
{
	struct vmsg_port *unbound = cbed_port(&bed, 4096);

	ck_assert_int_eq(add(VMSGIF_MAP_POOLS_MAX), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 0, 1, REF, 1, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 1, 0, REF, 1, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 1, 1, REF, 0, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 0, 1, 1, REF, 1025, 1), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, unbound, 0, 1, 1, REF, 1, 1), -EINVAL);
	ck_assert_int_eq(del(VMSGIF_MAP_POOLS_MAX), -EINVAL);
	ck_assert_int_eq(del(0), -EINVAL);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 1, 1, 1, REF, 1024, 101), 0);
	ck_assert_int_eq(add(0), 0);
	ck_assert_int_eq(add(0), -EADDRINUSE);
	ck_assert_int_eq(del(0), -EBUSY);
	cbed_publish(&bed);
	expect_add(0);
	ck_assert_uint_eq(cbed_expect(&bed, VMSGIF_OP_POOL_ADD).u.pool.nr_pages, 1024);
	cbed_expect_none(&bed);
	vmsg_shutdown(bed.v, -ECANCELED);
	expect_done(100, -ECANCELED);
	expect_done(101, -ECANCELED);
	ck_assert_uint_eq(vmsg_address(bed.v), 0);
	ck_assert_int_eq(add(1), -EHOSTDOWN);
	ck_assert_int_eq(del(0), -EHOSTDOWN);
	cbed_port_free(&bed, unbound);
}
END_TEST

START_TEST(bad_sends)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, 4096);
	struct vmsg_send s;

	ck_assert_int_eq(add(1), 0);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL); /* not yet */
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(101, 0);
	/* At first, and with the flow known. */
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_int_eq(send(0, 0, 1), -EINVAL);
		ck_assert_int_eq(send(64, 0, 1), -EINVAL);
		ck_assert_int_eq(send(1, 0, 0), -EINVAL);
		ck_assert_int_eq(send(1, 0, BYTES + 1), -EINVAL);
		ck_assert_int_eq(send(1, BYTES, 1), -EINVAL);
		ck_assert_int_eq(send(1, UINT32_MAX, 1), -EINVAL);
		ck_assert_int_eq(send(1, 0, 65537), -EMSGSIZE);
		s = in_pool(1, 0, 1);
		ck_assert_int_eq(vmsg_send(bed.v, other, &s, NULL), -EINVAL);
		s.addr = OTHER;
		ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), -EINVAL);
		s = in_pool(1, 0, 1);
		s.port++;
		ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), -EINVAL);
		ck_assert_int_eq(send(1, 0, 1), 0);
	}
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_sent(7, 0);
	expect_sent(7, 0);
	cbed_no_event(&bed);
	ck_assert_uint_eq(cbed_stats(&bed).tx_messages, 2);
	cbed_port_free(&bed, other);
}
END_TEST

/* Under another number the port is not the one that the receiver knows. */
START_TEST(port_bound_elsewhere)
{
	struct vmsgif_tx_request req;

	pool(1);
	ck_assert_int_eq(vmsg_unbind(bed.v, port, 1), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_UNBIND);
	cbed_answered(&bed, &req, 0);
	expect_done(1, 0);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	ck_assert_int_eq(vmsg_bind(bed.v, port, 10, NULL, 0, 2), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	expect_done(2, 0);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	cbed_expect_none(&bed);
}
END_TEST

/* The pools of a port that is no more take no SENDs, and can be deleted. */
START_TEST(owner_is_no_more)
{
	struct vmsg_port *other = cbed_bound_port(&bed, 10, 4096);
	struct vmsg_send s = in_pool(1, 0, 1);
	struct vmsgif_tx_request req;

	pool(2);
	ck_assert_int_eq(vmsg_pool_add(bed.v, other, 1, CBED_PEER, CBED_PORT, REF, 1, 101), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(101, 0);
	ck_assert_int_eq(vmsg_send(bed.v, other, &s, NULL), 0);
	cbed_publish(&bed);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	vmsg_port_fini(bed.v, other);
	ck_assert_int_eq(del(1), -EBUSY);
	cbed_answered(&bed, &req, 0);
	cbed_no_event(&bed);
	ck_assert_int_eq(vmsg_send(bed.v, port, &s, NULL), -EINVAL);
	ck_assert_int_eq(del(1), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(201, 0);
	ck_assert_int_eq(send(2, 0, 1), 0); /* that of another port */
	cbed_port_free(&bed, other);
}
END_TEST

START_TEST(refused)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(1), 0);
	cbed_publish(&bed);
	req = expect_add(1);
	cbed_answered(&bed, &req, VMSGIF_EACCES);
	expect_done(101, VMSGIF_EACCES);
	ck_assert_int_eq(del(1), -EINVAL);
	pool(1);
}
END_TEST

/* As many as leave half of the ring to others, of which each keeps a place. */
START_TEST(too_many)
{
	struct vmsgif_tx_request req;
	unsigned int nr = 0;

	for (unsigned int id = 0; id < 24; id++)
		pool(id);
	ck_assert_int_eq(add(24), -ENOSPC);
	for (uint32_t flow = 0; flow < 6; flow++) {
		struct vmsg_send s = { .addr = CBED_PEER + flow, .port = 1, .data = "" };

		while (!vmsg_send(bed.v, port, &s, NULL))
			nr++;
	}
	ck_assert_uint_eq(nr, 24);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 1, 1), -EAGAIN);
	/* One that is deleted gives its place to others. */
	ck_assert_int_eq(del(3), 0);
	cbed_publish(&bed);
	for (nr = 0; nr < 24; nr++)
		cbed_expect(&bed, VMSGIF_OP_SEND);
	req = expect_del(3);
	cbed_answered(&bed, &req, 0);
	expect_done(203, 0);
	ck_assert_ptr_null(cbed_expect_event(&bed, CBED_WRITABLE).port);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 1, 1), 0);
}
END_TEST

/* -------------------------------------------------------------------- gone */

START_TEST(receiver_lets_go)
{
	struct vmsgif_tx_request req;

	pool(1);
	pool(2);
	ck_assert_int_eq(send(1, 0, 1), 0);
	cbed_publish(&bed);
	req = expect_send(1, 0);
	/* Of others, of none, of numbers that are none: nothing happens. */
	tell_gone(OTHER, 1);
	tell_gone(CBED_PEER, 3);
	tell_gone(CBED_PEER, 64);
	tell_gone(CBED_PEER, 0xffff);
	cbed_no_event(&bed);
	ck_assert_ptr_null(vmsg_broken(bed.v));
	/* The pages are the peer's to read until the SEND is answered. */
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	ck_assert_int_eq(del(1), -EBUSY);
	ck_assert_int_eq(add(1), -EADDRINUSE);
	tell_gone(CBED_PEER, 1);
	cbed_answered(&bed, &req, VMSGIF_ECONNREFUSED);
	expect_sent(7, VMSGIF_ECONNREFUSED);
	expect_gone(1);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	pool(1);
	/* Without SENDs it is at once. */
	tell_gone(CBED_PEER, 2);
	expect_gone(2);
}
END_TEST

START_TEST(receiver_dies)
{
	pool(1);
	pool(5);
	ck_assert_int_eq(vmsg_pool_add(bed.v, port, 6, OTHER, 1, REF, 1, 106), 0);
	cbed_publish(&bed);
	cbed_answer_all(&bed, 0);
	expect_done(106, 0);
	cbed_tell(&bed, cbed_rx_event(VMSGIF_RX_PEER_DOWN, CBED_PEER));
	cbed_expect_event(&bed, CBED_PEER_DOWN);
	expect_gone(1);
	expect_gone(5);
	cbed_no_event(&bed);
	ck_assert_int_eq(del(6), 0);
}
END_TEST

/* What is asked for says so itself. */
START_TEST(gone_while_asked)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(1), 0);
	cbed_publish(&bed);
	req = expect_add(1);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, VMSGIF_EHOSTDOWN);
	expect_done(101, VMSGIF_EHOSTDOWN);
	pool(1);
	ck_assert_int_eq(del(1), 0);
	cbed_publish(&bed);
	req = expect_del(1);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, 0);
	expect_done(201, 0);
	cbed_no_event(&bed);
}
END_TEST

/* ----------------------------------------------------------------- restart */

START_TEST(announced_again)
{
	struct vmsgif_tx_request add1, sent;

	pool(1);
	ck_assert_int_eq(send(1, 3, 5), 0);
	restart();
	add1 = expect_add(1);
	expect_ready();
	/* The SEND need not wait for the answer, nor do new ones. */
	sent = expect_send(1, 3);
	ck_assert_int_eq(send(1, 4, 5), 0);
	cbed_publish(&bed);
	expect_send(1, 4);
	cbed_answered(&bed, &sent, 0);
	expect_sent(7, 0);
	cbed_answered(&bed, &add1, 0);
	cbed_no_event(&bed); /* nobody asked */
	ck_assert_int_eq(send(1, 5, 1), 0);
}
END_TEST

/* The receiver did not come back, say. */
START_TEST(refused_again)
{
	struct vmsgif_tx_request add1, sent;

	pool(1);
	ck_assert_int_eq(send(1, 3, 5), 0);
	restart();
	add1 = expect_add(1);
	expect_ready();
	sent = expect_send(1, 3);
	cbed_answered(&bed, &add1, VMSGIF_EHOSTUNREACH);
	cbed_no_event(&bed);
	ck_assert_int_eq(send(1, 0, 1), -EINVAL);
	/* Whether the first broker had delivered it, this one does not know. */
	cbed_answered(&bed, &sent, VMSGIF_EFAULT);
	expect_sent(7, VMSGIF_EHOSTDOWN);
	expect_gone(1);
	pool(1);
}
END_TEST

/* The SEND that is out is answered by the broker, and only then the pool is gone. */
START_TEST(refused_with_sends_queued)
{
	struct vmsgif_tx_request req, add1;

	pool(1);
	pool(2);
	cbed_down(&bed);
	ck_assert_int_eq(send(1, 3, 5), 0);
	ck_assert_int_eq(send(2, 4, 5), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 50), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 8), 0);
	/* All are of one flow, of which only one SEND may be under way. */
	bed.features.flow_window = 1;
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	add1 = expect_add(1);
	expect_add(2);
	expect_ready();
	req = expect_send(1, 3);
	cbed_expect_none(&bed);
	tell_gone(CBED_PEER, 2); /* whose POOL_ADD will say so */
	cbed_answered(&bed, &add1, VMSGIF_ECONNREFUSED);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, VMSGIF_ECONNREFUSED);
	expect_sent(7, VMSGIF_ECONNREFUSED);
	expect_gone(1);
	expect_send(2, 4);
	cbed_expect(&bed, VMSGIF_OP_RESOLVE);
}
END_TEST

/* SENDs that are still queued when the pool is refused never go out. Others do. */
START_TEST(gone_with_sends_queued)
{
	struct vmsgif_tx_request req;
	struct vmsgif_tx_request add_req[2];

	pool(1);
	pool(2);
	cbed_down(&bed);
	bed.features.flow_window = 1;
	ck_assert_int_eq(cbed_send(&bed, port, "x", 1, 8), 0);
	ck_assert_int_eq(send(1, 3, 5), 0);
	ck_assert_int_eq(send(2, 4, 5), 0);
	ck_assert_int_eq(vmsg_resolve_addr(bed.v, 5, 50), 0);
	ck_assert_int_eq(cbed_send(&bed, port, "y", 1, 9), 0);
	cbed_connect(&bed);
	cbed_answer_all(&bed, 0);
	req = cbed_expect(&bed, VMSGIF_OP_BIND);
	cbed_answered(&bed, &req, 0);
	for (unsigned int i = 0; i < 2; i++)
		add_req[i] = expect_add(i + 1);
	expect_ready();
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.flags, VMSGIF_TXF_INLINE);
	cbed_expect_none(&bed); /* the window is used up */
	cbed_answered(&bed, &add_req[0], VMSGIF_EHOSTDOWN);
	expect_sent(7, VMSGIF_EHOSTDOWN); /* the queued one, which nobody else saw */
	expect_gone(1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &add_req[1], 0);
	cbed_answered(&bed, &req, 0);
	expect_sent(8, 0);
	req = expect_send(2, 4);
	cbed_expect(&bed, VMSGIF_OP_RESOLVE);
	cbed_expect_none(&bed);
	cbed_answered(&bed, &req, 0);
	expect_sent(7, 0);
	req = cbed_expect(&bed, VMSGIF_OP_SEND);
	ck_assert_uint_eq(req.u.data[0], 'y');
}
END_TEST

/* An answer that the broker did not give is given by the next one. */
START_TEST(adding_over_a_restart)
{
	struct vmsgif_tx_request req;

	ck_assert_int_eq(add(1), 0);
	cbed_publish(&bed);
	expect_add(1);
	restart();
	req = expect_add(1);
	cbed_no_event(&bed);
	cbed_answered(&bed, &req, 0);
	expect_done(101, 0);
	cbed_no_event(&bed);
}
END_TEST

START_TEST(deleting_over_restarts)
{
	struct vmsgif_tx_request req;

	pool(1);
	ck_assert_int_eq(del(1), 0);
	cbed_publish(&bed);
	expect_del(1);
	/* The receiver has it mapped, so it is told, twice. */
	for (unsigned int i = 0; i < 2; i++) {
		restart();
		expect_add(1);
		cbed_no_event(&bed);
	}
	restart();
	req = expect_add(1);
	expect_ready();
	cbed_answered(&bed, &req, 0);
	req = expect_del(1);
	cbed_answered(&bed, &req, 0);
	expect_done(201, 0);
	cbed_no_event(&bed);
	pool(1);
}
END_TEST

/* Deleted while it is announced again, which fails: it is not there, as was wanted. */
START_TEST(deleted_and_refused)
{
	struct vmsgif_tx_request req;

	pool(1);
	restart();
	req = expect_add(1);
	ck_assert_int_eq(del(1), 0);
	cbed_answered(&bed, &req, VMSGIF_EHOSTUNREACH);
	expect_done(201, 0);
	cbed_no_event(&bed);
	ck_assert_int_eq(del(1), -EINVAL);
}
END_TEST

/* In the end each pool is spoken of once, as suits its state. */
START_TEST(shutdown_in_every_state)
{
	struct vmsgif_tx_request req;

	for (unsigned int id = 1; id <= 6; id++)
		if (id != 2)
			pool(id);
	ck_assert_int_eq(del(3), 0);
	restart();
	req = expect_add(1);
	cbed_answered(&bed, &req, 0); /* on again; the others are not yet */
	ck_assert_int_eq(add(2), 0);
	ck_assert_int_eq(del(4), 0);
	ck_assert_int_eq(send(1, 0, 1), 0);
	tell_gone(CBED_PEER, 1);
	cbed_no_event(&bed);
	vmsg_shutdown(bed.v, -ECANCELED);
	expect_sent(7, -ECANCELED);
	expect_gone(1);
	expect_done(102, -ECANCELED);
	expect_done(203, 0);
	expect_done(204, 0);
	expect_gone(5);
	expect_gone(6);
	cbed_no_event(&bed);
	cbed_up(&bed);
	for (unsigned int id = 1; id <= 6; id++)
		pool(id);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("core-own");
	TCase *tc = tcase_create("own");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, add_send_del);
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, bad_sends);
	tcase_add_test(tc, port_bound_elsewhere);
	tcase_add_test(tc, owner_is_no_more);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, too_many);
	tcase_add_test(tc, receiver_lets_go);
	tcase_add_test(tc, receiver_dies);
	tcase_add_test(tc, gone_while_asked);
	tcase_add_test(tc, announced_again);
	tcase_add_test(tc, refused_again);
	tcase_add_test(tc, refused_with_sends_queued);
	tcase_add_test(tc, gone_with_sends_queued);
	tcase_add_test(tc, adding_over_a_restart);
	tcase_add_test(tc, deleting_over_restarts);
	tcase_add_test(tc, deleted_and_refused);
	tcase_add_test(tc, shutdown_in_every_state);
	suite_add_tcase(suite, tc);
	return cbed_run(suite);
}
