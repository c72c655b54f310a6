// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Xenstore access of the userspace frontend; see store.h.
 *
 * The one file of the frontend that calls libxenstore. What is read was
 * written by the broker's domain, which the guest has to trust with far more;
 * it is parsed strictly all the same, so that a mistake shows where it is.
 */
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

#include "common/num.h"

#define DEVICE "device/vmsg/0"
/* Node names are short, and XENSTORE_ABS_PATH_MAX is 3072. */
#define PATH_SIZE 3200
/* A conflict is rare and the writer makes progress; so many in a row are something else. */
#define TRANSACTION_TRIES 100

enum side { BACKEND, FRONTEND, HOST, LOCAL };
#define NONE UINT64_MAX

static const struct node {
	const char *name;
	enum side side;
	uint64_t min, max, def;
} nodes[] = {
#define VMSG_NODE(side, symbol, name, type, min, max, def, writer, text) \
	{ name, side, min, max, def },
#include "xenstore-schema/nodes.def"
};

int store_open(struct store *store)
{
	*store = (struct store){ .xs = xs_open(0) };
	return store->xs ? 0 : -errno;
}

void store_close(struct store *store)
{
	if (store->xs)
		xs_close(store->xs);
	free(store->backend);
	*store = (struct store){ 0 };
}

int store_fd(const struct store *store)
{
	return xs_fileno(store->xs);
}

static bool node_path(const struct store *store, enum store_node node, char path[PATH_SIZE])
{
	const char *dir = nodes[node].side == BACKEND ? store->backend : DEVICE;
	int n;

	n = snprintf(path, PATH_SIZE, "%s/%s", dir ? dir : "", nodes[node].name);
	return dir && n < PATH_SIZE;
}

/* The node's bytes, to be freed. */
static int read_node(const struct store *store, xs_transaction_t t, enum store_node node,
		     char **text, unsigned int *len)
{
	char path[PATH_SIZE];

	if (!node_path(store, node, path))
		return -ENOENT;
	*text = xs_read(store->xs, t, path, len);
	if (*text)
		return 0;
	/* From who may not read the parent, xenstored hides whether there is such a node. */
	return errno == EACCES ? -ENOENT : -errno;
}

static int get(const struct store *store, xs_transaction_t t, enum store_node node, uint64_t *value)
{
	const struct node *n = &nodes[node];
	unsigned int len;
	char *text;
	int r;

	r = read_node(store, t, node, &text, &len);
	if (r == -ENOENT && n->def != NONE) {
		*value = n->def;
		return 0;
	}
	if (r)
		return r;
	r = num_parse_u64(text, len, n->min, n->max, value);
	free(text);
	return r ? -EPROTO : 0;
}

int store_get(const struct store *store, enum store_node node, uint64_t *value)
{
	return get(store, XBT_NULL, node, value);
}

char *store_error(const struct store *store)
{
	unsigned int len;
	char *text;

	return read_node(store, XBT_NULL, BACKEND_ERROR, &text, &len) ? NULL : text;
}

static int watch(const struct store *store, const char *path)
{
	/* A second find_device() meets the watch it set before. */
	return xs_watch(store->xs, path, "vmsg") || errno == EEXIST ? 0 : -errno;
}

int store_find_device(struct store *store)
{
	char path[PATH_SIZE];
	unsigned int len;
	uint64_t id;
	char *text;
	int r;

	/* Watch first: a device that comes after the look will be seen. */
	r = watch(store, DEVICE "/backend");
	if (r)
		return r;
	r = read_node(store, XBT_NULL, FRONTEND_BACKEND, &text, &len);
	if (r)
		return r;
	if (!len || len > nodes[FRONTEND_BACKEND].max || strlen(text) != len) {
		free(text);
		return -EPROTO;
	}
	r = store_get(store, FRONTEND_BACKEND_ID, &id);
	if (r) {
		free(text);
		return r;
	}
	free(store->backend);
	store->backend = text;
	store->backend_id = (uint32_t)id;
	if (!node_path(store, BACKEND_STATE, path))
		return -EPROTO;
	return watch(store, path);
}

int store_take_events(struct store *store)
{
	char **event;
	int n = 0;

	/* Which node it was does not matter: whoever asks reads what there is now. */
	while ((event = xs_check_watch(store->xs))) {
		free(event);
		n = 1;
	}
	return errno == EAGAIN ? n : -errno;
}

static int put(const struct store *store, xs_transaction_t t, const char *name, int index,
	       uint64_t value)
{
	char path[PATH_SIZE], text[24];
	int n;

	if (index < 0)
		snprintf(path, sizeof(path), DEVICE "/%s", name);
	else
		snprintf(path, sizeof(path), DEVICE "/%s%d", name, index);
	n = snprintf(text, sizeof(text), "%" PRIu64, value);
	return xs_write(store->xs, t, path, text, (unsigned int)n) ? 0 : -errno;
}

int store_put_state(const struct store *store, enum xenbus_state state)
{
	return put(store, XBT_NULL, nodes[FRONTEND_STATE].name, -1, state);
}

static int put_refs(const struct store *store, xs_transaction_t t, enum store_node node,
		    const uint32_t *refs, unsigned int order)
{
	int i, r = 0;

	for (i = 0; !r && i < 1 << order; i++)
		r = put(store, t, nodes[node].name, i, refs[i]);
	return r;
}

static int put_offer(const struct store *store, xs_transaction_t t, const struct store_offer *offer)
{
	const struct {
		enum store_node node;
		uint64_t value;
	} values[] = {
		{ FRONTEND_VERSION, 1 },
		{ FRONTEND_EPOCH, offer->epoch },
		{ FRONTEND_INSTANCE, offer->instance },
		{ FRONTEND_RING_ORDER, offer->ring_order },
		{ FRONTEND_EVENT_CHANNEL, offer->evtchn },
		{ FRONTEND_ALIVE_REF, offer->alive_ref },
	};
	uint64_t state, epoch;
	unsigned int i;
	int r;

	/* Reading them here makes the transaction fail if they change meanwhile. */
	r = get(store, t, BACKEND_STATE, &state);
	if (!r)
		r = get(store, t, BACKEND_EPOCH, &epoch);
	if (r)
		return r;
	if (state != XenbusStateInitWait || epoch != offer->epoch)
		return -EAGAIN;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		r = put(store, t, nodes[values[i].node].name, -1, values[i].value);
		if (r)
			return r;
	}
	r = put_refs(store, t, FRONTEND_TX_RING_REF, offer->tx_refs, offer->ring_order);
	if (!r)
		r = put_refs(store, t, FRONTEND_RX_RING_REF, offer->rx_refs, offer->ring_order);
	if (!r)
		r = put(store, t, nodes[FRONTEND_STATE].name, -1, XenbusStateInitialised);
	return r;
}

int store_put_offer(const struct store *store, const struct store_offer *offer)
{
	xs_transaction_t t;
	int i, r;

	for (i = 0; i < TRANSACTION_TRIES; i++) {
		t = xs_transaction_start(store->xs);
		if (t == XBT_NULL)
			return -errno;
		r = put_offer(store, t, offer);
		if (r) {
			xs_transaction_end(store->xs, t, true);
			return r;
		}
		if (xs_transaction_end(store->xs, t, false))
			return 0;
		if (errno != EAGAIN)
			return -errno;
	}
	return -EBUSY;
}
