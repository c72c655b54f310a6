/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of libxenmsg share.
 *
 * Model. A struct xenmsg drives the userspace frontend (frontend/user) and its
 * engine (frontend/core). The engine calls back from inside of engine calls;
 * the callbacks only note what happened - in the table of sent messages, in
 * calls that wait, in the ring of events, in counters - and the function of the
 * API that is being called looks at these notes. Nothing is allocated per
 * message: sent messages live in a table as large as the ring, handles of
 * received ones in a list of their port that only grows.
 *
 * Every function of the API that waits is a loop of: try, take in what was
 * published, sleep (lib_wait()).
 *
 * The application's file descriptor. It is readable when the driver has
 * something to do, or when a function other than xenmsg_dispatch() and
 * xenmsg_wait() came across something for another port or an event: these two
 * tell the application to look everywhere, other functions do not.
 */
#ifndef XENMSG_FRONT_H
#define XENMSG_FRONT_H

#include "common/list.h"
#include "common/macros.h"
#include "frontend/lib/event.h"
#include "frontend/user/user.h"
#include "xenmsg.h"

/* Unanswered SENDs: as many as a ring has slots. */
#define LIB_SENT_MAX VMSGIF_RING_SLOTS(VMSGIF_MAX_RING_ORDER)

/* A message that was handed to the engine and is not answered. */
struct sent {
	struct xenmsg_port *port;
	struct xenmsg_pool *pool; /* map mode */
	uint64_t seq;
	uint32_t addr;
	uint32_t number;
	uint16_t head; /* map mode: first page of its room */
	uint16_t next; /* of the free ones */
	bool confirm;
};

/* A control request that is under way. */
struct call {
	struct list link; /* in xenmsg.calls, as long as it is under way */
	uint64_t cookie;
	bool done;
	struct vmsg_answer answer;
	/* For the name of an address, which comes on its own. */
	uint32_t addr;
	char *name; /* XENMSG_NAME_MAX + 1 bytes; NULL: not wanted */
	bool named;
};

struct xenmsg {
	struct user *user;
	struct vmsg *v;
	int timeout; /* for calls that have none of their own */

	struct list ports; /* also those being closed */
	struct list pools;
	unsigned int nr_closing; /* ports and pools being closed */
	struct list calls;
	uint64_t cookie; /* of the last call */

	struct sent sent[LIB_SENT_MAX];
	unsigned int nr_sent;
	uint16_t free_sent;
	int failure; /* the first one since the last xenmsg_flush() */

	struct event_ring events;

	uint64_t progress;	       /* counts callbacks: somebody who waits may go on */
	struct xenmsg_port *receiving; /* whose messages are asked for right now */
	bool polled;		       /* the application has our file descriptor */
	bool unreported;	       /* something came that the application was not told of */
	bool signalled;		       /* event_fd is readable for that */
	int epoll_fd;		       /* the application's: over the driver's and event_fd */
	int event_fd;
};

enum port_state {
	PORT_BINDING, /* bind is under way */
	PORT_OPEN,
	PORT_UNBIND,	/* closing: to be unbound, once bind is answered */
	PORT_UNBINDING, /* closing: unbind is under way */
	PORT_DRAINING,	/* closing: unbound; messages are not answered yet */
};

struct xenmsg_msg {
	struct xenmsg_msg *next; /* of the free ones */
	struct xenmsg_port *port;
	struct vmsg_msg *msg;
	struct vmsg_info info;
};

struct msg_block;

struct xenmsg_port {
	struct xenmsg *x;
	struct list link;
	struct vmsg_port *engine;
	void *memory;
	uint32_t number;
	enum port_state state;
	struct call call; /* bind or unbind */
	unsigned int nr_sent;
	struct xenmsg_msg *free_msgs;
	struct msg_block *blocks;
};

struct xenmsg_pool {
	struct xenmsg *x;
	struct xenmsg_port *port;
	struct list link;
	struct user_pool *memory;
	char *va;
	unsigned int id;
	uint32_t addr, number;
	unsigned int nr_pages;
	unsigned int next; /* page to look for room from */
	uint16_t *head;	   /* per page: the first page of the room it belongs to */
	bool *busy;	   /* per first page: its room is sent and not answered */
	unsigned int nr_sent;
	bool added;   /* the broker knows it */
	bool gone;    /* the receiver let go of it */
	bool closing; /* call is its POOL_DEL, or comes first */
	bool asked;   /* closing: POOL_DEL is under way */
	struct call call;
};

/* front.c */
/* Sleep until something happens. 0; -ETIMEDOUT at @deadline; -EHOSTDOWN: gone. */
int lib_wait(struct xenmsg *x, uint64_t deadline);
/*
 * Before returning to the application, after publishing (which may take things
 * in) or taking things in: its descriptor has to wake it for what is left.
 */
void lib_leave(struct xenmsg *x);
/* Something came up that only xenmsg_dispatch() and xenmsg_wait() report. */
static inline void lib_note(struct xenmsg *x)
{
	x->unreported = true;
}

/* callback.c */
void lib_callbacks(struct user_params *params);

/* call.c */
/*
 * Start a request by @start, which returns what the engine says, and wait for
 * its answer. Returns its status, or why there is none; after -ETIMEDOUT the
 * answer is ignored, unless the caller keeps @call listed (@keep).
 */
int call_run(struct xenmsg *x, struct call *call,
	     int (*start)(struct xenmsg *x, void *arg, uint64_t cookie), void *arg,
	     uint64_t deadline, bool keep);
/* List it and give it a cookie; call_end() when the engine refuses or it is done. */
void call_begin(struct xenmsg *x, struct call *call);
void call_end(struct call *call);

/* endpoint.c */
/* Go on with closing it; frees it if that is over. */
void port_close_step(struct xenmsg_port *port);
/* Memory of it, without a word to the engine. */
void port_free(struct xenmsg_port *port);

/* recv.c */
void msgs_free(struct xenmsg_port *port);

/* send.c */
void sent_init(struct xenmsg *x);
/*
 * Post it and note it down, waiting for room unless @flags say no. @pool and
 * @head for map mode. Publishes nothing.
 */
int send_post(struct xenmsg_port *port, struct vmsg_send *send, unsigned int flags,
	      struct xenmsg_pool *pool, uint16_t head, uint64_t *seq);
/* Publish, and go back to the application; @stuck: there was no room. */
void send_leave(struct xenmsg *x, bool stuck);
/* After -EAGAIN. 0: something has changed, try again; or -EAGAIN, -EHOSTDOWN. */
int make_room(struct xenmsg *x, unsigned int flags);

/* buffer.c */
#define NO_PAGE UINT16_MAX
/*
 * Pages for @len bytes: *@nr of them, and behind them one more for their list
 * if it does not fit the slot, or NO_PAGE.
 */
int pages_get(struct xenmsg_port *port, size_t len, unsigned int flags, uint16_t *pages,
	      unsigned int *nr);
void pages_put(struct xenmsg_port *port, unsigned int nr, const uint16_t *pages);

/* share.c */
void pool_close_step(struct xenmsg_pool *pool);
void pool_destroy(struct xenmsg_pool *pool);
/* The room at page @head is the sender's again. */
void pool_put_room(struct xenmsg_pool *pool, unsigned int head);

#endif /* XENMSG_FRONT_H */
