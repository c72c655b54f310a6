/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Load on a broker in virtual time: who gets how much of a receiver, and how
 * long messages take in the broker.
 *
 * Model. Guests run on processors of their own and are as fast as they can be:
 * between two steps of the broker's event loop each of them does all that it
 * can. So the broker is what takes time, and it takes what its work costs:
 *
 *	COST_STEP     a system call: a step of its loop, a look for watch events
 *	COST_CALL     a call into Xen: an event sent, taken in, a port unmasked
 *	COST_STORE    a request to xenstored, and the answer
 *	COST_MAP      mapping or unmapping, for each page
 *	COST_SLOT     a request taken in or answered, a page of a receiver filled
 *	COST_COPY     a grant copy operation besides its bytes
 *	COST_BYTES    so many bytes copied take 1 ns
 *
 * They are the instructions measured on real Xen, one for a nanosecond (a grant
 * copy of 64 bytes is 1,786, memcpy() of 4 KiB 421, sending an event 2,050), and
 * rounded: what is tested are ratios, which have to hold whatever the costs.
 *
 * A message's latency is from the step in which the broker took in its request
 * to the end of the step in which its response was published.
 */
#ifndef SYSTEM_LOAD_H
#define SYSTEM_LOAD_H

#include "tests/unit/system.h"

#define COST_STEP  1100u
#define COST_CALL  2000u
#define COST_STORE 50000u
#define COST_MAP   6000u
#define COST_SLOT  75u
#define COST_COPY  400u
#define COST_BYTES 10u

#define LOAD_SENDERS   10
#define LOAD_RECEIVERS 2
#define LOAD_PORTS     24 /* of a sender */
#define LOAD_PENDING   1024
#define LOAD_SAMPLES   65536
/* Receivers' ports: this one and those above. */
#define LOAD_PORT 7u

/* Sends without end to the receivers' ports, each time as much as it may. */
struct load_sender {
	struct vm *vm;
	uint32_t len;
	unsigned int nr_ports;
	struct {
		struct xenmsg_port *port;
		struct vm *to;
		uint32_t number;
	} ports[LOAD_PORTS];
	uint64_t gap; /* ns between messages; 0: none */
	uint64_t next;
	bool measured;		  /* its latency counts: it has one flow */
	uint64_t messages, bytes; /* delivered since the measurement began; bytes as charged */
	uint64_t failed;
	/* Taken in and not published: when they were. */
	uint64_t taken, published;
	uint64_t pending[LOAD_PENDING];
};

struct load_receiver {
	struct vm *vm;
	struct xenmsg_port *ports[LOAD_PORTS];
	uint64_t messages; /* received */
	bool stopped;	   /* its application reads no more */
};

struct load {
	struct world *w;
	struct load_sender senders[LOAD_SENDERS];
	unsigned int nr_senders;
	struct load_receiver receivers[LOAD_RECEIVERS];
	unsigned int nr_receivers;
	/* What somebody else does meanwhile, so often; or NULL. */
	void (*nuisance)(void);
	uint64_t nuisance_gap, nuisance_next; /* ns */
	/* Of the broker, up to now. */
	struct sim_counts counts;
	uint64_t slots, bytes;
	uint64_t samples[LOAD_SAMPLES];
	unsigned int nr_samples;
	uint64_t steps, busy; /* of the measurement; busy: ns */
	uint64_t cpu;	      /* ns that the steps really took, simulation included */
};

/* What a measurement says. */
struct load_result {
	double p50, p99;       /* ns, of the messages of measured senders */
	double least;	       /* least share of a measured sender in bytes; 1: the fair one */
	uint64_t messages;     /* of all senders */
	uint64_t per_measured; /* messages of the one who got least */
};

void load_init(struct load *load, struct world *w);
/* A receiver with as many pages as there can be; it connects at once. */
struct vm *load_receiver_new(struct load *load, const char *name);
/* A sender without flows; it connects at once. */
struct load_sender *load_sender_new(struct load *load, const char *name, uint32_t len);
/* It sends to the receiver's port LOAD_PORT + @i. */
void load_flow(struct load_sender *sender, struct vm *to, unsigned int i);
/* Let so much time pass. */
void load_run(struct load *load, unsigned int us);
/*
 * The same after a while in which everything comes into swing, and see what
 * comes of it. The fair share of a measured sender is one in @sharers.
 */
struct load_result load_measure(struct load *load, unsigned int us, unsigned int sharers);

/* Processor time of this process, which is real. */
uint64_t load_cpu_ns(void);

#endif
