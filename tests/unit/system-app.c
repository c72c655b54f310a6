// SPDX-License-Identifier: GPL-2.0-or-later
/* See system-app.h. */
#include "tests/unit/system-app.h"

#include "tests/unit/system-traffic.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

bool app_dead(const struct app *app)
{
	return sim_process_dead(app->vm->process);
}

void app_init(struct app *app, struct model *model, struct vm *vm,
	      const struct xenmsg_options *options)
{
	*app = (struct app){ .model = model, .vm = vm, .options = *options };
	app->options.lock = vm->lock;
	app->options.socket = vm->socket;
	app->options.timeout = APP_PATIENCE;
}

void app_ended(struct app *app)
{
	if (app->life)
		app->life->ended = true;
	app->life = NULL;
	app->nr_held = 0;
	app->quit = app->flush = false;
	memset(app->pools, 0, sizeof(app->pools));
	for (unsigned int i = 0; i < MODEL_PORTS; i++)
		app->ports[i].port = NULL;
}

struct life *app_life_of(struct model *model, const struct vm *vm)
{
	struct life *life = NULL;

	for (unsigned int i = 0; i < model->nr_lives; i++)
		if (model->lives[i].vm == vm)
			life = &model->lives[i];
	return life;
}

/* ------------------------------------------------------------ opening, closing */

static void may_do_all(struct app *app)
{
	app->may_have_events = true;
	for (unsigned int i = 0; i < MODEL_PORTS; i++)
		app->ports[i].may_have = app->ports[i].may_send = true;
}

static int open_port(struct app *app, unsigned int i)
{
	struct xenmsg_bind bind = { .size = sizeof(bind) };
	struct xenmsg_port *port;
	int r;

	bind.buffer = app_chance(30) ? XENMSG_MESSAGE_MAX + 64 : 0;
	bind.service = app_chance(50) ? (i ? "one" : "zero") : NULL;
	r = xenmsg_port_open(app->vm->x, MODEL_PORT(i), &bind, &port);
	if (!r)
		app->ports[i].port = port;
	return r;
}

static void open_device(struct app *app)
{
	struct vm *vm = app->vm;
	int r = xenmsg_open(&vm->x, &app->options);

	if (r)
		vm->x = NULL;
	for (unsigned int i = 0; !r && i < MODEL_PORTS; i++)
		r = open_port(app, i);
	if (app_dead(app))
		return;
	require(r == 0, "%s cannot open its device: %d %s", vm->name, r,
		vm->x ? xenmsg_reason(vm->x) : "");
	app->life = model_life(app->model, vm, xenmsg_address(vm->x));
	app->life->ended = app->quit;
	may_do_all(app);
}

static void quit(struct app *app)
{
	xenmsg_close(app->vm->x);
	app->vm->x = NULL;
}

bool app_has_quit(const struct app *app)
{
	return app->quit && !app->vm->busy && !app->vm->x;
}

/* ------------------------------------------------------------------- receiving */

static void release(struct app *app, unsigned int i)
{
	xenmsg_release(app->held[i]);
	app->nr_held--;
	app->held[i] = app->held[app->nr_held];
	app->held_at[i] = app->held_at[app->nr_held];
}

static bool receive(struct app *app, unsigned int i)
{
	struct app_port *port = &app->ports[i];
	struct xenmsg_msg *msg;
	int r;

	if (!port->port || !port->may_have || sim_now() < port->stalled_until)
		return false;
	r = xenmsg_recv(port->port, &msg, 0);
	if (app_dead(app))
		return true;
	if (r == -EAGAIN) {
		port->may_have = false;
		return false;
	}
	require(r == 0, "%s cannot receive: %d %s", app->vm->name, r, xenmsg_reason(app->vm->x));
	model_received(app->model, app->life, MODEL_PORT(i), msg);
	if (app->nr_held == APP_HELD)
		release(app, (unsigned int)sim_random_below(APP_HELD));
	app->held_at[app->nr_held] = i;
	app->held[app->nr_held++] = msg;
	if (app_chance(60))
		release(app, app->nr_held - 1);
	return true;
}

static bool take_event(struct app *app)
{
	struct xenmsg_event event;

	if (!app->may_have_events)
		return false;
	if (xenmsg_event(app->vm->x, &event)) {
		app->may_have_events = false;
		return false;
	}
	model_event(app->model, app->life, &event);
	return true;
}

/* Takes all that is there and keeps nothing. False: it died. */
static bool receive_all(struct app *app)
{
	for (unsigned int i = 0; i < MODEL_PORTS; i++) {
		app->ports[i].may_have = true;
		while (receive(app, i))
			if (app_dead(app))
				return false;
	}
	while (app->nr_held) {
		release(app, app->nr_held - 1);
		if (app_dead(app))
			return false;
	}
	return true;
}

static void flush(struct app *app)
{
	uint64_t until = sim_now() + APP_PATIENCE * 1000000ull;
	int r;

	/* Two who hold each other's mapped messages must not both wait for their answers. */
	do {
		if (!receive_all(app))
			return;
		r = xenmsg_flush(app->vm->x, 50);
		if (app_dead(app))
			return;
	} while (r == -ETIMEDOUT && sim_now() < until);
	require(r != -ETIMEDOUT, "%s waits for answers for ever", app->vm->name);
	app->may_have_events = true;
	while (take_event(app))
		;
	model_flushed(app->model, app->life);
	app->flush = false;
}

static bool release_one(struct app *app)
{
	if (!app->nr_held)
		return false;
	release(app, (unsigned int)sim_random_below(app->nr_held));
	return true;
}

/* ----------------------------------------------------------- ports and names */

/* Whatever was received there and not released is gone with it. */
static void close_port(struct app *app, unsigned int i)
{
	struct app_port *port = &app->ports[i];
	struct xenmsg_port *closed = port->port;

	for (unsigned int n = app->nr_held; n--;)
		if (app->held_at[n] == i) {
			app->nr_held--;
			app->held[n] = app->held[app->nr_held];
			app->held_at[n] = app->held_at[app->nr_held];
		}
	for (unsigned int n = 0; n < APP_POOLS; n++)
		if (app->pools[n].from == i)
			app->pools[n].pool = NULL;
	model_port_closed(app->life, MODEL_PORT(i));
	port->port = NULL;
	port->open_in = 1 + (unsigned int)sim_random_below(30);
	xenmsg_port_close(closed);
}

static bool close_or_open(struct app *app)
{
	unsigned int i = (unsigned int)sim_random_below(MODEL_PORTS);
	int r;

	if (app->ports[i].port) {
		if (app->calm || !app_chance(1))
			return false;
		close_port(app, i);
		return true;
	}
	if (!app->calm && --app->ports[i].open_in)
		return true;
	r = open_port(app, i);
	if (app_dead(app))
		return true;
	require(r == 0, "%s cannot bind port %u: %d", app->vm->name, MODEL_PORT(i), r);
	model_port_closed(app->life, MODEL_PORT(i));
	app->ports[i].may_have = app->ports[i].may_send = true;
	return true;
}

/* Look-ups and subscriptions; what comes of them is seen to when it comes. */
static bool ask(struct app *app)
{
	const struct world *w = app->vm->world;
	const struct vm *vm = &w->vms[sim_random_below(w->nr_vms)];
	char name[XENMSG_NAME_MAX + 16];
	const struct life *life = app_life_of(app->model, vm);
	uint32_t addr, number;
	int r;

	if (app->calm || !app_chance(2) || !life)
		return false;
	switch (sim_random_below(4)) {
	case 0:
		r = xenmsg_subscribe(app->vm->x, vm->name);
		require(r == 0 || app_dead(app), "%s cannot subscribe: %d", app->vm->name, r);
		break;
	case 1:
		r = xenmsg_resolve(app->vm->x, vm->name, &addr, NULL, APP_PATIENCE);
		if (app_dead(app))
			break;
		require(r == 0 || life->ended, "%s does not find %s: %d", app->vm->name, vm->name,
			r);
		require(r || life->ended || addr == life->addr, "%s finds %#x for %s",
			app->vm->name, addr, vm->name);
		break;
	case 2:
		(void)snprintf(name, sizeof(name), "one@%s", vm->name);
		r = xenmsg_resolve(app->vm->x, name, &addr, &number, APP_PATIENCE);
		require(r == 0 || r == -EHOSTUNREACH || app_dead(app), "%s looks for %s: %d",
			app->vm->name, name, r);
		require(r || app_dead(app) || number == MODEL_PORT(1), "%s is port %u", name,
			number);
		break;
	default:
		r = xenmsg_name(app->vm->x, life->addr, name, APP_PATIENCE);
		if (app_dead(app))
			break;
		require(r == 0 || life->ended, "%s does not know who %#x is: %d", app->vm->name,
			life->addr, r);
		require(r || !strcmp(name, vm->name), "%#x is not %s", life->addr, name);
		break;
	}
	return true;
}

/* ------------------------------------------------------------------------ turn */

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static bool do_one(struct app *app, unsigned int what)
{
	switch (what) {
	case 0:
	case 1:
		return receive(app, what);
	case 2:
	case 3:
		return app_send(app, what - 2);
	case 4:
		return take_event(app);
	case 5:
		return close_or_open(app);
	case 6:
		return ask(app);
	default:
		return app_chance(20) && release_one(app);
	}
}

static bool app_turn(void *arg)
{
	struct app *app = arg;
	unsigned int first;
	int r;

	if (!app->vm->x) {
		if (app->quit)
			return false;
		open_device(app);
		return true;
	}
	if (!app->life)
		return false;
	if (app->quit) {
		quit(app);
		return true;
	}
	if (app->flush) {
		flush(app);
		return true;
	}
	if (readable(xenmsg_fd(app->vm->x))) {
		r = xenmsg_dispatch(app->vm->x);
		require(r == 0 || app_dead(app), "%s lost its device: %s", app->vm->name,
			xenmsg_reason(app->vm->x));
		may_do_all(app);
		return true;
	}
	first = (unsigned int)sim_random_below(8);
	for (unsigned int i = 0; i < 8; i++) {
		if (do_one(app, (first + i) % 8))
			return true;
		if (app_dead(app))
			return true;
	}
	return release_one(app);
}

void app_start(struct app *app)
{
	app->vm->x = NULL;
	vm_start(app->vm, app_turn, app);
}
