/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that breaks the rules of <xen/io/vmsgif.h>, one at a time.
 *
 *	hostile CASE [NAME PORT]	NAME PORT: whom SENDs go to
 *	hostile garbage-node NODE	tries wrong values in one of its nodes
 *	hostile list			names the cases
 *
 * It drives the device by hand: no library of the project, whose job it is to
 * keep the rules. What happened is printed: "hostile: CASE: status -14", or
 * "hostile: CASE: closed: ..." with the broker's words. Exit status: 0 that is
 * what has to happen, 1 it is not, 2 the case could not be tried.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xen/io/xenbus.h>

#include "common/xen-compat.h"

#include <xen/io/vmsgif.h>

#define WAIT_MS	  5000
#define STEP_MS	  10
#define CLOSED	  1 /* instead of a status */
#define OWN_PORT  13
#define DEVICE	  "device/vmsg/0"
#define PAGE_SIZE VMSGIF_PAGE_SIZE

struct raw {
	const char *name; /* of the case */
	struct xs_handle *xs;
	xengntshr_handle *shr;
	xenevtchn_handle *evtchn;
	char *backend;
	uint32_t backend_id;
	int port;
	vmsgif_tx_front_ring_t tx;
	vmsgif_rx_front_ring_t rx;
	uint32_t tx_ref, rx_ref;
	uint16_t next_id, next_rx_id;
	/* Destination of SENDs. */
	const char *to_name;
	uint32_t to_addr, to_port;
};

static void __attribute__((noreturn, format(printf, 1, 2))) cannot(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("hostile: cannot ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	exit(2);
}

/* ----------------------------------------------------------------- xenstore */

static char *read_node(struct raw *raw, const char *dir, const char *name)
{
	unsigned int len;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return xs_read(raw->xs, XBT_NULL, path, &len);
}

static uint64_t read_number(struct raw *raw, const char *dir, const char *name)
{
	char *text = read_node(raw, dir, name);
	uint64_t value = text ? strtoull(text, NULL, 10) : 0;

	free(text);
	return value;
}

static void write_text(struct raw *raw, const char *name, const char *text, size_t len)
{
	char path[512];

	snprintf(path, sizeof(path), DEVICE "/%s", name);
	if (!xs_write(raw->xs, XBT_NULL, path, text, (unsigned int)len))
		cannot("write %s: %s", path, strerror(errno));
}

static void write_number(struct raw *raw, const char *name, uint64_t value)
{
	char text[24];

	write_text(raw, name, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

static int backend_state(struct raw *raw)
{
	return (int)read_number(raw, raw->backend, "state");
}

/* Wait until the backend is in @a or @b; returns which, or -1. */
static int wait_state(struct raw *raw, int a, int b)
{
	int i, state;

	for (i = 0; i < WAIT_MS / STEP_MS; i++) {
		state = backend_state(raw);
		if (state == a || state == b)
			return state;
		usleep(STEP_MS * 1000);
	}
	return -1;
}

/* ------------------------------------------------------------------ connect */

static void *share(struct raw *raw, unsigned int nr, uint32_t *refs, bool writable)
{
	void *pages = xengntshr_share_pages(raw->shr, raw->backend_id, (int)nr, refs, writable);

	if (!pages)
		cannot("share %u pages: %s", nr, strerror(errno));
	return pages;
}

static void open_all(struct raw *raw)
{
	raw->xs = xs_open(0);
	raw->shr = xengntshr_open(NULL, 0);
	raw->evtchn = xenevtchn_open(NULL, 0);
	if (!raw->xs || !raw->shr || !raw->evtchn)
		cannot("open Xen's devices: %s", strerror(errno));
	raw->backend = read_node(raw, DEVICE, "backend");
	if (!raw->backend)
		cannot("find the device");
	raw->backend_id = (uint32_t)read_number(raw, DEVICE, "backend-id");
	raw->port = xenevtchn_bind_unbound_port(raw->evtchn, raw->backend_id);
	if (raw->port < 0)
		cannot("allocate an event channel: %s", strerror(errno));
}

static void close_all(struct raw *raw)
{
	if (raw->tx.sring)
		xengntshr_unshare(raw->shr, raw->tx.sring, 1);
	if (raw->rx.sring)
		xengntshr_unshare(raw->shr, raw->rx.sring, 1);
	xenevtchn_close(raw->evtchn);
	xengntshr_close(raw->shr);
	xs_close(raw->xs);
	free(raw->backend);
}

/* Whatever was there before: closed, and then begun anew. */
static void reset(struct raw *raw)
{
	if (backend_state(raw) != XenbusStateInitWait) {
		write_number(raw, "state", XenbusStateClosing);
		usleep(STEP_MS * 1000);
		write_number(raw, "state", XenbusStateClosed);
		wait_state(raw, XenbusStateClosed, XenbusStateInitWait);
	}
	write_number(raw, "state", XenbusStateInitialising);
	if (wait_state(raw, XenbusStateInitWait, XenbusStateInitWait) < 0)
		cannot("get the broker to InitWait");
}

/* Everything for a connection, except that @spoilt (may be NULL) gets @value. */
static void offer(struct raw *raw, const char *spoilt, const char *value, size_t len)
{
	uint64_t instance;

	if (!raw->tx.sring) {
		vmsgif_tx_sring_t *tx = share(raw, 1, &raw->tx_ref, true);
		vmsgif_rx_sring_t *rx = share(raw, 1, &raw->rx_ref, true);

		XEN_FRONT_RING_INIT(&raw->tx, tx, PAGE_SIZE);
		XEN_FRONT_RING_INIT(&raw->rx, rx, PAGE_SIZE);
	} else {
		XEN_FRONT_RING_INIT(&raw->tx, raw->tx.sring, PAGE_SIZE);
		XEN_FRONT_RING_INIT(&raw->rx, raw->rx.sring, PAGE_SIZE);
	}
	if (getrandom(&instance, sizeof(instance), 0) != sizeof(instance))
		cannot("get a random number");
	write_number(raw, "version", VMSGIF_VERSION);
	write_number(raw, "epoch", read_number(raw, raw->backend, "epoch"));
	write_number(raw, "instance", instance | 1);
	write_number(raw, "ring-order", 0);
	write_number(raw, "tx-ring-ref-0", raw->tx_ref);
	write_number(raw, "rx-ring-ref-0", raw->rx_ref);
	write_number(raw, "event-channel", (uint64_t)raw->port);
	/* Instead of what a library's process has left. */
	write_number(raw, "alive-ref", 0);
	if (spoilt && strcmp(spoilt, "state") != 0)
		write_text(raw, spoilt, value, len);
	if (spoilt && !strcmp(spoilt, "state"))
		write_text(raw, spoilt, value, len);
	else
		write_number(raw, "state", XenbusStateInitialised);
}

static void connect_device(struct raw *raw)
{
	reset(raw);
	offer(raw, NULL, NULL, 0);
	if (wait_state(raw, XenbusStateConnected, XenbusStateConnected) < 0)
		cannot("connect");
	write_number(raw, "state", XenbusStateConnected);
}

/* -------------------------------------------------------------------- rings */

/* The next slot, zeroed but for the id; published by kick(). */
static struct vmsgif_tx_request *request(struct raw *raw, uint8_t op)
{
	struct vmsgif_tx_request *req = RING_GET_REQUEST(&raw->tx, raw->tx.req_prod_pvt++);

	memset(req, 0, sizeof(*req));
	req->op = op;
	req->id = raw->next_id++ % VMSGIF_RING_SLOTS(0);
	return req;
}

static void kick(struct raw *raw)
{
	RING_PUSH_REQUESTS(&raw->tx);
	RING_PUSH_REQUESTS(&raw->rx);
	xenevtchn_notify(raw->evtchn, (evtchn_port_t)raw->port);
}

static void post_page(struct raw *raw, uint32_t ref)
{
	struct vmsgif_rx_request *req = RING_GET_REQUEST(&raw->rx, raw->rx.req_prod_pvt++);

	memset(req, 0, sizeof(*req));
	req->id = raw->next_rx_id++ % VMSGIF_RING_SLOTS(0);
	req->ref = ref;
}

static void post_good_pages(struct raw *raw, unsigned int nr)
{
	uint32_t refs[32];

	share(raw, nr, refs, true);
	for (unsigned int i = 0; i < nr; i++)
		post_page(raw, refs[i]);
}

/* The next answer: its status, with it in *@rsp; or CLOSED. */
static int answer(struct raw *raw, struct vmsgif_tx_response *rsp)
{
	int i, state;

	for (i = 0; i < WAIT_MS / STEP_MS; i++) {
		if (raw->tx.sring->rsp_prod != raw->tx.rsp_cons) {
			xen_rmb();
			*rsp = *RING_GET_RESPONSE(&raw->tx, raw->tx.rsp_cons++);
			return rsp->status;
		}
		state = backend_state(raw);
		if (state == XenbusStateClosing || state == XenbusStateClosed)
			return CLOSED;
		usleep(STEP_MS * 1000);
	}
	cannot("get an answer");
}

/* The answer to the last request, after those to others. */
static int last_answer(struct raw *raw)
{
	struct vmsgif_tx_response rsp;
	uint16_t id = (uint16_t)((raw->next_id - 1u) % VMSGIF_RING_SLOTS(0));
	int status;

	kick(raw);
	do
		status = answer(raw, &rsp);
	while (status != CLOSED && rsp.id != id);
	return status;
}

/* READY, and the address of the destination. */
static void get_ready(struct raw *raw)
{
	struct vmsgif_tx_response rsp;
	struct vmsgif_tx_request *req;
	int status;

	request(raw, VMSGIF_OP_READY);
	status = last_answer(raw);
	if (status)
		cannot("get ready: %d", status);
	if (!raw->to_name)
		return;
	req = request(raw, VMSGIF_OP_RESOLVE);
	req->flags = VMSGIF_TXF_INLINE;
	req->len = (uint32_t)strlen(raw->to_name);
	if (req->len > VMSGIF_INLINE_MAX)
		cannot("send to a name that long");
	memcpy(req->u.data, raw->to_name, req->len);
	kick(raw);
	status = answer(raw, &rsp);
	if (status)
		cannot("find %s: %d", raw->to_name, status);
	raw->to_addr = rsp.addr;
}

/* A SEND of one segment, so far without fault. */
static struct vmsgif_tx_request *send_request(struct raw *raw, uint32_t len)
{
	struct vmsgif_tx_request *req;
	uint32_t ref;

	if (!raw->to_addr)
		cannot("try this without NAME PORT");
	share(raw, 1, &ref, false);
	req = request(raw, VMSGIF_OP_SEND);
	req->addr = raw->to_addr;
	req->port = raw->to_port;
	req->seq = raw->tx.req_prod_pvt;
	req->len = len;
	req->nr_segs = 1;
	req->u.seg[0].ref = ref;
	req->u.seg[0].len = (uint16_t)len;
	return req;
}

/* -------------------------------------------------------------------- cases */

static int reserved_bits(struct raw *raw)
{
	request(raw, VMSGIF_OP_READY)->each = 1;
	return last_answer(raw);
}

static int reserved_flag(struct raw *raw)
{
	request(raw, VMSGIF_OP_READY)->flags = 0x80;
	return last_answer(raw);
}

static int unknown_kind(struct raw *raw)
{
	request(raw, VMSGIF_OP_MAX + 1);
	return last_answer(raw);
}

static int ring_overrun(struct raw *raw)
{
	raw->tx.req_prod_pvt += VMSGIF_RING_SLOTS(0) + 1;
	return last_answer(raw);
}

/* Have the broker look at the pages: it wants one for each name that it tells. */
static int use_pages(struct raw *raw)
{
	struct vmsgif_tx_request *req;
	int i, status = 0;

	request(raw, VMSGIF_OP_READY);
	for (i = 0; i < 16 && status != CLOSED; i++) {
		req = request(raw, VMSGIF_OP_RESOLVE);
		req->flags = VMSGIF_TXF_INLINE;
		req->addr = (uint32_t)read_number(raw, raw->backend, "address");
		status = last_answer(raw);
	}
	if (status != CLOSED && wait_state(raw, XenbusStateClosing, XenbusStateClosed) > 0)
		status = CLOSED;
	return status;
}

static int rx_ring_overrun(struct raw *raw)
{
	raw->rx.req_prod_pvt += VMSGIF_RING_SLOTS(0) + 1;
	return use_pages(raw);
}

static int id_beyond(struct raw *raw)
{
	request(raw, VMSGIF_OP_READY)->id = VMSGIF_RING_SLOTS(0);
	return last_answer(raw);
}

static int rx_reserved_bits(struct raw *raw)
{
	post_good_pages(raw, 16);
	RING_GET_REQUEST(&raw->rx, 2)->reserved[55] = 1;
	return use_pages(raw);
}

/* The third page begins a run of @more. */
static int bad_run(struct raw *raw, uint8_t flags, uint8_t more)
{
	struct vmsgif_rx_request *req;

	post_good_pages(raw, 16);
	req = RING_GET_REQUEST(&raw->rx, 2);
	req->flags = flags;
	req->more = more;
	return use_pages(raw);
}

static int run_without_pool(struct raw *raw)
{
	return bad_run(raw, 0, 1);
}

static int run_not_published(struct raw *raw)
{
	return bad_run(raw, VMSGIF_RXF_POOL, 14);
}

static int run_of_too_many(struct raw *raw)
{
	return bad_run(raw, VMSGIF_RXF_POOL, UINT8_MAX);
}

/* Its pages are the fourth and fifth as well; the one behind has an id of theirs. */
static int run_id_reuse(struct raw *raw)
{
	post_good_pages(raw, 16);
	RING_GET_REQUEST(&raw->rx, 2)->flags = VMSGIF_RXF_POOL;
	RING_GET_REQUEST(&raw->rx, 2)->more = 2;
	RING_GET_REQUEST(&raw->rx, 5)->id = RING_GET_REQUEST(&raw->rx, 4)->id;
	return use_pages(raw);
}

/* Both are consumed before the first is answered. */
static int id_reuse(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	req = send_request(raw, 100);
	send_request(raw, 100)->id = req->id;
	return last_answer(raw);
}

static int bad_gref(struct raw *raw)
{
	get_ready(raw);
	send_request(raw, 100)->u.seg[0].ref = 0x7fff;
	return last_answer(raw);
}

static int gref_beyond(struct raw *raw)
{
	get_ready(raw);
	send_request(raw, 100)->u.seg[0].ref = UINT32_MAX;
	return last_answer(raw);
}

static int offset_past_page(struct raw *raw)
{
	get_ready(raw);
	send_request(raw, 100)->u.seg[0].offset = 4000;
	return last_answer(raw);
}

static int length_of_nothing(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	req = send_request(raw, 100);
	req->u.seg[0].len = 0;
	return last_answer(raw);
}

static int lengths_that_differ(struct raw *raw)
{
	get_ready(raw);
	send_request(raw, 100)->len = 200;
	return last_answer(raw);
}

static int too_long(struct raw *raw)
{
	get_ready(raw);
	send_request(raw, 100)->len = VMSGIF_MESSAGE_MAX + 1;
	return last_answer(raw);
}

static int bad_batch(struct raw *raw)
{
	get_ready(raw);
	send_request(raw, 100)->each = 12;
	return last_answer(raw);
}

/* The list is not even looked at. */
static int long_batch(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	req = send_request(raw, 100);
	req->flags = VMSGIF_TXF_INDIRECT;
	req->len = VMSGIF_BATCH_BYTES + 8;
	req->each = 4096;
	req->nr_segs = 17;
	req->u.seg[0].offset = 0;
	req->u.seg[0].len = 0;
	return last_answer(raw);
}

/* The numbers of its first messages were used before. */
static int batch_of_old_numbers(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	req = send_request(raw, 100);
	req->each = 8;
	req->seq = 12;
	return last_answer(raw);
}

static int pool_index_beyond(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	req = send_request(raw, 100);
	req->flags = VMSGIF_TXF_POOL;
	req->u.seg[0].ref = 5000;
	return last_answer(raw);
}

static int old_sequence(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	send_request(raw, 10)->seq = 100;
	last_answer(raw);
	req = send_request(raw, 10);
	req->seq = 100;
	return last_answer(raw);
}

static int pool(struct raw *raw, uint16_t type, const uint32_t *refs, uint32_t nr)
{
	struct vmsgif_tx_request *req;
	uint32_t directory, *list = share(raw, 1, &directory, false);

	memcpy(list, refs, nr * sizeof(*refs));
	req = request(raw, VMSGIF_OP_POOL_ADD);
	req->u.pool.ref = directory;
	req->u.pool.type = type;
	req->u.pool.nr_pages = nr;
	return last_answer(raw);
}

static int double_gref_directory(struct raw *raw)
{
	uint32_t refs[8];

	share(raw, 8, refs, true);
	refs[7] = refs[2];
	return pool(raw, VMSGIF_POOL_RX, refs, 8);
}

/* A SEND of one segment of the TX pool. */
static int send_run(struct raw *raw, uint32_t ref, uint16_t offset, uint16_t len)
{
	struct vmsgif_tx_request *req;

	get_ready(raw);
	req = send_request(raw, len);
	req->flags = VMSGIF_TXF_POOL;
	req->u.seg[0].ref = ref;
	req->u.seg[0].offset = offset;
	return last_answer(raw);
}

/* From the last page that any pool can have into the one behind. */
static int run_beyond_every_pool(struct raw *raw)
{
	return send_run(raw, VMSGIF_POOL_PAGES_MAX - 1, 4000, 200);
}

/* The same of the pool that there is: what is behind it in the broker is not its. */
static int run_beyond_pool(struct raw *raw)
{
	uint32_t refs[2];
	int status;

	share(raw, 2, refs, false);
	status = pool(raw, VMSGIF_POOL_TX, refs, 2);
	return status ? status : send_run(raw, 1, 4000, 200);
}

/* Its end, in 32 bits, is at the begin of the pool. */
static int run_around(struct raw *raw)
{
	return send_run(raw, UINT32_MAX, 4000, 200);
}

static int run_too_long(struct raw *raw)
{
	return send_run(raw, 0, 0, VMSGIF_SEG_MAX + 1);
}

static int bad_gref_directory(struct raw *raw)
{
	uint32_t refs[8];

	share(raw, 8, refs, true);
	refs[5] = 0x7fff;
	return pool(raw, VMSGIF_POOL_TX, refs, 8);
}

/* Pages that are granted read-only, to be written to. */
static int tx_gref_in_rx_pool(struct raw *raw)
{
	uint32_t refs[8];

	share(raw, 8, refs, false);
	return pool(raw, VMSGIF_POOL_RX, refs, 8);
}

/*
 * The same without a pool. Somebody else has to send: the case says when it
 * listens, and what its own pages were good for.
 */
static int tx_gref_as_rx(struct raw *raw)
{
	struct vmsgif_tx_request *req;
	uint32_t refs[16];
	int i;

	share(raw, 16, refs, false);
	for (i = 0; i < 16; i++)
		post_page(raw, refs[i]);
	req = request(raw, VMSGIF_OP_BIND);
	req->flags = VMSGIF_TXF_INLINE;
	req->port = OWN_PORT;
	req->max_len = 4096;
	req->credit = 65536;
	i = last_answer(raw);
	if (i)
		return i;
	get_ready(raw);
	printf("hostile: listening on port %d\n", OWN_PORT);
	fflush(stdout);
	for (i = 0; i < WAIT_MS / STEP_MS; i++) {
		if (raw->rx.sring->rsp_prod != raw->rx.rsp_cons) {
			xen_rmb();
			return RING_GET_RESPONSE(&raw->rx, raw->rx.rsp_cons)->type ==
					       VMSGIF_RX_BAD_PAGE ?
				       VMSGIF_EFAULT :
				       0;
		}
		usleep(STEP_MS * 1000);
	}
	cannot("get a message at port %d", OWN_PORT);
}

static const struct hostile_case {
	const char *name;
	int (*run)(struct raw *raw);
	int expected; /* status, or CLOSED */
} cases[] = {
	{ "reserved-bits", reserved_bits, CLOSED },
	{ "reserved-flag", reserved_flag, CLOSED },
	{ "unknown-kind", unknown_kind, CLOSED },
	{ "ring-overrun", ring_overrun, CLOSED },
	{ "rx-ring-overrun", rx_ring_overrun, CLOSED },
	{ "id-beyond", id_beyond, CLOSED },
	{ "id-reuse", id_reuse, CLOSED },
	{ "rx-reserved-bits", rx_reserved_bits, CLOSED },
	{ "run-without-pool", run_without_pool, CLOSED },
	{ "run-not-published", run_not_published, CLOSED },
	{ "run-of-too-many", run_of_too_many, CLOSED },
	{ "run-id-reuse", run_id_reuse, CLOSED },
	{ "bad-gref", bad_gref, VMSGIF_EFAULT },
	{ "gref-beyond", gref_beyond, VMSGIF_EFAULT },
	{ "offset-past-page", offset_past_page, VMSGIF_EFAULT },
	{ "length-of-nothing", length_of_nothing, VMSGIF_EINVAL },
	{ "lengths-that-differ", lengths_that_differ, VMSGIF_EINVAL },
	{ "too-long", too_long, VMSGIF_EMSGSIZE },
	{ "bad-batch", bad_batch, VMSGIF_EINVAL },
	{ "long-batch", long_batch, VMSGIF_EINVAL },
	{ "batch-of-old-numbers", batch_of_old_numbers, VMSGIF_EINVAL },
	{ "pool-index-beyond", pool_index_beyond, VMSGIF_EFAULT },
	{ "run-beyond-every-pool", run_beyond_every_pool, VMSGIF_EFAULT },
	{ "run-beyond-pool", run_beyond_pool, VMSGIF_EFAULT },
	{ "run-around", run_around, VMSGIF_EFAULT },
	{ "run-too-long", run_too_long, VMSGIF_EFAULT },
	{ "old-sequence", old_sequence, VMSGIF_EINVAL },
	{ "double-gref-directory", double_gref_directory, VMSGIF_EINVAL },
	{ "bad-gref-directory", bad_gref_directory, VMSGIF_EFAULT },
	{ "tx-gref-in-rx-pool", tx_gref_in_rx_pool, VMSGIF_EFAULT },
	{ "tx-gref-as-rx", tx_gref_as_rx, VMSGIF_EFAULT },
};

/* ------------------------------------------------------------------ outcome */

static void report(struct raw *raw, int outcome)
{
	char *text = NULL;

	if (outcome == CLOSED) {
		wait_state(raw, XenbusStateClosing, XenbusStateClosed);
		text = read_node(raw, raw->backend, "error");
		printf("hostile: %s: closed: %s\n", raw->name,
		       text ? text : "(it does not say why)");
	} else {
		printf("hostile: %s: status %d\n", raw->name, outcome);
	}
	fflush(stdout);
	free(text);
}

/* Connecting with a node like that has to end in a closed device, and not in one that works. */
static int garbage_node(struct raw *raw, const char *node)
{
	static const char zeros[64];
	static const struct {
		const char *text;
		size_t len;
	} values[] = {
		{ "", 0 },
		{ "-1", 2 },
		{ "+1", 2 },
		{ " 1", 2 },
		{ "1 ", 2 },
		{ "01", 2 },
		{ "0x1", 3 },
		{ "1x", 2 },
		{ "99999999999999999999999", 23 },
		{ "18446744073709551616", 20 },
		{ "%s%n", 4 },
		{ "../../..", 8 },
		{ zeros, sizeof(zeros) },
	};
	int wrong = 0, state;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		reset(raw);
		offer(raw, node, values[i].text, values[i].len);
		state = wait_state(raw, XenbusStateClosing, XenbusStateClosed);
		printf("hostile: %s=\"%.*s\": %s\n", node, (int)values[i].len, values[i].text,
		       state < 0 ? "not closed" : "closed");
		wrong += state < 0;
	}
	reset(raw);
	return wrong != 0;
}

static int run_case(struct raw *raw, const struct hostile_case *c)
{
	int outcome;

	connect_device(raw);
	outcome = c->run(raw);
	report(raw, outcome);
	/* The way is open for whoever comes next. */
	reset(raw);
	return outcome != c->expected;
}

int main(int argc, char **argv)
{
	struct raw raw = { 0 };
	int r;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			puts(cases[i].name);
		return 0;
	}
	if (argc < 2 || argc == 3 + (strcmp(argv[1], "garbage-node") == 0)) {
		fprintf(stderr, "usage: hostile CASE [NAME PORT] | garbage-node NODE | list\n");
		return 2;
	}
	raw.name = argv[1];
	open_all(&raw);
	if (!strcmp(argv[1], "garbage-node")) {
		r = garbage_node(&raw, argv[2]);
		close_all(&raw);
		return r;
	}
	if (argc == 4) {
		raw.to_name = argv[2];
		raw.to_port = (uint32_t)strtoul(argv[3], NULL, 10);
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name) != 0)
			continue;
		r = run_case(&raw, &cases[i]);
		close_all(&raw);
		return r;
	}
	cannot("find a case of that name");
}
