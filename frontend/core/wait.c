/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* The list of ports that wait to send; see wait.h. */
#include "frontend/core/wait.h"

#include "frontend/core/tx.h"

/* Somebody waits now. */
static int told(struct vmsg *v)
{
	/* It may be for the answer to a SEND that is held back. */
	v->open = NULL;
	v->on_free |= VMSG_TODO_WAKE;
	return -EAGAIN;
}

int vmsg_wait(struct vmsg *v, struct vmsg_port *port, unsigned int why)
{
	if (!port->wait) {
		port->wait_prev = v->wait_last;
		port->wait_next = NULL;
		if (v->wait_last)
			v->wait_last->wait_next = port;
		else
			v->wait_first = port;
		v->wait_last = port;
	}
	port->wait |= (uint16_t)why;
	return told(v);
}

int vmsg_wait_control(struct vmsg *v)
{
	v->control_waits = true;
	return told(v);
}

int vmsg_wait_window(struct vmsg *v, struct vmsg_port *port, struct vmsg_window *window)
{
	/* Two threads of one endpoint can wait for two windows: then for any. */
	if (!(port->wait & VMSG_WAIT_WINDOW))
		port->wait_window = window;
	else if (port->wait_window != window)
		port->wait_window = NULL;
	return vmsg_wait(v, port, VMSG_WAIT_WINDOW);
}

int vmsg_wait_pages(struct vmsg *v, struct vmsg_port *port, unsigned int nr)
{
	/* And for two numbers of pages: for the smaller one. */
	if (!(port->wait & VMSG_WAIT_PAGES) || nr < port->wait_pages)
		port->wait_pages = (uint16_t)nr;
	return vmsg_wait(v, port, VMSG_WAIT_PAGES);
}

void vmsg_wait_cancel(struct vmsg *v, struct vmsg_port *port)
{
	if (!port->wait)
		return;
	if (port->wait_prev)
		port->wait_prev->wait_next = port->wait_next;
	else
		v->wait_first = port->wait_next;
	if (port->wait_next)
		port->wait_next->wait_prev = port->wait_prev;
	else
		v->wait_last = port->wait_prev;
	port->wait = 0;
}

static bool over(const struct vmsg *v, const struct vmsg_port *port)
{
	unsigned int why = port->wait;

	if (v->down)
		return true;
	if ((why & VMSG_WAIT_SLOTS) && vmsg_tx_room_caller(v))
		return true;
	if ((why & VMSG_WAIT_SHARE) && port->unanswered < v->share)
		return true;
	if ((why & VMSG_WAIT_WINDOW) &&
	    (!port->wait_window || port->wait_window->count < v->window))
		return true;
	if ((why & VMSG_WAIT_PAGES) && v->nr_tx_free >= port->wait_pages)
		return true;
	return (why & VMSG_WAIT_DRAIN) && !port->unanswered;
}

void vmsg_wait_wake(struct vmsg *v)
{
	struct vmsg_port *port = v->wait_first;

	v->todo &= ~VMSG_TODO_WAKE;
	if (v->control_waits && (v->down || vmsg_tx_room_caller(v))) {
		v->control_waits = false;
		v->params.ops->writable(v, NULL);
	}
	while (port) {
		struct vmsg_port *next = port->wait_next;

		if (over(v, port)) {
			vmsg_wait_cancel(v, port);
			v->params.ops->writable(v, port);
		}
		port = next;
	}
	if (!v->wait_first && !v->control_waits)
		v->on_free &= ~VMSG_TODO_WAKE;
}
