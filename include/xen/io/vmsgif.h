/* SPDX-License-Identifier: MIT */
/******************************************************************************
 * vmsgif.h
 *
 * Paravirtual message device: messages between the domains of one host,
 * through a broker.
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy
 * of this software and associated documentation files (the "Software"), to
 * deal in the Software without restriction, including without limitation the
 * rights to use, copy, modify, merge, publish, distribute, sublicense, and/or
 * sell copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in
 * all copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
 * IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
 * FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
 * AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 * LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING
 * FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER
 * DEALINGS IN THE SOFTWARE.
 */

#ifndef __XEN_PUBLIC_IO_VMSGIF_H__
#define __XEN_PUBLIC_IO_VMSGIF_H__

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/types.h>
#include <xen/interface/io/ring.h>
#else
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <xen/io/ring.h>
#endif

/*
 ******************************************************************************
 *                                 Overview
 ******************************************************************************
 *
 * A domain has at most one device, vmsg/0. Its frontend runs in the guest, its
 * backend is the broker, one process in the backend domain. Two rings (ring.h)
 * join them:
 *
 *   TX   the frontend asks: send this, bind that port; the broker completes.
 *   RX   the frontend posts empty pages; the broker answers each with a page
 *        of a message, a small message in the slot itself, or an event.
 *
 * A message goes from the sender's TX ring through the queue that the broker
 * keeps for the destination domain to the destination's RX ring. The broker
 * stamps the true source and never interprets payload. There are three ways
 * for payload to travel:
 *
 *   inline  up to VMSGIF_INLINE_MAX bytes ride in the slot
 *   copy    the pages are granted to the broker's domain; the payload is
 *           copied into pages that the receiver posted. The sender can change
 *           it no more, and has its pages back with the completion
 *   map     the sender shared a pool of pages with one port of one receiver,
 *           who mapped it once; a message names a place in the pool, nothing
 *           is copied, and the SEND completes when the receiver releases it
 *
 * Messages of one length that follow each other in a flow can travel together, as
 * a batch or, in map mode, a run: one SEND, one status, and as many messages for the
 * receiver.
 *
 * All integers are little-endian as on the only architectures with the rings
 * of ring.h in use. "Reserved" fields are 0 and checked to be 0. Page means
 * VMSGIF_PAGE_SIZE bytes, the granularity of grants, whatever the page size of
 * the domain.
 *
 ******************************************************************************
 *                          Addresses, ports, names
 ******************************************************************************
 *
 * An address stands for one life of one device:
 *
 *      31                16 15                 0
 *     +--------------------+--------------------+
 *     |     generation     |        domid       |
 *     +--------------------+--------------------+
 *
 * Generations come from one counter of the host and are never 0. The domid
 * part is the domain's, or 0x8000 + slot for a client in the backend domain
 * itself. Address 0 is no address.
 *
 * The frontend writes a random 64-bit "instance" when it connects. The broker
 * gives an address to each instance; as long as the same instance reconnects
 * after a restart of the broker, it keeps its address. Every other end of the
 * connection - the frontend closes, the domain dies, the broker closes the
 * device for a violation, another instance connects - ends the address for
 * ever: what was under way to it completes with VMSGIF_EHOSTDOWN, and whoever
 * dealt with it gets a VMSGIF_RX_PEER_DOWN.
 *
 * A port is a number from 1 to 2^32 - 1, and has no meaning to the broker
 * beyond policy. Port 0 is no port.
 *
 * A name is 1 to VMSGIF_NAME_MAX bytes out of [A-Za-z0-9._-], the name of a
 * domain as the toolstack gave it, or "service@domain". A domain whose name
 * does not comply has none here: it is reachable by its address only.
 *
 * Clients in the backend domain all have its name. It means the last one of them
 * that connected and is READY; VMSGIF_RX_PEER_UP comes again when that is another
 * one. A service is bound by one of them at a time, whichever that is. Pages of
 * VMSGIF_POOL_MAP pools are theirs by way of their domain: granted to it and by it.
 *
 ******************************************************************************
 *                     Order, and each message once
 ******************************************************************************
 *
 * Every SEND has a 64-bit sequence number, not 0, that rises from SEND to SEND
 * for as long as the instance lives. A flow is (source address, destination
 * port). Within a flow messages arrive in order, and every message completed
 * with 0 has arrived exactly once, as long as both instances live, across any
 * restart of the broker:
 *
 *  - the frontend keeps every SEND until it is answered, and submits it again
 *    after a reset of the rings, with its old number;
 *  - a receiver keeps the last number of each flow, and drops what is not
 *    above it (a dropped map-mode message that is no longer held is released
 *    again). It forgets a flow on PEER_DOWN of its source;
 *  - the broker makes effects visible before answers, in this order in every
 *    turn: failures of SENDs; the messages and events on RX rings; the
 *    completions with 0; the answers to RELEASE and UNBIND. So whatever of a
 *    flow is submitted again was visible in no part that came later.
 *
 * A status other than 0 means that the message was not delivered, except
 * VMSGIF_EHOSTDOWN and VMSGIF_ECONNREFUSED, which mean that it may have been
 * handed to a receiver who then went away.
 *
 ******************************************************************************
 *                               Flow control
 ******************************************************************************
 *
 * Window    A frontend has at most "flow-window" SENDs unanswered per (own
 *           address, destination, destination port). More are refused with
 *           VMSGIF_ENOBUFS.
 * Slots     At most RING_SIZE - VMSGIF_TX_RESERVE requests that may wait
 *           (SEND, UNBIND, RESOLVE, SUBSCRIBE, POOL_ADD, POOL_DEL) are
 *           unanswered at a time; the reserve is for RELEASE, BIND, CREDIT,
 *           POOL_ACK and READY, which the broker answers in the turn in which
 *           it consumes them. It always consumes the TX ring.
 * Credit    Each port has a credit, the sum of VMSGIF_MSG_COST() of messages
 *           that the broker may hand to it, counted from its BIND in this
 *           epoch: an absolute number that only rises, so that saying it
 *           twice does no harm. Credit is backed by memory of the port. What
 *           exceeds it waits in the broker, within the senders' windows. The
 *           payload of map mode is not in that memory, so each such message
 *           costs what one of length 0 does.
 * RX pages  A message needs as many posted pages as it has pages, at least
 *           one. The last VMSGIF_RX_RESERVE posted pages are for events.
 * Maps      At most "max-maps" SENDs in map mode per pair of domains are
 *           not released, or not in whole, at a time; more wait.
 *
 ******************************************************************************
 *                               Notification
 ******************************************************************************
 *
 * One event channel serves both rings. req_event and rsp_event of ring.h work
 * as ever for what is urgent. What is lazy is published without an event: it
 * goes with the next urgent one, or after VMSGIF_LAZY_NS at the latest; and as
 * long as that its sender may keep it back, to add to it what follows. A
 * frontend that has posted half of what can be under way sends the event as
 * well, so that both ends work at the same time. Who
 * publishes keeps in mind that an event would have been due, and sends it with
 * the next decision. At most one event goes to a domain in a turn. With an
 * event of its sender's, what is lazy is urgent for its receivers, too: the
 * sender waits, or the time is over.
 *
 ******************************************************************************
 *                                Xenstore
 ******************************************************************************
 *
 * The nodes with types, ranges, defaults and permissions are listed in
 * xenstore-schema/nodes.def and described in xenstore-schema/README.md.
 * In short:
 *
 *   backend/vmsg/<domid>/0/     frontend, frontend-id, online, state, version,
 *                               epoch, max-ring-order, flow-window,
 *                               max-message, max-pool-pages, max-maps,
 *                               feature-map, address, instance, error
 *   device/vmsg/0/              backend, backend-id, state, version, epoch,
 *                               instance, ring-order, tx-ring-ref-<n>,
 *                               rx-ring-ref-<n>, event-channel, alive-ref
 *
 ******************************************************************************
 *                       Connect, close, broker restart
 ******************************************************************************
 *
 * FRONTEND                                BROKER
 * ========                                ======
 *                                         creates the nodes of both sides in
 *                                         one transaction, both states
 *                                         XenbusStateInitialising
 *                                         o writes its features, a fresh epoch
 * XenbusStateInitialising                 XenbusStateInitWait
 * o allocates and grants the rings
 * o allocates an event channel
 * o in one transaction: version, epoch as
 *   read, instance, references, channel
 * XenbusStateInitialised
 *                                         o compares the epochs, maps the
 *                                           rings, binds the channel
 *                                         o settles the address, writes it
 *                                         XenbusStateConnected
 * XenbusStateConnected
 * o on TX: POOL_ADD; BIND, SUBSCRIBE;
 *   pending RELEASEs; READY; unanswered
 *   SENDs by rising number; new ones; and
 *   posts RX pages
 *                                         o consumes the rings from now on
 *
 * Close by the frontend: 5 (Closing) and 6 (Closed); the broker lets go of
 * everything, follows with 5 and 6, and answers a later 1 with 2. Close by the
 * broker (violation, removal, its own stop with "online" 0): 5, the frontend
 * follows with 6. After a violation "error" says what it was.
 *
 * A frontend that is a process can die without saying so. Its "alive-ref" names
 * a page, granted to the broker, whose first byte is not 0 as long as it lives;
 * the kernel below it clears the byte when it dies and sends an event (Linux:
 * gntalloc's unmap notification). The broker then acts as if it had said 5.
 * Kernel drivers do without.
 *
 * Broker restart: the new broker writes a fresh epoch and InitWait. A frontend
 * that sees InitWait with an epoch it does not know, in whichever state:
 *   1. consumes all that is published in both rings,
 *   2. initialises both rings anew,
 *   3. writes the new epoch (and the rest, as above) and Initialised,
 *   4. goes on as in the diagram when it sees Connected.
 * The broker maps nothing while the epochs differ. Messages and look-ups for a
 * living domain that connected to an earlier broker and has not said READY
 * wait for it.
 *
 ******************************************************************************
 *                                 Pools
 ******************************************************************************
 *
 * A pool is a set of pages granted to one domain and mapped there once. It is
 * registered with a directory: one page of 32-bit grant references, one per
 * page of the pool, the rest 0. The directory is granted to the same domain,
 * read once, and means nothing after POOL_ADD is answered. A reference that
 * stands there twice refuses the pool.
 *
 *   VMSGIF_POOL_TX   granted to the broker, read-only is enough; segments of
 *                    SENDs name its pages. One per device.
 *   VMSGIF_POOL_RX   granted to the broker, writable; RX requests name its
 *                    pages. One per device.
 *   VMSGIF_POOL_MAP  granted to a receiving domain, read-only, for messages
 *                    from one port of the sender to one port of the receiver.
 *                    POOL_ADD goes to the receiver as VMSGIF_RX_POOL_ADD; it
 *                    maps the pages in a row, answers with POOL_ACK, and that
 *                    status answers the POOL_ADD. POOL_DEL likewise: it is
 *                    answered when the receiver has unmapped the pool.
 *
 * The tables are separate: a page of the TX pool is never a destination. A
 * page need not be in a pool to be used: any page can be named by its grant
 * reference, to the same effect.
 */

#define VMSGIF_VERSION	      1
#define VMSGIF_PAGE_SIZE      4096u
#define VMSGIF_MAX_RING_ORDER 5
#define VMSGIF_INLINE_MAX     32u
#define VMSGIF_SEGS_MAX	      4u
#define VMSGIF_MESSAGE_MAX    (1u << 20)
/* 1 MiB that starts anywhere in a page touches one page more than 256. */
#define VMSGIF_INDIRECT_MAX   257u
#define VMSGIF_SEG_MAX	      32768u /* bytes of the longest segment */
#define VMSGIF_NAME_MAX	      128u
#define VMSGIF_POOL_PAGES_MAX 1024u
#define VMSGIF_MAP_POOLS_MAX  64u /* ids 0 to 63, per sending device */
#define VMSGIF_TX_RESERVE     16u
#define VMSGIF_RX_RESERVE     4u
#define VMSGIF_FLOW_WINDOW    64u    /* default of "flow-window" */
#define VMSGIF_BATCH_BYTES    65536u /* longest batch: a port should take as much */
#define VMSGIF_BATCH_MESSAGES 256u
#define VMSGIF_BATCH_ALIGN    8u  /* that the messages in a batch have */
#define VMSGIF_RUN_MESSAGES   32u /* of map mode, in a SEND */
#define VMSGIF_LAZY_NS	      1000000u

/*
 * What a message takes of its port's credit: a descriptor and its payload, in
 * units of 64 bytes, so that a receiver can lay both out in a buffer of exactly
 * as many bytes as it gave credit for.
 */
#define VMSGIF_MSG_COST(len) (64u + (((uint64_t)(len) + 63u) & ~(uint64_t)63u))

/* Messages in a batch of @len bytes, of @each bytes each; 0: it is none, but one message. */
#define VMSGIF_BATCH_COUNT(len, each) ((each) ? ((len) + (each)-1) / (each) : 1)

/* Bytes from the begin of a message of @len bytes in a run to that of the next one. */
#define VMSGIF_RUN_STEP(len) \
	(((uint64_t)(len) + VMSGIF_PAGE_SIZE - 1) & ~(uint64_t)(VMSGIF_PAGE_SIZE - 1))

#define VMSGIF_ADDR(gen, domid) ((uint32_t)(gen) << 16 | (uint16_t)(domid))
#define VMSGIF_ADDR_DOMID(addr) ((uint16_t)((addr)&0xffffu))
#define VMSGIF_ADDR_GEN(addr)	((uint16_t)((addr) >> 16))
#define VMSGIF_ADDR_LOCAL	0x8000u /* domid part of a client in the backend domain */

/*
 * Statuses: 0 or one of these, the negative Linux numbers. Each has one
 * meaning.
 */
#define VMSGIF_OKAY	    0
#define VMSGIF_EFAULT	    (-14)  /* a grant, a pool index or a page is not usable as said */
#define VMSGIF_EACCES	    (-13)  /* policy forbids it, or would if the peer existed */
#define VMSGIF_EINVAL	    (-22)  /* the request contradicts this header */
#define VMSGIF_EMSGSIZE	    (-90)  /* larger than the device or the port takes */
#define VMSGIF_EADDRINUSE   (-98)  /* port or service is bound, pool id is in use */
#define VMSGIF_ENOBUFS	    (-105) /* over a window or a cap of this header */
#define VMSGIF_ECONNREFUSED (-111) /* nobody is, or is any more, bound to the port */
#define VMSGIF_EHOSTDOWN    (-112) /* the peer died while this was under way */
#define VMSGIF_EHOSTUNREACH (-113) /* no such peer: unknown name, or address gone */
#define VMSGIF_EDQUOT	    (-122) /* over a rate or quota of the configuration */

/*
 ******************************************************************************
 *                              TX requests
 ******************************************************************************
 *
 * All have this form of 64 bytes; what a kind does not use is 0.
 *
 *         0                1                 2               3        octet
 * +----------------+----------------+----------------+----------------+
 * |       op       |      flags     |               id                | 4
 * +----------------+----------------+----------------+----------------+
 * |                                addr                               | 8
 * +----------------+----------------+----------------+----------------+
 * |                                port                               | 12
 * +----------------+----------------+----------------+----------------+
 * |                        src_port or max_len                        | 16
 * +----------------+----------------+----------------+----------------+
 * |                                                                   |
 * +                          seq or credit                            +
 * |                                                                   | 24
 * +----------------+----------------+----------------+----------------+
 * |                                len                                | 28
 * +----------------+----------------+----------------+----------------+
 * |             nr_segs             |              each               | 32
 * +----------------+----------------+----------------+----------------+
 * |        data[32], seg[4], indirect, map or pool, by op and flags   | 64
 * +----------------+----------------+----------------+----------------+
 *
 * id    chosen by the frontend, repeated in the response; not in use by
 *       another unanswered request; below the number of slots of the ring.
 *
 * Where an op has payload (SEND; the names of BIND, RESOLVE, SUBSCRIBE), len
 * is its length and exactly one of these forms holds it:
 *   VMSGIF_TXF_INLINE    len <= 32, in data; the bytes beyond len are 0
 *   no flag, nr_segs 1-4 in seg; lens add up to len, unused ones are all 0
 *   VMSGIF_TXF_INDIRECT  nr_segs 5-257: indirect.ref names a page that starts
 *                        with nr_segs segments; the rest of the union is 0
 *   VMSGIF_TXF_MAP       (SEND only) at byte map.offset of pool map.id, len
 *                        bytes in a row; len is not 0. With map.more, a run:
 *                        as many further messages of len bytes each follow, up
 *                        to VMSGIF_RUN_MESSAGES in all, each VMSGIF_RUN_STEP()
 *                        behind the one before
 * Payload of length 0 is inline. VMSGIF_TXF_POOL, with the second and third
 * form, says that every ref is an index into the TX pool instead of a grant
 * reference. A segment has a length, len >= 1, and begins in its page:
 * offset < 4096. Without VMSGIF_TXF_POOL it ends there, too: offset + len <=
 * 4096. With it, it is at most VMSGIF_SEG_MAX long and may go on into the pages
 * that follow in the pool, of which its last one, ref + (offset + len - 1) /
 * 4096, is one. Else VMSGIF_EFAULT. The list of the third form is in one page.
 *
 * SEND        addr, port   destination
 *             src_port     whom to answer; 0 if nobody
 *             seq          above that of every earlier SEND of the instance; of a
 *                          batch or run, the last message's, and those before it
 *                          have the numbers before
 *             each         0; or, of a batch, bytes of each message but the last,
 *                          which may be shorter: a multiple of
 *                          VMSGIF_BATCH_ALIGN, and below len. The payload, in
 *                          segments, is the messages one behind the other, at most
 *                          VMSGIF_BATCH_BYTES and VMSGIF_BATCH_MESSAGES; limits on
 *                          the length of a message are about len
 *             flags        the payload's, VMSGIF_TXF_LAZY
 *             Answered when it is in the receiver's ring (inline, copy), or
 *             when the receiver has released it, a run as a whole (map).
 * RELEASE     addr, port   source address and own port of map-mode messages
 *             seq, map.more   their numbers: seq, and as many before it
 *             Any number of times; 0 also if the broker knows no such messages.
 * BIND        port         own port
 *             credit       see "Credit"
 *             max_len      the longest message taken, up to max-message
 *             payload      service name without the domain, or none
 *             VMSGIF_EADDRINUSE if bound, or until its UNBIND is answered.
 * UNBIND      port         Messages not handed over yet complete with
 *                          VMSGIF_ECONNREFUSED; answered when every map-mode
 *                          message handed over has been released.
 * CREDIT      port, credit VMSGIF_EINVAL if the port is not bound.
 * RESOLVE     payload      a name: the answer holds addr and, for a service,
 *                          port; or
 *             addr         an address, no payload: the name comes as
 *                          VMSGIF_RX_RESOLVED, the status says whether it does
 *             Waits for a peer that is to reconnect.
 * SUBSCRIBE   payload      a domain name: VMSGIF_RX_PEER_UP now if it is up,
 *                          and each time it comes up; with VMSGIF_TXF_CANCEL
 *                          no more.
 * POOL_ADD    pool.ref     the directory
 *             pool.type, pool.id (0 for TX and RX), pool.nr_pages 1-1024
 *             addr, port, src_port  (MAP only) receiver, its port, own port
 * POOL_DEL    pool.type, pool.id    no unanswered SEND names it
 * POOL_ACK    addr, pool.id         owner's address, type VMSGIF_POOL_MAP
 *             pool.status           0 mapped; else a status: not mapped, or
 *                                   not mapped any more
 * READY       everything bound before the reset is bound again
 */
#define VMSGIF_OP_SEND	    1
#define VMSGIF_OP_RELEASE   2
#define VMSGIF_OP_BIND	    3
#define VMSGIF_OP_UNBIND    4
#define VMSGIF_OP_CREDIT    5
#define VMSGIF_OP_RESOLVE   6
#define VMSGIF_OP_SUBSCRIBE 7
#define VMSGIF_OP_POOL_ADD  8
#define VMSGIF_OP_POOL_DEL  9
#define VMSGIF_OP_POOL_ACK  10
#define VMSGIF_OP_READY	    11
#define VMSGIF_OP_MAX	    11

#define VMSGIF_TXF_LAZY	    0x01
#define VMSGIF_TXF_INLINE   0x02
#define VMSGIF_TXF_INDIRECT 0x04
#define VMSGIF_TXF_POOL	    0x08
#define VMSGIF_TXF_MAP	    0x10
#define VMSGIF_TXF_CANCEL   0x20
#define VMSGIF_TXF_ALL	    0x3f

#define VMSGIF_POOL_TX	1
#define VMSGIF_POOL_RX	2
#define VMSGIF_POOL_MAP 3

struct vmsgif_segment {
	uint32_t ref;	 /* grant reference, or index into the TX pool, of the first page */
	uint16_t offset; /* bytes, below 4096 */
	uint16_t len;	 /* bytes, 1 to what is left of the page; in a pool, to VMSGIF_SEG_MAX */
};

struct vmsgif_map {
	uint16_t id;	 /* the sender's name for the pool */
	uint16_t more;	 /* messages that follow this one; RELEASE: that precede it */
	uint32_t offset; /* bytes from the pool's begin */
};

struct vmsgif_pool {
	uint32_t ref; /* of the directory */
	uint16_t id;
	uint16_t type; /* VMSGIF_POOL_* */
	uint32_t nr_pages;
	int32_t status; /* POOL_ACK only */
};

struct vmsgif_tx_request {
	uint8_t op;
	uint8_t flags;
	uint16_t id;
	uint32_t addr;
	uint32_t port;
	union {
		uint32_t src_port;
		uint32_t max_len;
	};
	union {
		uint64_t seq;
		uint64_t credit;
	};
	uint32_t len;
	uint16_t nr_segs;
	uint16_t each; /* SEND only */
	union {
		uint8_t data[VMSGIF_INLINE_MAX];
		struct vmsgif_segment seg[VMSGIF_SEGS_MAX];
		struct {
			uint32_t ref;
		} indirect;
		struct vmsgif_map map;
		struct vmsgif_pool pool;
	} u;
};

/*
 * TX response, to any request, in any order among waiting ones:
 *
 *         0                1                 2               3        octet
 * +----------------+----------------+----------------+----------------+
 * |       op       |    reserved    |               id                | 4
 * +----------------+----------------+----------------+----------------+
 * |                              status                               | 8
 * +----------------+----------------+----------------+----------------+
 * |                  addr (RESOLVE of a name, else 0)                 | 12
 * +----------------+----------------+----------------+----------------+
 * |                port (RESOLVE of a service, else 0)                | 16
 * +----------------+----------------+----------------+----------------+
 * |                             reserved                              | 64
 * +----------------+----------------+----------------+----------------+
 *
 * A request whose kind is unknown or whose reserved parts are not 0 is a
 * violation that closes the device. A request that is well-formed and cannot
 * be done is answered with a status.
 */
struct vmsgif_tx_response {
	uint8_t op;
	uint8_t reserved0;
	uint16_t id;
	int32_t status;
	uint32_t addr;
	uint32_t port;
	uint8_t reserved[48];
};

/*
 ******************************************************************************
 *                        RX requests and responses
 ******************************************************************************
 *
 * An RX request posts pages, empty, writable by the broker: one, or a run of them.
 *
 *         0                1                 2               3        octet
 * +----------------+----------------+----------------+----------------+
 * |               id                |     flags      |      more      | 4
 * +----------------+----------------+----------------+----------------+
 * |       ref: grant reference, or index with VMSGIF_RXF_POOL         | 8
 * +----------------+----------------+----------------+----------------+
 * |                             reserved                              | 64
 * +----------------+----------------+----------------+----------------+
 *
 * With VMSGIF_RXF_POOL, and else 0, "more" says how many of the slots that follow
 * are not written: they are requests as well, for the pages ref + 1 to ref + more,
 * with the ids id + 1 to id + more. What they hold means nothing. All of a run are
 * published at once.
 *
 * Each page's id is not in use by another unanswered one and below the number of
 * slots. Pages are consumed in the order in which they were posted, and every
 * one is answered exactly once. When a copy into them fails, on whichever
 * side, the message fails with VMSGIF_EFAULT and its pages are answered with a
 * VMSGIF_RX_BAD_PAGE each.
 *
 *         0                1                 2               3        octet
 * +----------------+----------------+----------------+----------------+
 * |      type      |      flags     |               id                | 4
 * +----------------+----------------+----------------+----------------+
 * |                                addr                               | 8
 * +----------------+----------------+----------------+----------------+
 * |                                port                               | 12
 * +----------------+----------------+----------------+----------------+
 * |                              src_port                             | 16
 * +----------------+----------------+----------------+----------------+
 * |                                                                   |
 * +                                seq                                +
 * |                                                                   | 24
 * +----------------+----------------+----------------+----------------+
 * |                                len                                | 28
 * +----------------+----------------+----------------+----------------+
 * |              used               |              each               | 32
 * +----------------+----------------+----------------+----------------+
 * |           data[32], map or pool, by type and flags                | 64
 * +----------------+----------------+----------------+----------------+
 *
 * used      bytes written to the posted page, from its begin; 0: the page is
 *           given back as it was. Bytes beyond used are the page's old ones. Of
 *           a message in several pages: what is in the first one, 4096
 *
 * MESSAGE   addr, src_port  the source, stamped by the broker
 *           port            own port
 *           seq, len, each  of the message; each is 0 unless it is a batch
 *           flags           VMSGIF_RXF_INLINE: in data, used is 0
 *                           VMSGIF_RXF_MAP: at map.offset of pool map.id of
 *                           the source, map.more follow, used is 0; to be
 *                           RELEASEd
 *                           none: in n = (len + 4095) / 4096 pages, the next
 *                           ones in the order in which they were posted; all
 *                           but the last are full. So this is n responses,
 *                           published at once, of which the first is written:
 *                           what the slots of the others hold means nothing
 * PEER_UP   addr, and the name (len; inline, or in the page; 0: it is long,
 *           and the page cannot be written): a subscribed domain said READY
 *           under this address, or what lives there has that name from now on
 * PEER_DOWN addr: this address is dead, after the last message from it. Pools
 *           of it are to be unmapped, pools shared with it are free
 * POOL_ADD  addr, src_port, port, pool: map this, and say POOL_ACK
 * POOL_DEL  addr, pool.id: unmap the owner's pool once nothing in it is held,
 *           and say POOL_ACK
 * POOL_GONE addr, pool.id: the receiver at addr let go of the own pool
 * RESOLVED  addr, and its name, as in PEER_UP
 * BAD_PAGE  the page is given back, and nothing in it is a message. It need
 *           not be the page's fault: the sender's may have been the bad one
 *
 * Messages and PEER_DOWN of one source keep their order.
 */
#define VMSGIF_RX_MESSAGE   1
#define VMSGIF_RX_PEER_UP   2
#define VMSGIF_RX_PEER_DOWN 3
#define VMSGIF_RX_POOL_ADD  4
#define VMSGIF_RX_POOL_DEL  5
#define VMSGIF_RX_POOL_GONE 6
#define VMSGIF_RX_RESOLVED  7
#define VMSGIF_RX_BAD_PAGE  8

#define VMSGIF_RXF_INLINE 0x02
#define VMSGIF_RXF_POOL	  0x08 /* in requests */
#define VMSGIF_RXF_MAP	  0x10

struct vmsgif_rx_request {
	uint16_t id;
	uint8_t flags; /* VMSGIF_RXF_POOL or 0 */
	uint8_t more;
	uint32_t ref;
	uint8_t reserved[56];
};

struct vmsgif_rx_response {
	uint8_t type;
	uint8_t flags;
	uint16_t id;
	uint32_t addr;
	uint32_t port;
	uint32_t src_port;
	uint64_t seq;
	uint32_t len;
	uint16_t used;
	uint16_t each;
	union {
		uint8_t data[VMSGIF_INLINE_MAX];
		struct vmsgif_map map;
		struct vmsgif_pool pool;
	} u;
};

DEFINE_RING_TYPES(vmsgif_tx, struct vmsgif_tx_request, struct vmsgif_tx_response);
DEFINE_RING_TYPES(vmsgif_rx, struct vmsgif_rx_request, struct vmsgif_rx_response);

/* Slots of a ring of 2^order pages: 32, 64, 128, 256, 512, 1,024 (ring.h rounds down). */
#define VMSGIF_RING_SLOTS(order) (32u << (order))
#define VMSGIF_RING_BYTES(order) (VMSGIF_PAGE_SIZE << (order))

#define VMSGIF_ASSERT_(e) _Static_assert(e, #e)
VMSGIF_ASSERT_(sizeof(struct vmsgif_segment) == 8);
VMSGIF_ASSERT_(sizeof(struct vmsgif_map) == 8);
VMSGIF_ASSERT_(sizeof(struct vmsgif_pool) == 16);
VMSGIF_ASSERT_(sizeof(struct vmsgif_tx_request) == 64);
VMSGIF_ASSERT_(sizeof(struct vmsgif_tx_response) == 64);
VMSGIF_ASSERT_(sizeof(struct vmsgif_rx_request) == 64);
VMSGIF_ASSERT_(sizeof(struct vmsgif_rx_response) == 64);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, id) == 2);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, addr) == 4);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, port) == 8);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, src_port) == 12);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, max_len) == 12);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, seq) == 16);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, credit) == 16);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, len) == 24);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, nr_segs) == 28);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, each) == 30);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_request, u) == 32);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_response, id) == 2);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_response, status) == 4);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_response, addr) == 8);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_response, port) == 12);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_request, flags) == 2);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_request, more) == 3);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_request, ref) == 4);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, id) == 2);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, addr) == 4);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, port) == 8);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, src_port) == 12);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, seq) == 16);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, len) == 24);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, used) == 28);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, each) == 30);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_response, u) == 32);
VMSGIF_ASSERT_(offsetof(struct vmsgif_tx_sring, ring) == 64);
VMSGIF_ASSERT_(offsetof(struct vmsgif_rx_sring, ring) == 64);
VMSGIF_ASSERT_(__CONST_RING_SIZE(vmsgif_tx, VMSGIF_RING_BYTES(0)) == VMSGIF_RING_SLOTS(0));
VMSGIF_ASSERT_(__CONST_RING_SIZE(vmsgif_tx, VMSGIF_RING_BYTES(1)) == VMSGIF_RING_SLOTS(1));
VMSGIF_ASSERT_(__CONST_RING_SIZE(vmsgif_tx, VMSGIF_RING_BYTES(2)) == VMSGIF_RING_SLOTS(2));
VMSGIF_ASSERT_(__CONST_RING_SIZE(vmsgif_tx, VMSGIF_RING_BYTES(3)) == VMSGIF_RING_SLOTS(3));
VMSGIF_ASSERT_(__CONST_RING_SIZE(vmsgif_rx, VMSGIF_RING_BYTES(4)) == VMSGIF_RING_SLOTS(4));
VMSGIF_ASSERT_(__CONST_RING_SIZE(vmsgif_rx, VMSGIF_RING_BYTES(5)) == VMSGIF_RING_SLOTS(5));
#undef VMSGIF_ASSERT_

#endif /* __XEN_PUBLIC_IO_VMSGIF_H__ */
