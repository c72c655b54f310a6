/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR MIT) */
/*
 * /dev/xenmsg: messages between the domains of one Xen host, for every process
 * of a guest whose kernel drives its vmsg device.
 *
 * An open file is an endpoint. It sends at once; it receives once it is bound
 * to a port. Nothing of one file is in sight of another one. Everything is done
 * by ioctl, and sending and receiving take many messages in one call.
 *
 * Calls return 0, or a number of messages, or -1 with errno. Errors of delivery
 * are those of <xenmsg.h>; they come as events, or as the status of
 * XENMSG_IOC_FLUSH, since a call that sends does not wait for the answer.
 *
 *   EAGAIN     not now: the window, the file's or the user's share or the ring is
 *              full, or nothing is there (timeout 0, or O_NONBLOCK)
 *   ETIMEDOUT  the time given has passed
 *   EHOSTDOWN  the device is gone, and with it everything that was under way.
 *              It may come back under another address: ports and subscriptions
 *              stay, and poll() tells
 *   ENODEV     there never was a device
 *   EBUSY      (also of open()) a process drives the device; once that has ended,
 *              open() and XENMSG_IOC_INFO have the driver take it
 *   EUSERS     (of open()) the user has too many files open
 *   EINTR      a signal came, and nothing was done yet. XENMSG_IOC_BIND and
 *              _UNBIND are under way then, as after ETIMEDOUT: the same call
 *              again waits for their end. A call with timeout -1 is begun anew
 *              instead, if the handler of the signal says so (SA_RESTART)
 *
 * All files of a user together have half of what there is for all: requests and
 * pages under way, areas, ports, subscriptions, pools; and an eighth of the
 * memory for the buffers of ports and for pools. Who has CAP_SYS_RESOURCE has
 * as much as there is. Whoever opened a file is charged.
 *
 * "timeout" is in milliseconds; 0 does not wait, -1 waits for ever. O_NONBLOCK
 * makes it 0 in XENMSG_IOC_SEND, _RECV and _EVENTS. Fields called "reserved" and
 * flags that are not listed have to be 0: EINVAL.
 *
 * poll(): POLLIN when a message or an event is there, POLLPRI too for an event,
 * POLLOUT unless the last XENMSG_IOC_SEND got EAGAIN and nothing has changed
 * since, POLLERR and POLLHUP while the device is gone.
 */
#ifndef XENMSG_UAPI_H
#define XENMSG_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define XENMSG_UAPI_VERSION  2
#define XENMSG_UAPI_NAME_MAX 128 /* bytes; not terminated */
/* Messages, handles or events in one call at most; more are left for the next one. */
#define XENMSG_UAPI_BATCH 256

/* ----------------------------------------------------------------- device */

struct xenmsg_uapi_info {
	__s32 timeout; /* in: how long to wait for the device to be connected */
	__u32 version;
	__u32 flags; /* XENMSG_INFO_* */
	__u32 addr;  /* own address; 0: not connected yet */
	__u32 max_message;
	__u32 area_pages; /* largest TX area of a file */
	__u64 buffer_max; /* largest buffer of a port, bytes */
};
#define XENMSG_INFO_CONNECTED 1
#define XENMSG_INFO_MAP	      2 /* map mode exists here */
#define XENMSG_INFO_DEVICE    4 /* there is a device, connected or not */

/* Counters of the whole device, as in struct xenmsg_stats of <xenmsg.h>. */
struct xenmsg_uapi_stats {
	__u64 tx_messages, tx_bytes, tx_failed, tx_resubmitted;
	__u64 tx_inline, tx_pooled, tx_granted, tx_mapped;
	__u64 rx_messages, rx_bytes, rx_repeated, rx_copied_out;
	__u64 events_sent, events_received, resets;
};

/* ------------------------------------------------------------------ names */

/* "domain" or "service@domain". */
struct xenmsg_uapi_resolve {
	__u8 name[XENMSG_UAPI_NAME_MAX];
	__u32 name_len;
	__s32 timeout;
	__u32 addr; /* out */
	__u32 port; /* out; 0 for a domain */
};

/* The name of the domain at an address; name_len 0: it has none. */
struct xenmsg_uapi_name {
	__u32 addr;
	__s32 timeout;
	__u8 name[XENMSG_UAPI_NAME_MAX]; /* out */
	__u32 name_len;			 /* out */
	__u32 reserved;
};

/* XENMSG_EV_PEER_UP for this domain from now on, or no more. */
struct xenmsg_uapi_subscribe {
	__u8 name[XENMSG_UAPI_NAME_MAX];
	__u32 name_len;
	__s32 timeout;
	__u32 flags; /* XENMSG_SUB_CANCEL */
	__u32 reserved;
};
#define XENMSG_SUB_CANCEL 1

/* ------------------------------------------------------------------- port */

/*
 * Once per file, until XENMSG_IOC_UNBIND. EADDRINUSE, EACCES; ENOSPC: too many
 * ports; ENOBUFS: too much buffer; EBUSY: the file's messages are not all answered,
 * or it has pools.
 */
struct xenmsg_uapi_bind {
	__u32 port; /* 1 to 2^32 - 1 */
	__s32 timeout;
	/*
	 * Bytes for messages that were not received yet; 0: the default. Batches that
	 * do not fit are refused, so it should be at least 64 KiB + 64.
	 */
	__u64 buffer;
	__u8 name[XENMSG_UAPI_NAME_MAX];
	__u32 name_len; /* of the service, without the domain; 0: none */
	__u32 reserved;
};

/*
 * Back when the port's number is free again. What was not received is dropped,
 * what was sent goes on. Closing the file does the same without waiting.
 */
struct xenmsg_uapi_unbind {
	__s32 timeout;
	__u32 reserved;
};

/* ------------------------------------------------------------------- send */

/*
 * One message. Where its bytes are:
 *   no flag           at address "data"
 *   XENMSG_TX_IOV     in pieces: "data" is the address of "nr" struct iovec
 *   XENMSG_TX_AREA    at offset "data" of the file's TX area. The pages it
 *                     touches are the driver's until the message is answered:
 *                     EBUSY for one that is; what is written there meanwhile
 *                     may be sent
 *   XENMSG_TX_POOL    at offset "data" of own pool "nr": map mode
 *   XENMSG_TX_BATCH   at address "data", as a batch: messages of "nr" bytes each,
 *                     a multiple of 8 and below "len", the last of which may be
 *                     shorter; up to 64 KiB and 256 messages. "seq", in events as well, is the last one's.
 *                     Lazy ones that follow each other may reach the receiver as one
 */
struct xenmsg_uapi_tx {
	__u64 data;
	__u64 cookie; /* comes back in events about this message */
	__u64 seq;    /* out: its number, if it can be written here */
	__u32 len;
	__u32 addr;
	__u32 port;
	__u16 flags;
	__u16 nr;
};
#define XENMSG_TX_LAZY 0x01 /* wakes the peer only with others, as one of many, or after 1 ms */
/*
 * XENMSG_EV_SENT says when, and how, it was answered, and is never lost. So of
 * these and events that were not fetched there are at most 256 in a file: EAGAIN.
 */
#define XENMSG_TX_CONFIRM 0x02
#define XENMSG_TX_IOV	  0x04
#define XENMSG_TX_AREA	  0x08
#define XENMSG_TX_POOL	  0x10
#define XENMSG_TX_BATCH	  0x20

/*
 * Returns how many were taken, in order; with an error only if that is none.
 * The error of a later one is left for the next call.
 */
struct xenmsg_uapi_send {
	__u64 msgs; /* of struct xenmsg_uapi_tx */
	__u32 nr;
	__s32 timeout; /* for the first one */
};

/*
 * Publishes what is lazy and waits until all messages of the file are answered.
 * "status": the first failure since the last flush, 0 or a negative errno.
 */
struct xenmsg_uapi_flush {
	__s32 timeout;
	__s32 status; /* out */
};

/*
 * Pages of the device for messages that are written in place: once per file,
 * then mmap() at offset XENMSG_MMAP_AREA. They are zero, and the file's until it
 * is closed. They cannot be handed on by address to what pins memory: direct I/O,
 * vmsplice(), io_uring's buffers. ENOBUFS: not as many are to be had.
 */
struct xenmsg_uapi_area {
	__u32 nr_pages;
	__u32 reserved;
};

/* ---------------------------------------------------------------- receive */

struct xenmsg_uapi_rx {
	__u64 data; /* offset of its bytes in the caller's buffer, or in the sender's pool */
	__u64 seq;
	__u32 len;
	__u32 addr;	/* source, vouched for by the broker */
	__u32 src_port; /* whom to answer there; 0: nobody */
	__u16 flags;	/* XENMSG_RX_MAPPED: it is in foreign pool "slot" */
	__u16 slot;
	__u32 handle; /* MAPPED: for XENMSG_IOC_RELEASE */
	__u16 each;   /* it is a batch, as in XENMSG_TX_BATCH, of this "nr"; 0: it is none */
	__u16 reserved;
};
#define XENMSG_RX_MAPPED 1

/*
 * Messages of the bound port, in order, copied one behind the other into the
 * buffer, each at a multiple of 8. Returns how many. EMSGSIZE: the next one does
 * not fit into the whole of it; msgs[0].len says how long it is.
 */
struct xenmsg_uapi_recv {
	__u64 msgs;   /* of struct xenmsg_uapi_rx */
	__u64 buffer; /* address */
	__u64 buffer_len;
	__u32 nr;
	__s32 timeout; /* for the first one */
};

/* Mapped messages are the sender's again. */
struct xenmsg_uapi_release {
	__u64 handles; /* of __u32 */
	__u32 nr;
	__u32 reserved;
};

/* --------------------------------------------------------------- map mode */

/*
 * Pages shared read-only with port "port" at "addr" for messages from the bound
 * port; zero at first; to be mapped at "offset". EACCES: the host's policy does
 * not allow map mode for the pair.
 */
struct xenmsg_uapi_pool_add {
	__u32 addr;
	__u32 port;
	__u32 nr_pages; /* 1 to 1024 */
	__s32 timeout;
	__u64 offset; /* out */
	__u32 id;     /* out: for XENMSG_TX_POOL and XENMSG_IOC_POOL_DEL */
	__u32 flags;  /* XENMSG_POOL_NOWAIT */
};
/*
 * Only wait for room for the request: XENMSG_EV_POOL_ADDED says when, and
 * whether, the pool can be used. It is the receiver's process that answers, and
 * it may be waiting for us to do the same for it.
 */
#define XENMSG_POOL_NOWAIT 1

/*
 * EBUSY: messages in it are not answered. Its memory stays until it is unmapped.
 * After ETIMEDOUT and EINTR it goes without being waited for, as does a pool
 * after these errors of XENMSG_IOC_POOL_ADD.
 */
struct xenmsg_uapi_pool_del {
	__u32 id;
	__s32 timeout;
};

/*
 * Answer to XENMSG_EV_POOL_MAP: the process has mapped the pool through
 * /dev/xen/gntdev, or (a negative errno) has not. That it may not or cannot use
 * gntdev (EPERM, ENOENT, ENODEV, ENXIO) counts as EACCES. Answer to
 * XENMSG_EV_POOL_UNMAP: any negative errno, it is not mapped any more.
 */
struct xenmsg_uapi_pool_mapped {
	__u32 slot;
	__s32 status;
};

/* ----------------------------------------------------------------- events */

struct xenmsg_uapi_event {
	__u32 type;   /* XENMSG_EV_* */
	__s32 status; /* 0 or a negative errno */
	__u32 addr;
	__u32 port;
	__u64 seq;
	__u64 cookie;
	__u32 slot; /* or id */
	__u32 ref;
	__u32 nr_pages;
	__u32 name_len;
	__u8 name[XENMSG_UAPI_NAME_MAX];
};

#define XENMSG_EV_PEER_UP   1 /* addr, name: a subscribed domain is there */
#define XENMSG_EV_PEER_DOWN 2 /* addr: dead, after its last message; told to who dealt with it */
#define XENMSG_EV_SENT	    3 /* addr, port, seq, cookie, status */
#define XENMSG_EV_FAILED    4 /* the same, without XENMSG_TX_CONFIRM */
#define XENMSG_EV_ADDRESS   5 /* addr: the device has another address */
#define XENMSG_EV_PORT_LOST 6 /* status: a new broker refused the port; nothing comes any more */
#define XENMSG_EV_LOST	    7 /* seq: so many of the events 2 and 4 were dropped */
/*
 * Foreign pools. Map, read-only and in a row, the nr_pages pages granted by
 * domain addr & 0xffff (0x8000 and more: a program of domain 0) that are listed
 * in the page with grant reference "ref" of that domain; then
 * XENMSG_IOC_POOL_MAPPED.
 */
#define XENMSG_EV_POOL_MAP 8
/*
 * Unmap it; then XENMSG_IOC_POOL_MAPPED, for which the owner waits. If status
 * is -EBUSY, the owner is dead and messages in it are held: put private copies
 * of the pages at the same place until XENMSG_EV_POOL_FREE.
 */
#define XENMSG_EV_POOL_UNMAP 9
#define XENMSG_EV_POOL_FREE  10 /* the last of these messages was released */
#define XENMSG_EV_POOL_GONE  11 /* slot: id of an own pool; its receiver let go of it */
#define XENMSG_EV_POOL_ADDED 12 /* slot: id of an own pool; status: 0, or why there is none */

/* Returns how many. */
struct xenmsg_uapi_events {
	__u64 events; /* of struct xenmsg_uapi_event */
	__u32 nr;
	__s32 timeout;
};

/* ---------------------------------------------------------------- numbers */

#define XENMSG_IOC_INFO	       _IOWR('X', 0xa0, struct xenmsg_uapi_info)
#define XENMSG_IOC_STATS       _IOR('X', 0xa1, struct xenmsg_uapi_stats)
#define XENMSG_IOC_RESOLVE     _IOWR('X', 0xa2, struct xenmsg_uapi_resolve)
#define XENMSG_IOC_NAME	       _IOWR('X', 0xa3, struct xenmsg_uapi_name)
#define XENMSG_IOC_SUBSCRIBE   _IOW('X', 0xa4, struct xenmsg_uapi_subscribe)
#define XENMSG_IOC_BIND	       _IOW('X', 0xa5, struct xenmsg_uapi_bind)
#define XENMSG_IOC_UNBIND      _IOW('X', 0xa6, struct xenmsg_uapi_unbind)
#define XENMSG_IOC_SEND	       _IOW('X', 0xa7, struct xenmsg_uapi_send)
#define XENMSG_IOC_FLUSH       _IOWR('X', 0xa8, struct xenmsg_uapi_flush)
#define XENMSG_IOC_AREA	       _IOW('X', 0xa9, struct xenmsg_uapi_area)
#define XENMSG_IOC_RECV	       _IOW('X', 0xaa, struct xenmsg_uapi_recv)
#define XENMSG_IOC_RELEASE     _IOW('X', 0xab, struct xenmsg_uapi_release)
#define XENMSG_IOC_POOL_ADD    _IOWR('X', 0xac, struct xenmsg_uapi_pool_add)
#define XENMSG_IOC_POOL_DEL    _IOW('X', 0xad, struct xenmsg_uapi_pool_del)
#define XENMSG_IOC_POOL_MAPPED _IOW('X', 0xae, struct xenmsg_uapi_pool_mapped)
#define XENMSG_IOC_EVENTS      _IOW('X', 0xaf, struct xenmsg_uapi_events)

#define XENMSG_MMAP_AREA     0
#define XENMSG_MMAP_POOL(id) ((__u64)((id) + 1) << 28)

#endif /* XENMSG_UAPI_H */
