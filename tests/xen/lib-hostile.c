/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device of this guest, by hand: xenstore, the connection, the rings; see hostile.h. */
#include "tests/xen/hostile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define DEVICE	  "device/vmsg/0"
#define PAGE_SIZE VMSGIF_PAGE_SIZE

void raw_cannot(const char *format, ...)
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

char *raw_read_node(struct raw *raw, const char *dir, const char *name)
{
	unsigned int len;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return xs_read(raw->xs, XBT_NULL, path, &len);
}

uint64_t raw_read_number(struct raw *raw, const char *dir, const char *name)
{
	char *text = raw_read_node(raw, dir, name);
	uint64_t value = text ? strtoull(text, NULL, 10) : 0;

	free(text);
	return value;
}

static void write_text(struct raw *raw, const char *name, const char *text, size_t len)
{
	char path[512];

	snprintf(path, sizeof(path), DEVICE "/%s", name);
	if (!xs_write(raw->xs, XBT_NULL, path, text, (unsigned int)len))
		raw_cannot("write %s: %s", path, strerror(errno));
}

static void write_number(struct raw *raw, const char *name, uint64_t value)
{
	char text[24];

	write_text(raw, name, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

static int backend_state(struct raw *raw)
{
	return (int)raw_read_number(raw, raw->backend, "state");
}

int raw_wait_state(struct raw *raw, int a, int b)
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

void *raw_share(struct raw *raw, unsigned int nr, uint32_t *refs, bool writable)
{
	void *pages = xengntshr_share_pages(raw->shr, raw->backend_id, (int)nr, refs, writable);

	if (!pages)
		raw_cannot("share %u pages: %s", nr, strerror(errno));
	return pages;
}

void raw_open_all(struct raw *raw)
{
	raw->xs = xs_open(0);
	raw->shr = xengntshr_open(NULL, 0);
	raw->evtchn = xenevtchn_open(NULL, 0);
	if (!raw->xs || !raw->shr || !raw->evtchn)
		raw_cannot("open Xen's devices: %s", strerror(errno));
	raw->backend = raw_read_node(raw, DEVICE, "backend");
	if (!raw->backend)
		raw_cannot("find the device");
	raw->backend_id = (uint32_t)raw_read_number(raw, DEVICE, "backend-id");
	raw->port = xenevtchn_bind_unbound_port(raw->evtchn, raw->backend_id);
	if (raw->port < 0)
		raw_cannot("allocate an event channel: %s", strerror(errno));
}

void raw_close_all(struct raw *raw)
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

void raw_reset(struct raw *raw)
{
	if (backend_state(raw) != XenbusStateInitWait) {
		write_number(raw, "state", XenbusStateClosing);
		usleep(STEP_MS * 1000);
		write_number(raw, "state", XenbusStateClosed);
		raw_wait_state(raw, XenbusStateClosed, XenbusStateInitWait);
	}
	write_number(raw, "state", XenbusStateInitialising);
	if (raw_wait_state(raw, XenbusStateInitWait, XenbusStateInitWait) < 0)
		raw_cannot("get the broker to InitWait");
}

void raw_offer(struct raw *raw, const char *spoilt, const char *value, size_t len)
{
	uint64_t instance;

	if (!raw->tx.sring) {
		vmsgif_tx_sring_t *tx = raw_share(raw, 1, &raw->tx_ref, true);
		vmsgif_rx_sring_t *rx = raw_share(raw, 1, &raw->rx_ref, true);

		XEN_FRONT_RING_INIT(&raw->tx, tx, PAGE_SIZE);
		XEN_FRONT_RING_INIT(&raw->rx, rx, PAGE_SIZE);
	} else {
		XEN_FRONT_RING_INIT(&raw->tx, raw->tx.sring, PAGE_SIZE);
		XEN_FRONT_RING_INIT(&raw->rx, raw->rx.sring, PAGE_SIZE);
	}
	if (getrandom(&instance, sizeof(instance), 0) != sizeof(instance))
		raw_cannot("get a random number");
	write_number(raw, "version", VMSGIF_VERSION);
	write_number(raw, "epoch", raw_read_number(raw, raw->backend, "epoch"));
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

void raw_connect_device(struct raw *raw)
{
	raw_reset(raw);
	raw_offer(raw, NULL, NULL, 0);
	if (raw_wait_state(raw, XenbusStateConnected, XenbusStateConnected) < 0)
		raw_cannot("connect");
	write_number(raw, "state", XenbusStateConnected);
}

/* -------------------------------------------------------------------- rings */

struct vmsgif_tx_request *raw_request(struct raw *raw, uint8_t op)
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

void raw_post_page(struct raw *raw, uint32_t ref)
{
	struct vmsgif_rx_request *req = RING_GET_REQUEST(&raw->rx, raw->rx.req_prod_pvt++);

	memset(req, 0, sizeof(*req));
	req->id = raw->next_rx_id++ % VMSGIF_RING_SLOTS(0);
	req->ref = ref;
}

void raw_post_good_pages(struct raw *raw, unsigned int nr)
{
	uint32_t refs[32];

	raw_share(raw, nr, refs, true);
	for (unsigned int i = 0; i < nr; i++)
		raw_post_page(raw, refs[i]);
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
	raw_cannot("get an answer");
}

int raw_last_answer(struct raw *raw)
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

void raw_get_ready(struct raw *raw)
{
	struct vmsgif_tx_response rsp;
	struct vmsgif_tx_request *req;
	int status;

	raw_request(raw, VMSGIF_OP_READY);
	status = raw_last_answer(raw);
	if (status)
		raw_cannot("get ready: %d", status);
	if (!raw->to_name)
		return;
	req = raw_request(raw, VMSGIF_OP_RESOLVE);
	req->flags = VMSGIF_TXF_INLINE;
	req->len = (uint32_t)strlen(raw->to_name);
	if (req->len > VMSGIF_INLINE_MAX)
		raw_cannot("send to a name that long");
	memcpy(req->u.data, raw->to_name, req->len);
	kick(raw);
	status = answer(raw, &rsp);
	if (status)
		raw_cannot("find %s: %d", raw->to_name, status);
	raw->to_addr = rsp.addr;
}

struct vmsgif_tx_request *raw_send_request(struct raw *raw, uint32_t len)
{
	struct vmsgif_tx_request *req;
	uint32_t ref;

	if (!raw->to_addr)
		raw_cannot("try this without NAME PORT");
	raw_share(raw, 1, &ref, false);
	req = raw_request(raw, VMSGIF_OP_SEND);
	req->addr = raw->to_addr;
	req->port = raw->to_port;
	req->seq = raw->tx.req_prod_pvt;
	req->len = len;
	req->nr_segs = 1;
	req->u.seg[0].ref = ref;
	req->u.seg[0].len = (uint16_t)len;
	return req;
}
