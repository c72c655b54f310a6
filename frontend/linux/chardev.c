// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/xenmsg: see include/uapi/linux/xenmsg.h. The structures are the same for
 * 32-bit processes, so there is one ioctl handler for both.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "front.h"

static struct vmsg_front *the_front;

/* No holes, and the same for 32-bit processes. */
static_assert(sizeof(struct xenmsg_uapi_info) == 32);
static_assert(sizeof(struct xenmsg_uapi_stats) == 120);
static_assert(sizeof(struct xenmsg_uapi_resolve) == 144);
static_assert(sizeof(struct xenmsg_uapi_name) == 144);
static_assert(sizeof(struct xenmsg_uapi_subscribe) == 144);
static_assert(sizeof(struct xenmsg_uapi_bind) == 152);
static_assert(sizeof(struct xenmsg_uapi_tx) == 40);
static_assert(sizeof(struct xenmsg_uapi_rx) == 40);
static_assert(sizeof(struct xenmsg_uapi_recv) == 32);
static_assert(sizeof(struct xenmsg_uapi_pool_add) == 32);
static_assert(sizeof(struct xenmsg_uapi_event) == 176);

static int chardev_open(struct inode *inode, struct file *file)
{
	struct endpoint *ep;
	int r = front_bus_claim(the_front);

	if (r)
		return r;
	ep = endpoint_open(the_front);
	if (IS_ERR(ep))
		return PTR_ERR(ep);
	file->private_data = ep;
	return nonseekable_open(inode, file);
}

static int chardev_release(struct inode *inode, struct file *file)
{
	endpoint_close(file->private_data);
	return 0;
}

static long get_info(struct endpoint *ep, struct xenmsg_uapi_info __user *arg)
{
	struct vmsg_front *front = ep->front;
	struct xenmsg_uapi_info info;
	long left;
	int r = 0;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	r = front_bus_claim(front);
	if (r)
		return r;
	left = front_jiffies(info.timeout);
	front_lock(front);
	/* What comes of the connection wakes every endpoint. */
	while (!r && front->phase != FRONT_CONNECTED && left)
		r = front_sleep(ep, &left);
	info = (struct xenmsg_uapi_info){
		.timeout = info.timeout,
		.version = XENMSG_UAPI_VERSION,
		.max_message = front->features.max_message,
		.area_pages = READ_ONCE(front_area_max),
		.buffer_max = READ_ONCE(front_buffer_max),
	};
	if (front->dev)
		info.flags = XENMSG_INFO_DEVICE;
	if (front->phase == FRONT_CONNECTED) {
		info.flags |= XENMSG_INFO_CONNECTED | (front->features.map ? XENMSG_INFO_MAP : 0);
		info.addr = vmsg_address(front->v);
	}
	front_unlock(front);
	if (r == -ERESTARTSYS || r == -EINTR)
		return r;
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long get_stats(struct endpoint *ep, struct xenmsg_uapi_stats __user *arg)
{
	struct vmsg_front *front = ep->front;
	struct xenmsg_uapi_stats out = {};
	struct vmsg_stats s = {};

	front_lock(front);
	if (front->v)
		vmsg_stats_get(front->v, &s);
	out.events_received = front->events_received;
	mutex_unlock(&front->lock);
	out.tx_messages = s.tx_messages;
	out.tx_bytes = s.tx_bytes;
	out.tx_failed = s.tx_failed;
	out.tx_resubmitted = s.tx_resubmitted;
	out.tx_inline = s.tx_inline;
	out.tx_pooled = s.tx_pooled;
	out.tx_granted = s.tx_granted;
	out.tx_mapped = s.tx_mapped;
	out.rx_messages = s.rx_messages;
	out.rx_bytes = s.rx_bytes;
	out.rx_repeated = s.rx_repeated;
	out.rx_copied_out = s.rx_copied_out;
	out.events_sent = s.events;
	out.resets = s.resets;
	return copy_to_user(arg, &out, sizeof(out)) ? -EFAULT : 0;
}

static long chardev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct endpoint *ep = file->private_data;
	void __user *p = (void __user *)arg;
	bool nonblock = file->f_flags & O_NONBLOCK;

	switch (cmd) {
	case XENMSG_IOC_SEND:
		return send_messages(ep, p, nonblock);
	case XENMSG_IOC_RECV:
		return recv_messages(ep, p, nonblock);
	case XENMSG_IOC_EVENTS:
		return event_fetch(ep, p, nonblock);
	case XENMSG_IOC_RELEASE:
		return recv_release(ep, p);
	case XENMSG_IOC_INFO:
		return get_info(ep, p);
	case XENMSG_IOC_STATS:
		return get_stats(ep, p);
	case XENMSG_IOC_RESOLVE:
		return name_resolve(ep, p);
	case XENMSG_IOC_NAME:
		return name_of(ep, p);
	case XENMSG_IOC_SUBSCRIBE:
		return name_subscribe(ep, p);
	case XENMSG_IOC_BIND:
		return endpoint_bind(ep, p);
	case XENMSG_IOC_UNBIND:
		return endpoint_unbind(ep, p);
	case XENMSG_IOC_FLUSH:
		return send_flush(ep, p);
	case XENMSG_IOC_AREA:
		return area_make(ep, p);
	case XENMSG_IOC_POOL_ADD:
		return pool_add(ep, p);
	case XENMSG_IOC_POOL_DEL:
		return pool_del(ep, p);
	case XENMSG_IOC_POOL_MAPPED:
		return pool_mapped(ep, p);
	default:
		return -ENOTTY;
	}
}

static __poll_t chardev_poll(struct file *file, poll_table *wait)
{
	struct endpoint *ep = file->private_data;
	struct vmsg_front *front = ep->front;
	__poll_t mask = 0;

	poll_wait(file, &ep->wq, wait);
	front_lock(front);
	/* Whoever polls is about to sleep: a good time for what is lazy. */
	front_service(front, true);
	if (ep->readable || ep->pending_nr)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (event_pending(ep))
		mask |= EPOLLIN | EPOLLPRI;
	if (!ep->stuck)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (front->v && front_usable(front))
		mask |= EPOLLERR | EPOLLHUP;
	front_unlock(front);
	return mask;
}

static int chardev_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct endpoint *ep = file->private_data;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (offset == XENMSG_MMAP_AREA)
		return area_mmap(ep, vma);
	if (offset % XENMSG_MMAP_POOL(0) || offset > XENMSG_MMAP_POOL(VMSGIF_MAP_POOLS_MAX - 1))
		return -EINVAL;
	return pool_mmap(ep, offset / XENMSG_MMAP_POOL(0) - 1, vma);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.unlocked_ioctl = chardev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = chardev_poll,
	.mmap = chardev_mmap,
	.llseek = noop_llseek,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "xenmsg",
	.fops = &fops,
	.mode = 0600, /* a rule of udev gives it to a group */
};

int chardev_register(struct vmsg_front *front)
{
	the_front = front;
	return misc_register(&device);
}

void chardev_unregister(void)
{
	misc_deregister(&device);
}
