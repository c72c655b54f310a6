/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages and pools that cannot be: each request gets a status, and the device stays. */
#include "tests/xen/hostile.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int bad_gref(struct raw *raw)
{
	raw_get_ready(raw);
	raw_send_request(raw, 100)->u.seg[0].ref = 0x7fff;
	return raw_last_answer(raw);
}

static int gref_beyond(struct raw *raw)
{
	raw_get_ready(raw);
	raw_send_request(raw, 100)->u.seg[0].ref = UINT32_MAX;
	return raw_last_answer(raw);
}

static int offset_past_page(struct raw *raw)
{
	raw_get_ready(raw);
	raw_send_request(raw, 100)->u.seg[0].offset = 4000;
	return raw_last_answer(raw);
}

static int length_of_nothing(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	req = raw_send_request(raw, 100);
	req->u.seg[0].len = 0;
	return raw_last_answer(raw);
}

static int lengths_that_differ(struct raw *raw)
{
	raw_get_ready(raw);
	raw_send_request(raw, 100)->len = 200;
	return raw_last_answer(raw);
}

static int too_long(struct raw *raw)
{
	raw_get_ready(raw);
	raw_send_request(raw, 100)->len = VMSGIF_MESSAGE_MAX + 1;
	return raw_last_answer(raw);
}

static int bad_batch(struct raw *raw)
{
	raw_get_ready(raw);
	raw_send_request(raw, 100)->each = 12;
	return raw_last_answer(raw);
}

/* The list is not even looked at. */
static int long_batch(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	req = raw_send_request(raw, 100);
	req->flags = VMSGIF_TXF_INDIRECT;
	req->len = VMSGIF_BATCH_BYTES + 8;
	req->each = 4096;
	req->nr_segs = 17;
	req->u.seg[0].offset = 0;
	req->u.seg[0].len = 0;
	return raw_last_answer(raw);
}

/* The numbers of its first messages were used before. */
static int batch_of_old_numbers(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	req = raw_send_request(raw, 100);
	req->each = 8;
	req->seq = 12;
	return raw_last_answer(raw);
}

static int pool_index_beyond(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	req = raw_send_request(raw, 100);
	req->flags = VMSGIF_TXF_POOL;
	req->u.seg[0].ref = 5000;
	return raw_last_answer(raw);
}

static int old_sequence(struct raw *raw)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	raw_send_request(raw, 10)->seq = 100;
	raw_last_answer(raw);
	req = raw_send_request(raw, 10);
	req->seq = 100;
	return raw_last_answer(raw);
}

static int pool(struct raw *raw, uint16_t type, const uint32_t *refs, uint32_t nr)
{
	struct vmsgif_tx_request *req;
	uint32_t directory, *list = raw_share(raw, 1, &directory, false);

	memcpy(list, refs, nr * sizeof(*refs));
	req = raw_request(raw, VMSGIF_OP_POOL_ADD);
	req->u.pool.ref = directory;
	req->u.pool.type = type;
	req->u.pool.nr_pages = nr;
	return raw_last_answer(raw);
}

static int double_gref_directory(struct raw *raw)
{
	uint32_t refs[8];

	raw_share(raw, 8, refs, true);
	refs[7] = refs[2];
	return pool(raw, VMSGIF_POOL_RX, refs, 8);
}

/* A SEND of one segment of the TX pool. */
static int send_run(struct raw *raw, uint32_t ref, uint16_t offset, uint16_t len)
{
	struct vmsgif_tx_request *req;

	raw_get_ready(raw);
	req = raw_send_request(raw, len);
	req->flags = VMSGIF_TXF_POOL;
	req->u.seg[0].ref = ref;
	req->u.seg[0].offset = offset;
	return raw_last_answer(raw);
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

	raw_share(raw, 2, refs, false);
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

	raw_share(raw, 8, refs, true);
	refs[5] = 0x7fff;
	return pool(raw, VMSGIF_POOL_TX, refs, 8);
}

/* Pages that are granted read-only, to be written to. */
static int tx_gref_in_rx_pool(struct raw *raw)
{
	uint32_t refs[8];

	raw_share(raw, 8, refs, false);
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

	raw_share(raw, 16, refs, false);
	for (i = 0; i < 16; i++)
		raw_post_page(raw, refs[i]);
	req = raw_request(raw, VMSGIF_OP_BIND);
	req->flags = VMSGIF_TXF_INLINE;
	req->port = OWN_PORT;
	req->max_len = 4096;
	req->credit = 65536;
	i = raw_last_answer(raw);
	if (i)
		return i;
	raw_get_ready(raw);
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
	raw_cannot("get a message at port %d", OWN_PORT);
}

const struct hostile_case hostile_requests[] = {
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
	{ NULL, NULL, 0 },
};
