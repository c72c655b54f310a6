/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: D-Bus from peer to peer, without a bus daemon.
 *
 * Every connection is a bus of its own with this object on it. A call is
 * answered at once and from one moment: nothing moves while it is put together.
 * Who may open the socket may call.
 *
 * Status:
 *   s               version of the daemon
 *   a{st}           counters of the whole
 *   a(qussa{st})    domid, address, name, state and counters of each address
 *   a(st)           refusals by rule, in the order of the rules ("NAME", and
 *                   "NAME, rates" if it has some), then of "limits NAME", of
 *                   "offers" if there are some, "default" last; since the last
 *                   reload
 * Domains, a(...)b: what Status says of each address, and then
 *   as              labels of the configuration that its name has
 *   a(usutub)       ports: number, service or "", longest message and credit left
 *                   in bytes, messages held, whether it is being unbound
 * Pools, a(usquususut)b: MAP pools by their owner's address and name; id, pages;
 *   address, name and port of the receiver; "parked", "offered", "mapped",
 *   "leaving", or "dead" as its owner (see zombies.h), messages that name it, and
 *   how long ago the owner died in us, else 0. The dead come first; what is gone is
 *   left out.
 * Flows (DOMAIN, or "" for all), a(usususssutuutt)b: of all that a domain, by name
 *   or domid, sends and receives: address and name of sender and receiver, port,
 *   service or "", rule, modes that it allows; messages and bytes queued, messages
 *   not answered, held; messages and bytes delivered since the flow began.
 * In these three, true at the end: there are more ports, pools or flows, which were
 *   left out; see SNAPSHOT_ROWS.
 * Metrics, s: see metrics.h.
 *
 * Reload: have broker_reload() read the configuration again. A line for people,
 * or an error with file, line and reason; then nothing has changed.
 * Drain (DOMAIN or "all", begin or undo): returns how many messages that came before
 * are not answered yet; see drain.h. To be asked again until there is none.
 * Explain (FROM, TO, PORT or SERVICE): a text for people, see explain.h.
 */
#ifndef XENMSG_BROKER_CONTROL_H
#define XENMSG_BROKER_CONTROL_H

#include <systemd/sd-event.h>

#define CONTROL_PATH	  "/run/xenmsg/control"
#define CONTROL_OBJECT	  "/org/xenmsg/Broker1"
#define CONTROL_INTERFACE "org.xenmsg.Broker1"
/* Open at a time; more have to wait in the socket's backlog. */
#define CONTROL_CONNECTIONS 16u

struct broker;
struct control;
struct log;

/*
 * @fd: a listening socket, taken over with success. @path: where it is, if it is to
 * be removed at the end; or NULL. -errno.
 */
int control_new(struct control **out, sd_event *event, struct log *log, int fd, const char *path);
/* From now on calls are answered. */
void control_serve(struct control *control, struct broker *broker);
/* Close all. */
void control_free(struct control *control);

#endif
