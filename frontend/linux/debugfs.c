// SPDX-License-Identifier: GPL-2.0-only
/*
 * How things stand, for people and for tests that look for leaks:
 * /sys/kernel/debug/xen-vmsgfront/{state,endpoints}.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "front.h"

static struct dentry *dir;

static const char *const phase_names[] = {
	[FRONT_ABSENT] = "absent",   [FRONT_CLOSED] = "closed",	      [FRONT_START] = "start",
	[FRONT_OFFERED] = "offered", [FRONT_CONNECTED] = "connected",
};

static unsigned long nr_granted(const struct vmsg_front *front)
{
	return front->tx_ring.nr_granted + front->rx_ring.nr_granted + front->tx.nr_granted +
	       front->rx.nr_granted + front->directories.nr_granted;
}

static void show_ring(struct seq_file *m, const char *name, void *va)
{
	/* The same place in both rings. */
	const struct vmsgif_tx_sring *ring = va;

	seq_printf(m, "%s: req_prod %u req_event %u rsp_prod %u rsp_event %u\n", name,
		   READ_ONCE(ring->req_prod), READ_ONCE(ring->req_event), READ_ONCE(ring->rsp_prod),
		   READ_ONCE(ring->rsp_event));
}

static void show_engine(struct seq_file *m, struct vmsg_front *front)
{
	struct vmsg_stats s;

	vmsg_stats_get(front->v, &s);
	seq_printf(m, "address: %#x\nready: %d\nbroken: %s\n", vmsg_address(front->v),
		   vmsg_is_ready(front->v), vmsg_broken(front->v) ?: "no");
	show_ring(m, "tx-ring", front->tx_ring.va[0]);
	show_ring(m, "rx-ring", front->rx_ring.va[0]);
	seq_printf(m, "tx-pages-free: %u\nrx-pages-held: %u\n", vmsg_tx_pages_free(front->v),
		   vmsg_rx_pages_held(front->v));
	seq_printf(m, "tx-messages: %llu\ntx-failed: %llu\ntx-resubmitted: %llu\n", s.tx_messages,
		   s.tx_failed, s.tx_resubmitted);
	seq_printf(m, "rx-messages: %llu\nrx-repeated: %llu\nrx-copied-out: %llu\n", s.rx_messages,
		   s.rx_repeated, s.rx_copied_out);
	seq_printf(m, "events-sent: %llu\nevents-received: %llu\nresets: %llu\n", s.events,
		   front->events_received, s.resets);
}

static int state_show(struct seq_file *m, void *unused)
{
	struct vmsg_front *front = m->private;
	struct foreign *f;
	unsigned long foreign = 0, index;
	unsigned int pools = 0, i;

	front_lock(front);
	for (i = 0; i < VMSGIF_MAP_POOLS_MAX; i++)
		pools += front->own[i] != NULL;
	xa_for_each(&front->foreign_handles, index, f) foreign++;
	seq_printf(m, "phase: %s\n", phase_names[front->phase]);
	if (front->v)
		show_engine(m, front);
	seq_printf(m, "endpoints: %u\nclosing: %u\nunanswered: %u\nown-pools: %u\n",
		   front->nr_endpoints, front->nr_closing, front->nr_sent, pools);
	seq_printf(m, "foreign-pools: %lu\narea-pages: %u\ngranted-pages: %lu\nbusy-grants: %ld\n",
		   foreign, front->area_pages, nr_granted(front),
		   atomic_long_read(&front->busy_grants));
	mutex_unlock(&front->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int endpoints_show(struct seq_file *m, void *unused)
{
	struct vmsg_front *front = m->private;
	struct endpoint *ep;

	front_lock(front);
	list_for_each_entry(ep, &front->endpoints, link)
		seq_printf(m,
			   "port %u %s%s%s%s unanswered %u tx-pages %u waiting %u pending %u "
			   "held %u events %u lost %llu\n",
			   ep->port ? vmsg_port_number(ep->port) : 0,
			   ep->state == EP_BOUND ? "bound" : "unbound",
			   ep->closed ? " closing" : "", ep->readable ? " readable" : "",
			   ep->stuck ? " stuck" : "", ep->nr_sent, ep->tx_pages, ep->nr_waiting,
			   ep->pending_nr, ep->nr_held, ep->nr_events, ep->events_lost);
	mutex_unlock(&front->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(endpoints);

void debugfs_register(struct vmsg_front *front)
{
	dir = debugfs_create_dir(FRONT_NAME, NULL);
	debugfs_create_file("state", 0400, dir, front, &state_fops);
	debugfs_create_file("endpoints", 0400, dir, front, &endpoints_fops);
}

void debugfs_unregister(void)
{
	debugfs_remove(dir);
}
