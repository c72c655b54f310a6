/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Alice sends to bob, copied or in place, for tests of the ways on which the
 * library sends its messages: their applications' event loops are the test's, the
 * vms' actors do not dispatch.
 */
#ifndef SYSTEM_PAIR_H
#define SYSTEM_PAIR_H

#include "tests/unit/system-traffic.h"

#define PAIR_RULES      \
	"[devices]\n"   \
	"domains = *\n" \
	"[allow all]\n" \
	"from = *\n"    \
	"to = *\n"      \
	"modes = copy map\n"

/* Those with pools and without. */
extern const char *const pair_configs[2];

/* Lengths of messages that there are batches of. */
#define PAIR_LENS 9
extern const size_t pair_lens[PAIR_LENS];

struct pair_test {
	struct world w;
	struct vm *alice, *bob;
	struct xenmsg_port *from; /* alice's, number 5 */
	struct xenmsg_port *to;	  /* bob's, number 7 */
	uint32_t addr;		  /* bob's */
};

extern struct pair_test pair;

void pair_begin(const char *config, uint64_t seed);
void pair_end(void);

/* What xenmsg_send() returns; to port @number of bob. */
int pair_send(uint32_t number, size_t len, uint64_t key, unsigned int flags, uint64_t *seq);
/* The same with a buffer: what xenmsg_buffer_get() or xenmsg_buffer_send() returns. */
int pair_send_in_place(uint32_t number, size_t len, uint64_t key, unsigned int flags,
		       uint64_t *seq);
/* Fills @buffer and sends it; @len may be less than what it was asked for. */
int pair_send_buffer(struct xenmsg_buffer *buffer, uint32_t number, size_t len, uint64_t key,
		     unsigned int flags, uint64_t *seq);
/* To bob's port, lazily, if there is room. */
int pair_lazy(size_t len, uint64_t key);
int pair_lazy_in_place(size_t len, uint64_t key);

/* The next message at bob's port, which has to be alice's and copied. */
struct xenmsg_msg *pair_receive(void);
/* It has to be the one of that key. */
void pair_expect(size_t len, uint64_t key);

/* How many slots of alice's rings were used. */
uint64_t pair_slots(void);

/*
 * A whole test: messages of @len bytes by @send, in less than @most slots. What each
 * of them says of itself is as if it were alone.
 */
void pair_contents(size_t len, const char *config, int (*send)(size_t len, uint64_t key),
		   unsigned int most);

#endif
