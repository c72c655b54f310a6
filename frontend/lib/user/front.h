/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The transport over the userspace frontend: what its files share.
 *
 * Model. A struct front drives the userspace frontend (frontend/user) and its
 * engine (frontend/core). The engine calls back from inside of engine calls;
 * the callbacks only note what happened - in the table of sent messages, in
 * calls that wait, in the ring of events, in counters - and the function of the
 * transport that is being called looks at these notes. Nothing is allocated per
 * message: of most sent messages the engine alone knows, for the others there is
 * a table as large as the ring, and handles of received ones are in a list of
 * their port that only grows.
 *
 * Every function that waits is a loop of: try, take in what was published,
 * sleep (front_await()).
 *
 * The application's file descriptor. It is readable when the driver has
 * something to do, or for what functions came across; see notice.h.
 */
#ifndef XENMSG_FRONT_H
#define XENMSG_FRONT_H

#include "common/list.h"
#include "common/macros.h"
#include "frontend/lib/notice.h"
#include "frontend/lib/room.h"
#include "frontend/lib/transport.h"
#include "frontend/user/user.h"

/* Unanswered SENDs: as many as a ring has slots. */
#define SENT_MAX VMSGIF_RING_SLOTS(VMSGIF_MAX_RING_ORDER)

/* A message that the application, or a pool, is to hear of when it is answered. */
struct sent {
	struct front_pool *pool; /* map mode */
	uint64_t seq;
	uint32_t addr;
	uint32_t number;
	uint16_t head; /* map mode: first page of its room */
	uint16_t more; /* the same: messages that were joined to it, in the rooms behind */
	uint16_t next; /* of the free ones */
	bool confirm;
};

/* In place of a page's number. */
#define NO_PAGE UINT16_MAX

/* Pages of the longest batch. */
#define BATCH_PAGES (VMSGIF_BATCH_BYTES / VMSGIF_PAGE_SIZE)

/* Pages of the driver that follow each other, at most VMSG_RUN_PAGES: so is their memory. */
struct page_run {
	uint16_t first, nr;
};

/* Lazy messages that are to go together, and were not handed to the engine yet; see batch.c. */
struct batch {
	struct list link; /* in front.batches, if there is one */
	uint32_t addr, number;
	uint32_t each; /* bytes of a message; 0: there is none */
	uint32_t most; /* bytes of all, at most */
	uint32_t step; /* bytes in a page: all; or those of a message, each in its own */
	/*
	 * Messages that just go behind the last one; or bring a page that does, without a
	 * list of them. Neither makes it full.
	 */
	uint32_t fit, pages_fit;
	uint32_t before;	  /* bytes of messages that are not from begin to next */
	char *begin, *next, *end; /* in a run: where the next message goes, and where it is full */
	uint16_t nr_pages;
	uint16_t nr_runs, begun; /* runs; those that were written to: next is in the last of them */
	uint16_t list_page;	 /* with more pages than a slot has room for; or NO_PAGE */
	struct page_run runs[BATCH_PAGES];
};

/* A control request that is under way. */
struct call {
	struct list link; /* in front.calls, as long as it is under way */
	uint64_t cookie;
	bool done;
	struct vmsg_answer answer;
	/* For the name of an address, which comes on its own. */
	uint32_t addr;
	char *name; /* XENMSG_NAME_MAX + 1 bytes; NULL: not wanted */
	bool named;
};

struct front {
	struct xenmsg base;
	struct user *user;
	struct vmsg *v;

	struct list ports; /* also those being closed */
	struct list pools;
	unsigned int nr_closing; /* ports and pools being closed */
	struct list calls;
	uint64_t cookie; /* of the last call */

	struct list batches;		     /* of ports */
	bool batched[VMSGIF_POOL_PAGES_MAX]; /* whether a page is in one */
	struct sent sent[SENT_MAX];
	uint16_t free_sent;
	int failure; /* the first one since the last xenmsg_flush() */

	uint64_t progress;	      /* counts callbacks: somebody who waits may go on */
	struct front_port *receiving; /* whose messages are asked for right now */
	int epoll_fd;		      /* the application's: over the driver's and the notice's */
	struct notice notice;
};

enum port_state {
	PORT_BINDING, /* bind is under way */
	PORT_OPEN,
	PORT_UNBIND,	/* closing: to be unbound, once bind is answered */
	PORT_UNBINDING, /* closing: unbind is under way */
	PORT_DRAINING,	/* closing: unbound; messages are not answered yet */
};

struct front_msg {
	struct xenmsg_msg base;
	struct front_msg *next; /* of the free ones */
	struct vmsg_msg *msg;
	struct split *split; /* msg is a batch, of which this is a part; NULL: it is not */
	uint32_t offset;     /* of the part */
};

/* A batch that came in, as long as some of its messages are not released. */
struct split {
	struct split *next_free;
	struct split *next_all; /* of the port */
	struct vmsg_msg *msg;
	struct vmsg_info info;
	uint64_t seq;	  /* of the next message */
	uint32_t given;	  /* bytes of messages that were handed out */
	uint32_t left;	  /* bytes of the piece from next on */
	const char *next; /* where the next message begins */
	unsigned int piece;
	unsigned int unreleased;	  /* messages, those to be handed out included */
	struct iovec pieces[BATCH_PAGES]; /* pages, or two of the port's memory */
};

struct msg_block;

struct front_port {
	struct xenmsg_port base;
	struct list link;
	struct vmsg_port *engine;
	void *memory;
	enum port_state state;
	struct call call; /* bind or unbind */
	struct batch batch;
	unsigned int tries; /* that found too few pages */
	struct front_msg *free_msgs;
	struct msg_block *blocks;
	struct split *splits, *free_splits;
	struct split *split; /* that is being handed out */
};

struct front_pool {
	struct xenmsg_pool base;
	struct list link;
	struct user_pool *memory;
	struct rooms rooms; /* busy: sent and not answered */
	unsigned int id;
	uint32_t addr, number;
	unsigned int nr_sent;
	bool added;   /* the broker knows it */
	bool gone;    /* the receiver let go of it */
	bool closing; /* call is its POOL_DEL, or comes first */
	bool asked;   /* closing: POOL_DEL is under way */
	struct call call;
};

static inline struct front *front_of(const struct xenmsg *x)
{
	return CONTAINER_OF(x, struct front, base);
}

static inline struct front_port *port_of(const struct xenmsg_port *port)
{
	return CONTAINER_OF(port, struct front_port, base);
}

static inline struct front_msg *msg_of(const struct xenmsg_msg *msg)
{
	return CONTAINER_OF(msg, struct front_msg, base);
}

static inline struct front_pool *pool_of(const struct xenmsg_pool *pool)
{
	return CONTAINER_OF(pool, struct front_pool, base);
}

static inline struct front *port_front(const struct front_port *port)
{
	return front_of(port->base.x);
}

static inline struct front *pool_front(const struct front_pool *pool)
{
	return front_of(pool->base.x);
}

static inline struct front_port *pool_port(const struct front_pool *pool)
{
	return port_of(pool->base.port);
}

/* front.c */
/* Open the device that is to be reached by @bus; NULL: a guest's. */
int front_open_on(const struct user_bus *bus, struct xenmsg **out,
		  const struct xenmsg_options *options);
/* Sleep until something happens. 0; -ETIMEDOUT at @deadline; -EHOSTDOWN: gone. */
int front_await(struct front *f, uint64_t deadline);
/* For front_leave(). */
void front_arm(struct front *f);
/*
 * Before returning to the application, after publishing (which may take things
 * in) or taking things in: its descriptor has to wake it for what is left.
 */
static inline void front_leave(struct front *f)
{
	if (LIKELY(!f->notice.polled))
		return;
	if (UNLIKELY(!vmsg_armed(f->v)))
		front_arm(f);
	notice_leave(&f->notice);
}
/* Something came up that only xenmsg_dispatch() and xenmsg_wait() report. */
static inline void front_note(struct front *f)
{
	f->notice.unreported = true;
}

/* callback.c */
void front_callbacks(struct user_params *params);
/* What the application is to hear of messages that were not even posted. */
void front_failed(struct front_port *port, const struct vmsg_failure *failure);

/* call.c */
/*
 * Start a request by @start, which returns what the engine says, and wait for
 * its answer. Returns its status, or why there is none; after -ETIMEDOUT the
 * answer is ignored, unless the caller keeps @call listed (@keep).
 */
int call_run(struct front *f, struct call *call,
	     int (*start)(struct front *f, void *arg, uint64_t cookie), void *arg,
	     uint64_t deadline, bool keep);
/* List it and give it a cookie; call_end() when the engine refuses or it is done. */
void call_begin(struct front *f, struct call *call);
void call_end(struct call *call);
int front_resolve(struct xenmsg *x, const char *name, size_t len, uint32_t *addr, uint32_t *port,
		  int timeout);
int front_name(struct xenmsg *x, uint32_t addr, char *name, int timeout);
int front_subscribe(struct xenmsg *x, const char *name, size_t len, bool cancel);

/* endpoint.c */
/* Go on with closing it; frees it if that is over. */
void port_close_step(struct front_port *port);
/* Memory of it, without a word to the engine. */
void port_free(struct front_port *port);
int front_port_open(struct xenmsg *x, uint32_t number, const struct xenmsg_bind *bind,
		    struct xenmsg_port **out);
void front_port_close(struct xenmsg_port *base);

/* split.c */
/* Whether there is memory for a batch that comes in. */
bool split_room(struct front_port *port);
/* Begin with the batch @msg, which was received; there is room. */
void split_begin(struct front_port *port, struct vmsg_msg *msg, const struct vmsg_info *info);
/* To the next piece, of which there is one. */
static inline void split_turn(struct split *split)
{
	split->next = split->pieces[split->piece].iov_base;
	split->left = (uint32_t)split->pieces[split->piece++].iov_len;
}
/* The next message of the batch that is being handed out: all of @out but its list. */
void split_next(struct front_port *port, struct front_msg *out);
/* The same for most of them: one that is in one piece. False: it is not. */
static inline bool split_take(struct front_port *port, struct xenmsg_msg **out)
{
	struct split *split = port->split;
	struct front_msg *msg = port->free_msgs;
	uint32_t each, left;

	if (!split || !msg)
		return false;
	each = split->info.each;
	left = split->info.len - split->given;
	/* Where another page begins, it is the next one's. */
	if (!split->left)
		split_turn(split);
	if (split->left < each || left < each)
		return false;
	port->free_msgs = msg->next;
	msg->split = split;
	msg->offset = split->given;
	msg->base.data = split->next;
	msg->base.addr = split->info.addr;
	msg->base.src_port = split->info.src_port;
	msg->base.seq = split->seq++;
	msg->base.len = each;
	msg->base.mapped = false;
	split->given += each;
	split->next += each;
	split->left -= each;
	if (left == each)
		port->split = NULL;
	*out = &msg->base;
	return true;
}
/* All of them are released. */
void split_put(struct front_port *port, struct split *split);
/* The piece at byte *@cursor of the message, which is moved on. False: there is none. */
bool split_piece(const struct front_msg *msg, uint32_t *cursor, const void **data, uint32_t *len);
void splits_free(struct front_port *port);

/* recv.c */
void msgs_free(struct front_port *port);
int front_recv(struct xenmsg_port *base, struct xenmsg_msg **out, int timeout);
/* The pieces of what was received whole: how many there are, @max of them at most in @iov. */
int front_pieces(const struct front_port *port, const struct vmsg_msg *msg, struct iovec *iov,
		 int max);
int front_msg_iov(const struct xenmsg_msg *base, struct iovec *iov, int max);
size_t front_copy(const struct xenmsg_msg *msg, size_t offset, void *buffer, size_t len);
void front_release(struct xenmsg_msg *base);

/* batch.c */
/* Whether such a message is one of the port's batch, as far as its kind goes. */
static inline bool batch_takes(const struct batch *batch, uint32_t addr, uint32_t number,
			       size_t len, unsigned int flags, const uint64_t *seq)
{
	return batch->each == len && batch->addr == addr && batch->number == number && !seq &&
	       (flags | XENMSG_NONBLOCK) == (XENMSG_LAZY | XENMSG_NONBLOCK);
}
/*
 * Adds the message, which is one of its batch, where that goes on in another page or is
 * full by it; then it is posted. False: nothing was done.
 */
bool batch_go_on(struct front_port *port, const void *data);
/*
 * Adds the message to the batch there is, where it fits behind the last one and does not
 * make it full, as most do: true, and all is done.
 */
static inline bool batch_add_here(struct front_port *port, uint32_t addr, uint32_t number,
				  const void *data, size_t len, unsigned int flags,
				  const uint64_t *seq)
{
	struct batch *batch = &port->batch;
	char *to = batch->next;

	if (!batch_takes(batch, addr, number, len, flags, seq) || !batch->fit)
		return false;
	batch->fit--;
	batch->next = to + len;
	/* Last, so that nothing is to be kept over the call. */
	memcpy(to, data, len);
	return true;
}
/* The same, wherever it goes. */
static inline bool batch_add(struct front_port *port, uint32_t addr, uint32_t number,
			     const void *data, size_t len, unsigned int flags, const uint64_t *seq)
{
	return batch_add_here(port, addr, number, data, len, flags, seq) ||
	       (batch_takes(&port->batch, addr, number, len, flags, seq) &&
		batch_go_on(port, data));
}
/* The page becomes the batch's, and so does the message in it. */
static inline void batch_take_page(struct front_port *port, uint16_t page)
{
	struct batch *batch = &port->batch;
	struct page_run *run = batch->runs + batch->nr_runs;

	batch->nr_pages++;
	batch->before += batch->each;
	port_front(port)->batched[page] = true;
	/* If all pages are filled, one segment can go on. */
	if (batch->nr_runs && batch->step == VMSGIF_PAGE_SIZE && run[-1].nr < VMSG_RUN_PAGES &&
	    page == run[-1].first + run[-1].nr) {
		run[-1].nr++;
		return;
	}
	*run = (struct page_run){ page, 1 };
	batch->begun = ++batch->nr_runs;
}
/* Adds a message that is in a page, which becomes the batch's: it takes that, and a page fits. */
static inline void batch_add_page(struct front_port *port, uint16_t page)
{
	port->batch.pages_fit--;
	batch_take_page(port, page);
}
/* Whether @page, which is one of the driver's, is in a batch. */
static inline bool batch_has(const struct front_port *port, uint32_t page)
{
	return port_front(port)->batched[page];
}
/*
 * Adds the message to a batch, or begins one, and waits for room for that before it,
 * unless the message's flags say no. 1: it is there. 0: it has to go alone. -EAGAIN,
 * -EHOSTDOWN: it cannot be sent. @page: where it is, which is the batch's then; or
 * NO_PAGE.
 */
int batch_send(struct front_port *port, const struct given *given, uint16_t page,
	       const uint64_t *seq);
/* Posts the port's batch, if there is one. -EAGAIN: there is no room. */
int batch_end(struct front_port *port);
/* Its messages fail. */
void batch_drop(struct front_port *port, int status);
/* All that can be posted. */
void batches_end(struct front *f);
/* Before another message to that port: as batch_end(). */
int batches_end_to(struct front *f, uint32_t addr, uint32_t number);

/* send.c */
void sent_init(struct front *f);
/*
 * Post it and note it down, waiting for room unless @flags say no. @pool and
 * @head for map mode. Publishes nothing.
 */
int send_post(struct front_port *port, struct vmsg_send *send, unsigned int flags,
	      struct front_pool *pool, uint16_t head, uint64_t *seq);
/*
 * Makes a lazy message in map mode a part of the SEND before it, if that is possible and its pool
 * is that one's. False: nothing was done.
 */
bool send_join(struct front_port *port, struct vmsg_send *send, uint64_t *seq);
/* Publish, and go back to the application; @stuck: there was no room. */
void send_leave(struct front *f, bool stuck);
/* After -EAGAIN. 0: something has changed, try again; or -EAGAIN, -EHOSTDOWN. */
int make_room(struct front *f, unsigned int flags);
int front_send(struct xenmsg_port *base, uint32_t addr, uint32_t number, const void *data,
	       size_t len, unsigned int flags, uint64_t *seq);
int front_sendv(struct xenmsg_port *base, const struct given *given, uint64_t *seq);

/* buffer.c */
/* Pages for a message, and if the slot has no room for them one more for a list, or NO_PAGE. */
struct pages {
	unsigned int nr_runs;
	uint16_t list;
	struct page_run runs[XENMSG_SEGMENTS_MAX];
};
/* For @len bytes. */
int pages_get(struct front_port *port, size_t len, unsigned int flags, struct pages *pages);
void pages_put(struct front_port *port, const struct pages *pages);
int front_buffer_get(struct xenmsg_port *base, size_t len, struct xenmsg_buffer *buffer,
		     unsigned int flags);
int front_buffer_send(struct xenmsg_port *base, uint32_t addr, uint32_t number,
		      struct xenmsg_buffer *buffer, unsigned int flags, uint64_t *seq);
void front_buffer_put(struct xenmsg_port *base, struct xenmsg_buffer *buffer);

/* share.c */
void pool_close_step(struct front_pool *pool);
void pool_destroy(struct front_pool *pool);
int front_pool_open(struct xenmsg_port *port, uint32_t addr, uint32_t number, size_t bytes,
		    struct xenmsg_pool **out, int timeout);
void front_pool_close(struct xenmsg_pool *base);
int front_pool_get(struct xenmsg_pool *base, size_t len, void **data, unsigned int flags);
void front_pool_put(struct xenmsg_pool *base, void *data);
int front_pool_send(struct xenmsg_pool *base, void *data, size_t len, unsigned int flags,
		    uint64_t *seq);

#endif /* XENMSG_FRONT_H */
