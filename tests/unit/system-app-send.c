// SPDX-License-Identifier: GPL-2.0-or-later
/* What the application sends, and the pools that it sends from; see system-app.h. */
#include "tests/unit/system-app.h"

#include "tests/unit/system-traffic.h"

#include <errno.h>

static void close_pool(struct app_pool *entry)
{
	xenmsg_pool_close(entry->pool);
	entry->pool = NULL;
}

static struct app_pool *find_pool(struct app *app, unsigned int from, const struct message_test *m)
{
	for (unsigned int i = 0; i < APP_POOLS; i++) {
		struct app_pool *entry = &app->pools[i];

		if (entry->pool && entry->from == from && entry->dst == m->dst &&
		    entry->number == m->number)
			return entry;
	}
	return NULL;
}

/* The port was not closed since it had been @closed times. */
static bool is_steady(const struct message_test *m, unsigned int closed)
{
	return closed % 2 == 0 && closed == m->dst->closed[m->number - MODEL_PORT(0)];
}

/* NULL: the message goes by copy, or the program is dead. */
static struct app_pool *open_pool(struct app *app, unsigned int from, struct message_test *m)
{
	struct app_pool *entry = &app->pools[sim_random_below(APP_POOLS)];
	unsigned int closed = m->dst->closed[m->number - MODEL_PORT(0)];
	struct app_pool made = {
		.dst = m->dst, .number = m->number, .from = from, .closed = closed
	};
	int r;

	if (entry->pool)
		close_pool(entry);
	r = xenmsg_pool_open(app->ports[from].port, m->dst->addr, m->number, APP_POOL_BYTES,
			     &made.pool, APP_PATIENCE);
	if (app_dead(app))
		return NULL;
	/* Everything may have changed meanwhile, but not this program. */
	if (r == 0) {
		require(!entry->pool, "a pool out of nowhere");
		*entry = made;
		return entry;
	}
	require(m->dst->ended || app->maps_fail || (r == -ECONNREFUSED && !is_steady(m, closed)),
		"%s cannot share a pool with %#x: %d", app->vm->name, m->dst->addr, r);
	return NULL;
}

static int send_mapped(struct app *app, unsigned int from, struct message_test *m,
		       unsigned int flags)
{
	struct app_pool *entry = find_pool(app, from, m);
	void *room;
	int r;

	if (!entry) {
		entry = open_pool(app, from, m);
		if (!entry) {
			m->map = false;
			return -EBUSY;
		}
	}
	r = xenmsg_pool_get(entry->pool, m->len, &room, flags);
	if (r == 0) {
		traffic_fill(room, m->len, m->key);
		r = xenmsg_pool_send(entry->pool, room, m->len, flags, &m->seq);
		if (r)
			xenmsg_pool_put(entry->pool, room);
	}
	if (app_dead(app))
		return r;
	if (r == -EHOSTDOWN) {
		/* A new broker reads the pool's directory again. */
		require(m->dst->ended || app->model->copies_fail ||
				entry->closed != m->dst->closed[m->number - MODEL_PORT(0)],
			"the pool for %#x is gone", m->dst->addr);
		close_pool(entry);
		m->map = false;
		return -EBUSY;
	}
	if (r == 0 && app_chance(3))
		close_pool(entry);
	return r;
}

static int send_copied(struct app *app, unsigned int from, struct message_test *m,
		       unsigned int flags)
{
	static char data[XENMSG_MESSAGE_MAX];

	traffic_fill(data, m->len, m->key);
	/* Only what nobody asks the number of goes in a batch. */
	return xenmsg_send(app->ports[from].port, m->dst->addr, m->number, data, m->len, flags,
			   m->unnumbered ? NULL : &m->seq);
}

/* Mostly whom the plan says, as it is now; sometimes one that is no more. */
static struct life *choose_life(struct app *app, const struct vm *vm)
{
	struct life *life = app_life_of(app->model, vm);

	if (!app_chance(5))
		return life;
	for (unsigned int i = 0; i < app->model->nr_lives; i++)
		if (app->model->lives[i].vm == vm && app->model->lives[i].ended)
			return &app->model->lives[i];
	return life;
}

/* *@run: more are to follow at once. */
static bool send_one(struct app *app, unsigned int i, bool *run)
{
	struct app_port *port = &app->ports[i];
	unsigned int flags = XENMSG_NONBLOCK;
	struct message_test *m = NULL;
	int r;

	*run = false;
	if (!port->port || !port->may_send)
		return false;
	while (port->next < app->model->nr_messages) {
		m = &app->model->messages[port->next];
		if (!m->sent && m->from == app->vm && m->src_port == MODEL_PORT(i))
			break;
		port->next++;
	}
	if (!m || port->next == app->model->nr_messages)
		return false;
	m->dst = choose_life(app, m->to);
	if (!m->dst)
		return false;
	if (m->confirm)
		flags |= XENMSG_CONFIRM;
	if (m->run || app_chance(20))
		flags |= XENMSG_LAZY;
	r = m->map && m->len ? send_mapped(app, i, m, flags) : -EBUSY;
	if (r == -EBUSY && !app_dead(app)) {
		m->map = false;
		r = send_copied(app, i, m, flags);
	}
	if (r == 0) {
		m->src = app->life;
		model_sent(app->model, m);
		*run = m->run;
		return true;
	}
	if (app_dead(app))
		return true;
	require(r == -EAGAIN, "%s cannot send %u bytes to %#x: %d", app->vm->name, m->len,
		m->dst->addr, r);
	port->may_send = false;
	return false;
}

bool app_send(struct app *app, unsigned int i)
{
	bool any = false, run = true;

	while (run && send_one(app, i, &run))
		any = true;
	return any;
}
