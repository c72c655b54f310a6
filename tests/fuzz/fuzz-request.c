// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzes what turns guest bytes into requests, and holds the results against
 * the rules that everything behind relies on.
 *
 * The first byte chooses the function, the rest are its bytes. The unit test
 * test-backend-fuzz.c runs a fixed number of random inputs through it.
 */
#include "backend/guest/nodes.h"
#include "backend/guest/request.h"

#include <stdlib.h>

#define SLOTS	    64
#define MAX_MESSAGE VMSGIF_MESSAGE_MAX

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* As much as there is; the rest is 0. */
static void fill(void *to, size_t want, const uint8_t *data, size_t size)
{
	memset(to, 0, want);
	memcpy(to, data, size < want ? size : want);
}

static void check_segs(const struct vmsgif_segment *segs, unsigned int nr, uint32_t len,
		       bool pooled)
{
	uint64_t sum = 0;

	require(nr >= 1 && nr <= VMSGIF_INDIRECT_MAX);
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t end = (uint32_t)segs[i].offset + segs[i].len;

		require(segs[i].len >= 1 && segs[i].offset < VMSGIF_PAGE_SIZE);
		if (pooled)
			require(segs[i].len <= VMSGIF_SEG_MAX &&
				segs[i].ref < VMSGIF_POOL_PAGES_MAX &&
				segs[i].ref + (end - 1) / VMSGIF_PAGE_SIZE < VMSGIF_POOL_PAGES_MAX);
		else
			require(end <= VMSGIF_PAGE_SIZE);
		sum += segs[i].len;
	}
	require(sum == len);
}

static void check_request(const struct request *req)
{
	bool name = req->op == VMSGIF_OP_BIND || req->op == VMSGIF_OP_RESOLVE ||
		    req->op == VMSGIF_OP_SUBSCRIBE;

	require(req->op >= 1 && req->op <= VMSGIF_OP_MAX && req->id < SLOTS);
	require(req->len <= (name ? VMSGIF_NAME_MAX : MAX_MESSAGE));
	require(req->max_len <= MAX_MESSAGE);
	switch (req->form) {
	case REQUEST_NONE:
		require(req->op != VMSGIF_OP_SEND && req->op != VMSGIF_OP_SUBSCRIBE);
		require(req->len == 0 && req->nr_segs == 0);
		break;
	case REQUEST_INLINE:
		require(req->len <= VMSGIF_INLINE_MAX && req->nr_segs == 0);
		break;
	case REQUEST_SEGS:
		require(req->nr_segs <= VMSGIF_SEGS_MAX);
		check_segs(req->segs, req->nr_segs, req->len, req->pooled);
		break;
	case REQUEST_INDIRECT:
		require(req->nr_segs > VMSGIF_SEGS_MAX && req->nr_segs <= VMSGIF_INDIRECT_MAX);
		break;
	case REQUEST_MAP:
		require(req->op == VMSGIF_OP_SEND && req->len > 0 && !req->pooled);
		require(req->map_id < VMSGIF_MAP_POOLS_MAX && req->map_more < VMSGIF_RUN_MESSAGES);
		require((req->map_offset + req->len - 1) / VMSGIF_PAGE_SIZE +
				req->map_more *
					((req->len + VMSGIF_PAGE_SIZE - 1) / VMSGIF_PAGE_SIZE) <
			VMSGIF_POOL_PAGES_MAX);
		break;
	}
	if (req->each) {
		require(req->op == VMSGIF_OP_SEND);
		require(req->form == REQUEST_SEGS || req->form == REQUEST_INDIRECT);
		require(req->each % VMSGIF_BATCH_ALIGN == 0 && req->each < req->len);
		require(req->len <= VMSGIF_BATCH_BYTES);
		require((req->len - 1) / req->each < VMSGIF_BATCH_MESSAGES);
	}
	if (req->op == VMSGIF_OP_SEND)
		require(req->addr != 0 && req->port != 0 && req->seq != 0);
	if (req->op == VMSGIF_OP_POOL_ADD)
		require(req->pool.nr_pages >= 1 && req->pool.nr_pages <= VMSGIF_POOL_PAGES_MAX);
}

/* All that a SEND has, field by field: what is between them is nobody's. */
static bool same_send(const struct request *a, const struct request *b)
{
	return a->op == b->op && a->form == b->form && a->id == b->id && a->addr == b->addr &&
	       a->port == b->port && a->src_port == b->src_port && a->seq == b->seq &&
	       a->len == b->len && a->nr_segs == b->nr_segs && a->each == b->each &&
	       a->lazy == b->lazy && a->pooled == b->pooled &&
	       !memcmp(a->data, b->data, sizeof(a->data));
}

static void fuzz_request(const uint8_t *data, size_t size)
{
	struct vmsgif_tx_request slot;
	struct reject why = { 0 };
	struct request req, quick;
	enum verdict v;

	fill(&slot, sizeof(slot), data, size);
	/* The short ways see fewer, and the same in them. */
	if (request_parse_simple(&slot, SLOTS, MAX_MESSAGE, &quick) ||
	    request_parse_segs(&slot, SLOTS, MAX_MESSAGE, &quick) ||
	    request_parse_tiny(&slot, SLOTS, MAX_MESSAGE, &quick)) {
		require(request_parse(&slot, SLOTS, MAX_MESSAGE, &req, &why) == VERDICT_OK);
		require(same_send(&quick, &req));
	}
	v = request_parse(&slot, SLOTS, MAX_MESSAGE, &req, &why);
	if (v == VERDICT_OK) {
		check_request(&req);
		return;
	}
	require(why.reason != NULL && why.status < 0);
	if (v == VERDICT_REFUSE)
		require(req.op == slot.op && req.id == slot.id && req.id < SLOTS);
}

static void fuzz_rx_request(const uint8_t *data, size_t size)
{
	struct vmsgif_rx_request slot;
	struct reject why = { 0 };
	struct rx_run run;
	uint8_t behind;

	fill(&behind, sizeof(behind), data, size);
	size = size < sizeof(behind) ? 0 : size - sizeof(behind);
	fill(&slot, sizeof(slot), data + sizeof(behind), size);
	if (rx_request_parse(&slot, SLOTS, behind, &run, &why) == VERDICT_OK)
		require(run.nr >= 1 && run.nr - 1 <= behind && run.first.id + run.nr <= SLOTS &&
			run.first.ref == slot.ref && run.first.ref + run.nr - 1 >= slot.ref &&
			(run.nr == 1 || run.first.pooled));
	else
		require(why.reason != NULL);
}

static void fuzz_segments(const uint8_t *data, size_t size)
{
	struct vmsgif_segment segs[VMSGIF_INDIRECT_MAX];
	struct reject why = { 0 };
	struct {
		uint16_t nr;
		uint8_t pooled;
		uint8_t pad;
		uint32_t len;
	} head;

	fill(&head, sizeof(head), data, size);
	size = size < sizeof(head) ? 0 : size - sizeof(head);
	fill(segs, sizeof(segs), data + sizeof(head), size);
	if (request_check_segments(segs, head.nr, head.len, head.pooled & 1, &why) == VERDICT_OK)
		check_segs(segs, head.nr, head.len, head.pooled & 1);
	else
		require(why.reason != NULL && why.status < 0);
}

static void fuzz_name(const uint8_t *data, size_t size)
{
	bool service = size > 0 && (data[0] & 1);
	struct reject why = { 0 };

	if (size == 0)
		return;
	if (request_check_name((const char *)data + 1, (uint32_t)(size - 1), service, &why) !=
	    VERDICT_OK)
		return;
	require(size - 1 >= 1 && size - 1 <= VMSGIF_NAME_MAX);
	for (size_t i = 1; i < size; i++)
		require(data[i] > ' ' && data[i] < 0x7f && data[i] != '/' && data[i] != '%');
}

static void fuzz_directory(const uint8_t *data, size_t size)
{
	uint32_t refs[VMSGIF_POOL_PAGES_MAX], scratch[VMSGIF_POOL_PAGES_MAX];
	struct reject why = { 0 };
	uint16_t nr;

	fill(&nr, sizeof(nr), data, size);
	size = size < sizeof(nr) ? 0 : size - sizeof(nr);
	fill(refs, sizeof(refs), data + sizeof(nr), size);
	if (directory_check(refs, nr, scratch, &why) != VERDICT_OK)
		return;
	require(nr >= 1 && nr <= VMSGIF_POOL_PAGES_MAX);
	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int j = 0; j < i; j++)
			require(refs[i] != refs[j]);
}

struct text {
	const uint8_t *data;
	size_t size;
};

/* Each node is what comes next, up to a NUL; 0xff: absent. */
static int fetch(void *priv, const char *name, char out[NODE_VALUE_MAX])
{
	struct text *text = priv;
	size_t len = 0;

	while (len < text->size && text->data[len] != 0)
		len++;
	if (len > NODE_VALUE_MAX)
		return -E2BIG;
	memcpy(out, text->data, len);
	text->data += len < text->size ? len + 1 : len;
	text->size -= len < text->size ? len + 1 : len;
	return len > 0 && out[0] == '\xff' ? -ENOENT : (int)len;
}

static void fuzz_nodes(const uint8_t *data, size_t size)
{
	struct text text = { data, size };
	struct frontend_nodes nodes;
	struct node_reject why;
	int r = nodes_read_connect(fetch, &text, 1, 3, &nodes, &why);

	require(r == 0 || r == 1 || r == -EPROTO);
	if (r == 1)
		require(nodes.ring_order <= 3 && nodes.instance != 0 && nodes.evtchn != 0);
	text = (struct text){ data, size };
	r = nodes_read_state(fetch, &text, &why);
	require((r >= 1 && r <= 6) || r == -EPROTO || r == -ENOENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const uint8_t *, size_t) = {
		fuzz_request, fuzz_rx_request, fuzz_segments, fuzz_name, fuzz_directory, fuzz_nodes,
	};

	if (size > 0)
		targets[data[0] % (sizeof(targets) / sizeof(targets[0]))](data + 1, size - 1);
	return 0;
}
