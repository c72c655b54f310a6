// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen's vmsg device: messages between the domains of one host; see front.h.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <xen/xen.h>

#include "front.h"

unsigned int front_tx_pages = 512;
module_param_named(tx_pages, front_tx_pages, uint, 0444);
MODULE_PARM_DESC(tx_pages, "pages for sending, 32 to 1024 (512)");

unsigned int front_rx_pages = 512;
module_param_named(rx_pages, front_rx_pages, uint, 0444);
MODULE_PARM_DESC(rx_pages, "pages for receiving, 32 to 1024 (512)");

unsigned int front_buffer_max = 8u << 20;
module_param_named(buffer_max, front_buffer_max, uint, 0644);
MODULE_PARM_DESC(buffer_max, "largest buffer of a port, bytes (8 MiB)");

unsigned int front_area_max = 64;
module_param_named(area_max, front_area_max, uint, 0644);
MODULE_PARM_DESC(area_max, "largest TX area of a file, pages (64)");

unsigned int front_pool_pages = 8192;
module_param_named(pool_pages, front_pool_pages, uint, 0444);
MODULE_PARM_DESC(pool_pages, "pages in map-mode pools of all files (8192)");

static struct vmsg_front *front;

static int __init vmsgfront_init(void)
{
	int r;

	if (!xen_domain())
		return -ENODEV;
	front_tx_pages = clamp(front_tx_pages, 32u, VMSGIF_POOL_PAGES_MAX);
	front_rx_pages = clamp(front_rx_pages, 32u, VMSGIF_POOL_PAGES_MAX);
	front = kvzalloc(sizeof(*front), GFP_KERNEL);
	if (!front)
		return -ENOMEM;
	mutex_init(&front->lock);
	INIT_LIST_HEAD(&front->endpoints);
	INIT_LIST_HEAD(&front->calls);
	INIT_LIST_HEAD(&front->subs);
	INIT_LIST_HEAD(&front->users);
	xa_init_flags(&front->foreign_handles, XA_FLAGS_ALLOC1);
	sent_init(front);
	channel_init(front);
	debugfs_register(front);
	/* Last is what others can open: then nothing fails any more. */
	r = front_bus_register(front);
	if (!r) {
		r = chardev_register(front);
		if (r)
			front_bus_unregister();
	}
	if (r) {
		debugfs_unregister();
		channel_unmake(front);
		kvfree(front);
	}
	return r;
}

/* No file is open: each holds the module. Endpoints that still close are done by the shutdown. */
static void __exit vmsgfront_exit(void)
{
	chardev_unregister();
	front_bus_unregister();
	debugfs_unregister();
	names_free(front);
	channel_unmake(front);
	if (atomic_long_read(&front->busy_grants))
		pr_notice(FRONT_NAME ": %ld pages stay until the other side lets go of them\n",
			  atomic_long_read(&front->busy_grants));
	kvfree(front);
}

module_init(vmsgfront_init);
module_exit(vmsgfront_exit);

MODULE_DESCRIPTION("Xen message device frontend");
MODULE_LICENSE("GPL");
MODULE_ALIAS("xen:vmsg");
