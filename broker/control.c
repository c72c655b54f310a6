// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket. See control.h for the model.
 */
#include "broker/control.h"

#include "broker/broker.h"
#include "broker/drain.h"
#include "broker/explain.h"
#include "broker/metrics.h"
#include "broker/peer.h"
#include "broker/reload.h"
#include "broker/snapshot.h"
#include "common/list.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

struct connection {
	struct list link;
	struct control *control;
	sd_bus *bus;
};

struct control {
	sd_event *event;
	struct log *log;
	struct broker *broker; /* NULL: not served yet */
	char *path;
	int fd;
	sd_event_source *source;
	struct list connections;
	unsigned int nr_connections;
};

/* ------------------------------------------------------------------ the object */

static int starting(sd_bus_error *error)
{
	return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, "xenmsgd is still starting");
}

/* @append makes the answer, about @domain if it asks for one. */
static int reply_snapshot(struct control *control, sd_bus_message *call, sd_bus_error *error,
			  snapshot_fn append, const char *domain)
{
	sd_bus_message *reply = NULL;
	int r;

	if (!control->broker)
		return starting(error);
	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = append(reply, control->broker, domain);
	if (r >= 0)
		r = sd_bus_message_send(reply);
	sd_bus_message_unref(reply);
	return r;
}

static int on_status(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	return reply_snapshot(priv, call, error, snapshot_status, NULL);
}

static int on_domains(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	return reply_snapshot(priv, call, error, snapshot_domains, NULL);
}

static int on_pools(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	return reply_snapshot(priv, call, error, snapshot_pools, NULL);
}

static int on_flows(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	const char *domain;
	int r = sd_bus_message_read(call, "s", &domain);

	return r < 0 ? r : reply_snapshot(priv, call, error, snapshot_flows, domain);
}

static int reply_text(sd_bus_message *call, const char *text)
{
	return sd_bus_reply_method_return(call, "s", text);
}

/* Which port has the service now, or which service the port. */
static void look_up(struct question *q, const struct broker *broker)
{
	const struct name *name = name_find(&broker->route, q->to);
	const struct peer *peer = name ? name_peer(name) : NULL;
	const struct port *port;

	q->live = true;
	if (!peer)
		return;
	port = q->port ? port_find(peer, q->port) : port_find_service(peer, q->service);
	if (!port)
		return;
	q->port = port->number;
	if (port_service(port))
		snprintf(q->service, sizeof(q->service), "%s", port_service(port));
}

static int on_explain(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	struct control *control = priv;
	const char *from, *to, *port, *why;
	struct question q;
	char *text = NULL;
	size_t size;
	FILE *out;
	int r;

	r = sd_bus_message_read(call, "sss", &from, &to, &port);
	if (r < 0)
		return r;
	if (!control->broker)
		return starting(error);
	if (question_init(&q, from, to, port, &why) < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "one of them %s", why);
	look_up(&q, control->broker);
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	explain(out, control->broker->config, &q);
	r = fclose(out) == 0 ? reply_text(call, text) : -ENOMEM;
	free(text);
	return r;
}

static int on_metrics(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	struct control *control = priv;
	char *text = NULL;
	size_t size;
	FILE *out;
	int r;

	if (!control->broker)
		return starting(error);
	out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	r = metrics_write(out, control->broker);
	if (fclose(out) != 0)
		r = -ENOMEM;
	if (r >= 0)
		r = reply_text(call, text);
	free(text);
	return r;
}

static int on_drain(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	struct control *control = priv;
	const char *domain;
	int on, r;

	r = sd_bus_message_read(call, "sb", &domain, &on);
	if (r < 0)
		return r;
	if (!control->broker)
		return starting(error);
	if (drain_set(control->broker, domain, on) < 0)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS,
					 "no domain '%s' has an address", domain);
	return sd_bus_reply_method_return(call, "t",
					  on ? drain_left(control->broker, domain) : UINT64_C(0));
}

static int on_reload(sd_bus_message *call, void *priv, sd_bus_error *error)
{
	struct control *control = priv;
	char text[1024], line[sizeof(text) + 1];

	if (!control->broker)
		return starting(error);
	if (broker_reload(control->broker, text, sizeof(text)) < 0)
		return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, text);
	snprintf(line, sizeof(line), "%s\n", text);
	return reply_text(call, line);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Status", "", "sa{st}a(qussa{st})a(st)", on_status,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Domains", "", "a(qussa{st}asa(usutub))b", on_domains,
		      SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Pools", "", "a(usquususut)b", on_pools, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Flows", "s", "a(usususssutuutt)b", on_flows, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Metrics", "", "s", on_metrics, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Explain", "sss", "s", on_explain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Drain", "sb", "t", on_drain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", "", "s", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* ----------------------------------------------------------------- connections */

static void accept_more(struct control *control)
{
	sd_event_source_set_enabled(control->source, control->nr_connections < CONTROL_CONNECTIONS ?
							     SD_EVENT_ON :
							     SD_EVENT_OFF);
}

static void connection_free(struct connection *c)
{
	struct control *control = c->control;

	list_del(&c->link);
	control->nr_connections--;
	accept_more(control);
	sd_bus_detach_event(c->bus);
	sd_bus_close_unref(c->bus);
	free(c);
}

static int on_disconnected(sd_bus_message *m, void *priv, sd_bus_error *error)
{
	connection_free(priv);
	return 0;
}

/* @fd is taken over. */
static int connection_start(struct connection *c, int fd)
{
	sd_id128_t id;
	int r;

	r = sd_bus_set_fd(c->bus, fd, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	r = sd_id128_randomize(&id);
	if (r >= 0)
		r = sd_bus_set_server(c->bus, 1, id);
	if (r >= 0)
		r = sd_bus_set_anonymous(c->bus, 1);
	if (r >= 0)
		r = sd_bus_add_object_vtable(c->bus, NULL, CONTROL_OBJECT, CONTROL_INTERFACE,
					     vtable, c->control);
	if (r >= 0)
		r = sd_bus_match_signal(c->bus, NULL, NULL, "/org/freedesktop/DBus/Local",
					"org.freedesktop.DBus.Local", "Disconnected",
					on_disconnected, c);
	if (r >= 0)
		r = sd_bus_start(c->bus);
	if (r >= 0)
		r = sd_bus_attach_event(c->bus, c->control->event, SD_EVENT_PRIORITY_NORMAL);
	return r;
}

static int on_connect(sd_event_source *source, int listener, uint32_t events, void *priv)
{
	struct control *control = priv;
	struct connection *c;
	int fd, r;

	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return 0;
	c = calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		return 0;
	}
	c->control = control;
	list_init(&c->link);
	list_add_tail(&control->connections, &c->link);
	control->nr_connections++;
	accept_more(control);
	r = sd_bus_new(&c->bus);
	if (r < 0)
		close(fd);
	else
		r = connection_start(c, fd);
	if (r < 0) {
		log_write(control->log, LOG_WARNING, "control: connection refused: %s",
			  strerror(-r));
		connection_free(c);
	}
	return 0;
}

/* -------------------------------------------------------------------- the socket */

int control_new(struct control **out, sd_event *event, struct log *log, int fd, const char *path)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return -ENOMEM;
	list_init(&control->connections);
	control->event = sd_event_ref(event);
	control->log = log;
	control->fd = fd;
	r = 0;
	if (path) {
		control->path = strdup(path);
		r = control->path ? 0 : -ENOMEM;
	}
	if (r >= 0)
		r = sd_event_add_io(event, &control->source, control->fd, EPOLLIN, on_connect,
				    control);
	if (r < 0) {
		control->fd = -1;
		control_free(control);
		return r;
	}
	*out = control;
	return 0;
}

void control_serve(struct control *control, struct broker *broker)
{
	control->broker = broker;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (!list_empty(&control->connections))
		connection_free(list_first_entry(&control->connections, struct connection, link));
	sd_event_source_disable_unref(control->source);
	if (control->path)
		unlink(control->path);
	if (control->fd >= 0)
		close(control->fd);
	sd_event_unref(control->event);
	free(control->path);
	free(control);
}
