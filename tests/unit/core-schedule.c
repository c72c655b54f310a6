/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of random schedules, and their broker that dies; see core-schedule.h. */
#include "tests/unit/core-schedule.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct schedule schedule;

void schedule_new_pool_memory(unsigned int dev, unsigned int id)
{
	struct wpool *pool = &schedule.dev[dev].pools[id];
	void **memory = &schedule.b.dev[dev].pools[id];

	if (pool->fd > 0) {
		munmap(*memory, POOL_SIZE);
		close(pool->fd);
	} else {
		free(*memory);
	}
	pool->fd = memfd_create("pool", 0);
	ck_assert_int_gt(pool->fd, 0);
	ck_assert_int_eq(ftruncate(pool->fd, POOL_SIZE), 0);
	*memory = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, pool->fd, 0);
	ck_assert_ptr_ne(*memory, MAP_FAILED);
}

void schedule_dev_init(unsigned int i)
{
	struct wdev *d = &schedule.dev[i];
	struct broker_dev *bd = &schedule.b.dev[i];
	size_t size;
	void *memory;

	d->params = (struct vmsg_params){
		.ops = &schedule_ops,
		.priv = d,
		.ring_order = schedule.order,
		.nr_tx_pages = BROKER_PAGES,
		.tx_pages = bd->tx_pages,
		.tx_grefs = bd->tx_grefs,
		.tx_directory = 1,
		.nr_rx_pages = BROKER_PAGES,
		.rx_pages = bd->rx_pages,
		.rx_grefs = bd->rx_grefs,
		.rx_directory = 2,
		.max_ports = PORTS,
		.max_flows = 64,
		.max_pools = FOREIGN,
		.max_subscriptions = 4,
		.copy_out = 256,
		.seq_start = 1,
	};
	size = vmsg_size(&d->params);
	memory = aligned_alloc(64, size);
	memset(memory, 0, size);
	d->v = vmsg_init(memory, &d->params);
	bd->v = d->v;
	bd->slots = VMSGIF_RING_SLOTS(schedule.order);
	bd->tx_ring = aligned_alloc(4096, VMSGIF_RING_BYTES(schedule.order));
	bd->rx_ring = aligned_alloc(4096, VMSGIF_RING_BYTES(schedule.order));
	for (unsigned int p = 0; p < PORTS; p++) {
		d->ports[p].memory = aligned_alloc(64, PORT_SIZE);
		d->ports[p].port = aligned_alloc(64, (vmsg_port_size() + 63) & ~(size_t)63);
		vmsg_port_init(d->v, d->ports[p].port, d->ports[p].memory, PORT_SIZE, NULL);
	}
	for (unsigned int p = 0; p < BROKER_POOLS; p++)
		schedule_new_pool_memory(i, p);
	d->attach = true;
}

void schedule_dev_deinit(unsigned int i)
{
	struct wdev *d = &schedule.dev[i];

	for (unsigned int p = 0; p < PORTS; p++) {
		vmsg_port_fini(d->v, d->ports[p].port);
		free(d->ports[p].port);
		free(d->ports[p].memory);
	}
	for (unsigned int p = 0; p < BROKER_POOLS; p++) {
		munmap(schedule.b.dev[i].pools[p], POOL_SIZE);
		close(d->pools[p].fd);
		schedule.b.dev[i].pools[p] = NULL;
	}
	free(schedule.b.dev[i].tx_ring);
	free(schedule.b.dev[i].rx_ring);
	free(d->v);
}

void schedule_publish(struct wdev *d)
{
	vmsg_publish(d->v, rnd(2));
	ck_assert_ptr_null(vmsg_broken(d->v));
}

void schedule_poll_dev(struct wdev *d, unsigned int budget)
{
	vmsg_poll(d->v, budget);
	ck_assert_msg(!vmsg_broken(d->v), "%s", vmsg_broken(d->v));
	schedule_unmap(d);
}

void schedule_attach(unsigned int i)
{
	struct wdev *d = &schedule.dev[i];
	struct vmsg_features features = schedule.b.features;

	if (vmsg_is_connected(d->v))
		vmsg_disconnected(d->v);
	ck_assert_msg(!vmsg_broken(d->v), "%s", vmsg_broken(d->v));
	vmsg_ring_init(d->v, schedule.b.dev[i].tx_ring, schedule.b.dev[i].rx_ring);
	broker_attach(&schedule.b, i);
	features.addr = schedule.b.dev[i].addr;
	vmsg_connected(d->v, &features);
	schedule_publish(d);
	d->attach = false;
}

static void broker_died(void)
{
	schedule.b.features.flow_window = 1 + rnd(12);
	schedule.b.no_pools = rnd(3) == 0;
	for (unsigned int i = 0; i < DEVS; i++)
		schedule.dev[i].attach = true;
}

void schedule_turn(void)
{
	static const unsigned int quotas[] = { 0, 1, 3, 1000 };
	unsigned int die = rnd(60) ? 0 : 1 + rnd(BROKER_STEPS);

	broker_turn(&schedule.b, quotas[rnd(4)], die);
	if (die)
		broker_died();
}
