/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps of random schedules: what is done to ports, pools and devices; see core-schedule.h. */
#include "tests/unit/core-schedule.h"

#include <check.h>
#include <string.h>

void schedule_unbind(unsigned int i, unsigned int p)
{
	struct wport *port = &schedule.dev[i].ports[p];

	if (port->state != BOUND && port->state != BINDING)
		return;
	memset(port->held, 0, sizeof(port->held));
	port->taint++;
	port->state = UNBINDING;
	ck_assert_int_eq(vmsg_unbind(schedule.dev[i].v, port->port, cookie_of(COOKIE_UNBIND, p)),
			 0);
}

static void do_bind(unsigned int i, unsigned int p)
{
	struct wport *port = &schedule.dev[i].ports[p];
	char service[60];

	if (port->state != UNBOUND)
		return;
	memset(service, 'x', sizeof(service));
	if (!vmsg_bind(schedule.dev[i].v, port->port, PORT_BASE + p, service, rnd(2) * rnd(60),
		       cookie_of(COOKIE_BIND, p)))
		port->state = BINDING;
}

static void do_pool(unsigned int i)
{
	unsigned int id = rnd(BROKER_POOLS), dst = rnd(DEVS), p = rnd(PORTS);
	struct wpool *pool = &schedule.dev[i].pools[id];

	if (pool->state == ON && !rnd(4)) {
		if (!vmsg_pool_del(schedule.dev[i].v, id, cookie_of(COOKIE_DEL, id)))
			pool->state = DELETING;
		return;
	}
	if (pool->state != NONE || dst == i)
		return;
	pool->port = p;
	pool->dst_dev = dst;
	pool->dst_port = rnd(PORTS);
	pool->addr = schedule.b.dev[dst].addr;
	if (!vmsg_pool_add(schedule.dev[i].v, schedule.dev[i].ports[p].port, id, pool->addr,
			   PORT_BASE + pool->dst_port, broker_directory(i, id), BROKER_POOL_PAGES,
			   cookie_of(COOKIE_ADD, id)))
		pool->state = ADDING;
}

static void do_new_instance(unsigned int i)
{
	struct wdev *d = &schedule.dev[i];

	vmsg_shutdown(d->v, -EHOSTDOWN);
	broker_peer_down(&schedule.b, i);
	for (unsigned int p = 0; p < PORTS; p++)
		d->ports[p].taint++; /* what was handed over completes with -EHOSTDOWN */
	for (unsigned int id = 0; id < BROKER_POOLS; id++)
		schedule_new_pool_memory(i, id);
	d->attach = true;
}

static void do_lookup(unsigned int i)
{
	char text[40];
	unsigned int len = 1 + rnd(40);

	memset(text, 'a' + (int)rnd(3), sizeof(text));
	if (rnd(2))
		vmsg_resolve_name(schedule.dev[i].v, text, len, cookie_of(COOKIE_OTHER, 0));
	else
		vmsg_subscribe(schedule.dev[i].v, text, len, rnd(2), cookie_of(COOKIE_OTHER, 0));
}

void schedule_step(void)
{
	unsigned int i = rnd(DEVS), p = rnd(PORTS), op = rnd(1000);

	if (op < 250)
		schedule_send(i);
	else if (op < 400)
		schedule_turn();
	else if (op < 550)
		schedule_poll_dev(&schedule.dev[i], rnd(20));
	else if (op < 680)
		schedule_recv(i, p, rnd(3));
	else if (op < 760)
		schedule_release(i, p);
	else if (op < 880)
		schedule_publish(&schedule.dev[i]);
	else if (op < 910)
		do_bind(i, p);
	else if (op < 915)
		schedule_unbind(i, p);
	else if (op < 950)
		do_pool(i);
	else if (op < 960)
		do_lookup(i);
	else if (op < 970)
		(void)(vmsg_arm(schedule.dev[i].v) &&
		       (schedule_poll_dev(&schedule.dev[i], 100), true));
	else if (op < 971)
		do_new_instance(i);
	else if (schedule.dev[i].attach)
		schedule_attach(i);
}
