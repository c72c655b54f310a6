// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The symbols of libxenstore, without its thread: events are queued at once.
 */
#include <stdlib.h>
#include <string.h>

#include "xs.h"

static bool failed(int r)
{
	if (r)
		errno = -r;
	return r;
}

struct xs_handle *xs_open(unsigned long flags)
{
	struct sim_process *process = sim_call_open(SIM_CALL_XS_OPEN);
	struct xs_handle *xs;

	if (!process)
		return NULL;
	xs = sim_alloc(1, sizeof(*xs));
	xs->domid = process->domid;
	xs->fd = -1;
	xs->unwatch_filter = flags & XS_UNWATCH_FILTER;
	list_init(&xs->watches);
	list_init(&xs->events);
	list_init(&xs->txns);
	list_add_tail(&sim_xs_conns, &xs->conn);
	sim_handle_init(&xs->h, process, HANDLE_XS);
	if (!sim_call_end(process)) {
		sim_xs_handle_free(xs);
		return NULL;
	}
	return xs;
}

struct xs_handle *xs_daemon_open(void)
{
	return xs_open(0);
}

struct xs_handle *xs_domain_open(void)
{
	return xs_open(0);
}

struct xs_handle *xs_daemon_open_readonly(void)
{
	return xs_open(0);
}

/* xenstored loses the connection. */
void sim_xs_handle_kill(struct xs_handle *xs)
{
	struct xs_txn *txn, *next;

	list_for_each_safe(txn, next, &xs->txns, link)
		sim_xs_txn_free(txn);
	sim_xs_drop_watches(xs);
	list_del(&xs->conn);
}

void sim_xs_handle_free(struct xs_handle *xs)
{
	sim_xs_handle_kill(xs);
	sim_handle_fini(&xs->h);
	if (xs->fd >= 0)
		sim_fd_free(xs->fd);
	free(xs);
}

void xs_close(struct xs_handle *xs)
{
	if (xs)
		sim_xs_handle_free(xs);
}

void xs_daemon_close(struct xs_handle *xs)
{
	xs_close(xs);
}

int xs_fileno(struct xs_handle *xs)
{
	if (xs->fd < 0) {
		xs->fd = sim_fd_new();
		sim_fd_signal(xs->fd, !list_empty(&xs->events));
	}
	return xs->fd;
}

/* Find the transaction and the absolute path of a request: 0 or -errno. */
static int prepare(struct xs_handle *xs, xs_transaction_t t, const char *path, size_t payload,
		   struct xs_req *req, char *absolute)
{
	*req = (struct xs_req){ .domid = xs->domid };
	if (strlen(path) + 1 + payload > XENSTORE_PAYLOAD_MAX)
		return -E2BIG;
	if (t != XBT_NULL) {
		req->txn = sim_xs_txn_find(xs, t);
		if (!req->txn)
			return -ENOENT;
	}
	return sim_xs_absolute(xs->domid, path, false, absolute);
}

static int get(struct xs_handle *xs, xs_transaction_t t, const char *path, struct xs_node **node)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_req req;
	int r = prepare(xs, t, path, 0, &req, absolute);

	return r ? r : sim_xs_get_node(&req, absolute, XS_PERM_READ, node);
}

void *xs_read(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned int *len)
{
	struct xs_node *node;
	char *value = NULL;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_READ))
		return NULL;
	if (!failed(get(xs, t, path, &node))) {
		value = sim_alloc(node->len + 1, 1);
		memcpy(value, node->value, node->len);
		if (len)
			*len = node->len;
	}
	if (!sim_call_end(xs->h.process)) {
		free(value);
		return NULL;
	}
	return value;
}

/* One block: the array, then the names. */
static char **names_of(const struct xs_node *node, unsigned int *num)
{
	const struct xs_node *child;
	size_t count = 0, size = 0;
	char **names, *next;

	list_for_each(child, &node->with->children, link) {
		count++;
		size += strlen(child->name) + 1;
	}
	names = sim_alloc(1, count * sizeof(*names) + size + 1);
	next = (char *)(names + count);
	count = 0;
	list_for_each(child, &node->with->children, link) {
		names[count++] = next;
		next = stpcpy(next, child->name) + 1;
	}
	*num = (unsigned int)count;
	return names;
}

char **xs_directory(struct xs_handle *xs, xs_transaction_t t, const char *path, unsigned int *num)
{
	struct xs_node *node;
	char **names = NULL;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_DIRECTORY))
		return NULL;
	if (!failed(get(xs, t, path, &node)))
		names = names_of(node, num);
	if (!sim_call_end(xs->h.process)) {
		free(names);
		return NULL;
	}
	return names;
}

bool xs_write(struct xs_handle *xs, xs_transaction_t t, const char *path, const void *data,
	      unsigned int len)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_req req;
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_WRITE))
		return false;
	r = prepare(xs, t, path, len, &req, absolute);
	if (!r)
		r = sim_xs_write(&req, absolute, data, len);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

bool xs_mkdir(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_req req;
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_MKDIR))
		return false;
	r = prepare(xs, t, path, 0, &req, absolute);
	if (!r)
		r = sim_xs_mkdir(&req, absolute);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

bool xs_rm(struct xs_handle *xs, xs_transaction_t t, const char *path)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_req req;
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_RM))
		return false;
	r = prepare(xs, t, path, 0, &req, absolute);
	if (!r)
		r = sim_xs_remove(&req, absolute);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

struct xs_permissions *xs_get_permissions(struct xs_handle *xs, xs_transaction_t t,
					  const char *path, unsigned int *num)
{
	struct xs_permissions *perms = NULL;
	struct xs_node *node;
	unsigned int i;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_GET_PERMS))
		return NULL;
	if (!failed(get(xs, t, path, &node))) {
		perms = sim_alloc(node->perms.n, sizeof(*perms));
		for (i = 0; i < node->perms.n; i++) {
			perms[i].id = node->perms.p[i].id;
			perms[i].perms = node->perms.p[i].perms;
		}
		*num = node->perms.n;
	}
	if (!sim_call_end(xs->h.process)) {
		free(perms);
		return NULL;
	}
	return perms;
}

static int set_perms(struct xs_handle *xs, xs_transaction_t t, const char *path,
		     const struct xs_permissions *perms, unsigned int n)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_perms list = { .n = n };
	struct xs_req req;
	unsigned int i;
	int r = prepare(xs, t, path, 0, &req, absolute);

	if (!r && !n)
		r = -EINVAL;
	if (r)
		return r;
	list.p = sim_alloc(n, sizeof(*list.p));
	for (i = 0; i < n; i++)
		list.p[i] = sim_xs_perm((domid_t)perms[i].id,
					perms[i].perms & (XS_PERM_READ | XS_PERM_WRITE));
	r = sim_xs_set_perms(&req, absolute, &list);
	sim_xs_perms_free(&list);
	return r;
}

bool xs_set_permissions(struct xs_handle *xs, xs_transaction_t t, const char *path,
			struct xs_permissions *perms, unsigned int num_perms)
{
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_SET_PERMS))
		return false;
	r = set_perms(xs, t, path, perms, num_perms);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

bool xs_watch(struct xs_handle *xs, const char *path, const char *token)
{
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_WATCH))
		return false;
	r = sim_xs_watch_add(xs, path, token);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

bool xs_unwatch(struct xs_handle *xs, const char *path, const char *token)
{
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_UNWATCH))
		return false;
	r = sim_xs_watch_rm(xs, path, token);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

/* One block, XS_WATCH_PATH and XS_WATCH_TOKEN. */
static char **event_strings(const struct xs_event *event)
{
	size_t path = strlen(event->path) + 1, token = strlen(event->token) + 1;
	char **strings = sim_alloc(1, 2 * sizeof(*strings) + path + token);

	strings[XS_WATCH_PATH] = memcpy(strings + 2, event->path, path);
	strings[XS_WATCH_TOKEN] = memcpy(strings[XS_WATCH_PATH] + path, event->token, token);
	return strings;
}

char **xs_check_watch(struct xs_handle *xs)
{
	struct xs_event *event;
	char **strings = NULL;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_CHECK_WATCH))
		return NULL;
	event = sim_xs_event_take(xs);
	if (event) {
		strings = event_strings(event);
		sim_xs_event_free(event);
	} else {
		errno = EAGAIN;
	}
	if (!sim_call_end(xs->h.process)) {
		free(strings);
		return NULL;
	}
	return strings;
}

/* The real one blocks; here there is nobody else to wait for. */
char **xs_read_watch(struct xs_handle *xs, unsigned int *num)
{
	char **strings = xs_check_watch(xs);

	if (strings)
		*num = 2;
	return strings;
}

xs_transaction_t xs_transaction_start(struct xs_handle *xs)
{
	xs_transaction_t id = XBT_NULL;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_START))
		return XBT_NULL;
	failed(sim_xs_txn_start(xs, &id));
	return sim_call_end(xs->h.process) ? id : XBT_NULL;
}

bool xs_transaction_end(struct xs_handle *xs, xs_transaction_t t, bool abandon)
{
	int r;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_END)) {
		r = errno;
		if (sim_handle_alive(&xs->h))
			sim_xs_txn_end(xs, t, true);
		errno = r;
		return false;
	}
	r = sim_xs_txn_end(xs, t, abandon);
	failed(r);
	return sim_call_end(xs->h.process) && !r;
}

char *xs_get_domain_path(struct xs_handle *xs, unsigned int domid)
{
	char *path;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_QUERY))
		return NULL;
	path = sim_format("/local/domain/%u", domid);
	if (!sim_call_end(xs->h.process)) {
		free(path);
		return NULL;
	}
	return path;
}

bool xs_is_domain_introduced(struct xs_handle *xs, unsigned int domid)
{
	struct domain *dom;

	if (!sim_call_begin(xs->h.process, SIM_CALL_XS_QUERY))
		return false;
	dom = sim_dom_find((domid_t)domid);
	return sim_call_end(xs->h.process) && dom && dom->state != SIM_DOMAIN_DYING;
}

/* Nothing is below "/" here, unlike for watches. */
bool xs_path_is_subpath(const char *parent, const char *child)
{
	size_t len = strlen(parent);

	return !strncmp(child, parent, len) && (!child[len] || child[len] == '/');
}
