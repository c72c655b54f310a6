/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true of messages, whatever happens: each is checked against this.
 *
 *   received   it was sent, with these bytes, from there, to this port of this
 *              instance; for the first time; after all earlier ones of its flow
 *              that are received at all
 *   answered   once; with 0, or with a status that has a reason: the receiver's
 *              life has ended, its port was closed, or a copy was made to fail
 *   refused    then it is never received, unless the status leaves that open
 *   unnumbered the same, as far as it can be told: which message of its flow was
 *              refused is not known before the others are received
 *   at the end all that living instances sent is answered, and what was
 *              answered with 0 is received if the receiver's port is still the same
 */
#ifndef SYSTEM_MODEL_H
#define SYSTEM_MODEL_H

#include "tests/unit/system.h"

#define MODEL_LIVES    256
#define MODEL_MESSAGES 512
#define MODEL_PORTS    2
#define MODEL_PORT(i)  (10u + (unsigned int)(i))

/* One life of a frontend. */
struct life {
	struct vm *vm;
	uint32_t addr;
	bool ended; /* it may have: whatever is sent to it may fail from now on */
	/* Per port: how often it was closed; it is closed now if the number is odd. */
	unsigned int closed[MODEL_PORTS];
};

struct message_test {
	struct vm *from, *to; /* as planned; by which of their lives is seen when it is sent */
	struct life *src, *dst;
	uint32_t src_port, number;
	uint32_t len;
	uint64_t key;
	bool map;	     /* by map mode, if that is possible */
	bool confirm;	     /* its answer is asked for */
	bool run;	     /* lazy, and more like it follow at once */
	bool unnumbered;     /* its number is known when it is received */
	uint64_t seq;	     /* 0: not known */
	uint64_t order;	     /* in which all were sent */
	unsigned int closed; /* dst->closed of its port when it was sent */
	bool sent, answered, delivered;
	int status;
};

struct model {
	struct life lives[MODEL_LIVES];
	unsigned int nr_lives;
	struct message_test messages[MODEL_MESSAGES];
	unsigned int nr_messages;
	bool copies_fail; /* some were made to */
	uint64_t sent;
	unsigned int delivered, refused;
};

/* Fails the test, with the seed that shows it again. */
#define require(cond, ...)                              \
	do {                                            \
		if (!(cond))                            \
			model_fail(#cond, __VA_ARGS__); \
	} while (0)
void model_fail(const char *what, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

struct life *model_life(struct model *model, struct vm *vm, uint32_t addr);
/* @life's application got @msg at its port @number. */
void model_received(struct model *model, const struct life *life, uint32_t number,
		    const struct xenmsg_msg *msg);
/* Before and after the time in which @life has port @number bound no more. */
void model_port_closed(struct life *life, uint32_t number);
/* The application of @m->src has sent it. */
void model_sent(struct model *model, struct message_test *m);
/* Was its destination there all the time? */
bool model_steady(const struct message_test *m);
/* @life's application got an event. */
void model_event(struct model *model, const struct life *life, const struct xenmsg_event *event);
/* xenmsg_flush() of @life says that all is answered. */
void model_flushed(struct model *model, const struct life *life);
/* Messages of @vm, or of all if it is NULL, that are not sent. */
unsigned int model_unsent(const struct model *model, const struct vm *vm);
/* Messages of lives that have not ended, whose answers were asked for and did not come. */
unsigned int model_unanswered(const struct model *model);
/* Messages that must still be received. */
unsigned int model_missing(const struct model *model);

#endif
