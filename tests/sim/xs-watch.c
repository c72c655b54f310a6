// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Watches (tools/xenstore/xenstored_watch.c) and the queue of their events,
 * which libxenstore keeps in the program, without a bound.
 */
#include <stdlib.h>
#include <string.h>

#include "xs.h"

struct list sim_xs_conns = { &sim_xs_conns, &sim_xs_conns };

static void queue(struct xs_handle *xs, const struct xs_watch *watch, const char *path)
{
	struct xs_event *event = sim_alloc(1, sizeof(*event));

	path += watch->relative;
	event->path = sim_strdup(path);
	event->token = sim_strdup(watch->token);
	list_add_tail(&xs->events, &event->link);
	if (xs->fd >= 0)
		sim_fd_signal(xs->fd, true);
}

/*
 * An event may go to who can read the node, could read it before, or can read
 * the one above it (watch_permitted()).
 */
static bool permitted(domid_t domid, const struct xs_change *change)
{
	struct xs_node *node = sim_xs_find(sim_xs_root, change->path);
	char above[XS_PATH_MAX + 1];

	if (!domid)
		return true;
	if (change->perms.n && (sim_xs_allowed(domid, &change->perms) & XS_PERM_READ))
		return true;
	if (node && (sim_xs_allowed(domid, &node->perms) & XS_PERM_READ))
		return true;
	strcpy(above, change->path);
	sim_xs_parent_path(above);
	node = sim_xs_find(sim_xs_root, above);
	return node && (sim_xs_allowed(domid, &node->perms) & XS_PERM_READ);
}

static bool concerns(const struct xs_watch *watch, const struct xs_change *change)
{
	if (change->exact)
		return !strcmp(watch->path, change->path);
	return sim_xs_is_below(change->path, watch->path);
}

static void fire_one(const struct xs_change *change)
{
	struct xs_handle *xs;
	struct xs_watch *watch;

	list_for_each(xs, &sim_xs_conns, conn)
		list_for_each(watch, &xs->watches, link)
			if (concerns(watch, change) && permitted(xs->domid, change))
				queue(xs, watch, change->path);
}

/* Tell the watchers, and free the list. */
void sim_xs_fire(struct list *changes)
{
	struct xs_change *change, *next;

	list_for_each_safe(change, next, changes, link) {
		fire_one(change);
		list_del(&change->link);
		sim_xs_perms_free(&change->perms);
		free(change->path);
		free(change);
	}
}

/* Special events are for domain 0 alone, unless somebody changed that. */
void sim_xs_event(const char *name)
{
	struct xs_handle *xs;
	struct xs_watch *watch;

	list_for_each(xs, &sim_xs_conns, conn)
		list_for_each(watch, &xs->watches, link)
			if (!xs->domid && !strcmp(watch->path, name))
				queue(xs, watch, name);
}

void sim_xs_spurious(void)
{
	struct xs_handle *xs;
	struct xs_watch *watch;

	list_for_each(xs, &sim_xs_conns, conn)
		list_for_each(watch, &xs->watches, link)
			queue(xs, watch, watch->path);
}

unsigned int sim_xs_watches(domid_t domid)
{
	struct xs_handle *xs;
	struct xs_watch *watch;
	unsigned int count = 0;

	list_for_each(xs, &sim_xs_conns, conn)
		if (xs->domid == domid)
			list_for_each(watch, &xs->watches, link)
				count++;
	return count;
}

static struct xs_watch *find_watch(struct xs_handle *xs, const char *path, const char *token)
{
	struct xs_watch *watch;

	list_for_each(watch, &xs->watches, link)
		if (!strcmp(watch->path, path) && !strcmp(watch->token, token))
			return watch;
	return NULL;
}

/* A new watch fires once, whether there is a node or not. */
int sim_xs_watch_add(struct xs_handle *xs, const char *path, const char *token)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_watch *watch;
	int r = sim_xs_absolute(xs->domid, path, true, absolute);

	if (r)
		return r;
	if (find_watch(xs, absolute, token))
		return -EEXIST;
	if (xs->domid && sim_xs_watches(xs->domid) >= sim_world->config.xs_watches)
		return -E2BIG;

	watch = sim_alloc(1, sizeof(*watch));
	watch->path = sim_strdup(absolute);
	watch->token = sim_strdup(token);
	watch->relative = strlen(absolute) - strlen(path);
	list_add_tail(&xs->watches, &watch->link);
	queue(xs, watch, watch->path);
	return 0;
}

static void free_watch(struct xs_watch *watch)
{
	list_del(&watch->link);
	free(watch->path);
	free(watch->token);
	free(watch);
}

void sim_xs_event_free(struct xs_event *event)
{
	list_del(&event->link);
	free(event->path);
	free(event->token);
	free(event);
}

static void update_fd(struct xs_handle *xs)
{
	if (xs->fd >= 0)
		sim_fd_signal(xs->fd, !list_empty(&xs->events));
}

/*
 * Events that are queued already stay, unless the handle was opened with
 * XS_UNWATCH_FILTER.
 */
int sim_xs_watch_rm(struct xs_handle *xs, const char *path, const char *token)
{
	char absolute[XS_PATH_MAX + 1];
	struct xs_event *event, *next;
	struct xs_watch *watch;
	int r = sim_xs_absolute(xs->domid, path, true, absolute);

	if (r)
		return r;
	watch = find_watch(xs, absolute, token);
	if (!watch)
		return -ENOENT;
	free_watch(watch);
	if (xs->unwatch_filter)
		list_for_each_safe(event, next, &xs->events, link)
			if (!strcmp(event->token, token) && xs_path_is_subpath(path, event->path))
				sim_xs_event_free(event);
	update_fd(xs);
	return 0;
}

/* The next event, removed from the queue; NULL if there is none. */
struct xs_event *sim_xs_event_take(struct xs_handle *xs)
{
	struct xs_event *event = list_first(&xs->events, struct xs_event, link);

	if (event) {
		list_del(&event->link);
		update_fd(xs);
	}
	return event;
}

/* The connection ends. */
void sim_xs_drop_watches(struct xs_handle *xs)
{
	struct xs_watch *watch, *next_watch;
	struct xs_event *event, *next_event;

	list_for_each_safe(watch, next_watch, &xs->watches, link)
		free_watch(watch);
	list_for_each_safe(event, next_event, &xs->events, link)
		sim_xs_event_free(event);
	update_fd(xs);
}
