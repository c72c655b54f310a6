// SPDX-License-Identifier: GPL-2.0-or-later
/* The driver of fake-kernel.h: the device, names, and ports that begin and end. */
#include "fake-kernel-parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fake_do_info(struct fake_file *file, struct xenmsg_uapi_info *arg)
{
	*arg = fake.info;
	return 0;
}

int fake_do_stats(struct fake_file *file, struct xenmsg_uapi_stats *arg)
{
	*arg = (struct xenmsg_uapi_stats){ .tx_messages = fake.nr_sent, .resets = 3 };
	return 0;
}

static bool is_name(uint32_t len)
{
	return len && len <= XENMSG_UAPI_NAME_MAX;
}

int fake_do_resolve(struct fake_file *file, struct xenmsg_uapi_resolve *arg)
{
	if (!is_name(arg->name_len))
		return -EINVAL;
	if (fake.gone)
		return -EHOSTDOWN;
	arg->addr = fake.resolve.addr;
	arg->port = fake.resolve.port;
	return 0;
}

int fake_do_name(struct fake_file *file, struct xenmsg_uapi_name *arg)
{
	if (arg->reserved)
		return -EINVAL;
	if (fake.gone)
		return -EHOSTDOWN;
	arg->name_len = (uint32_t)strlen(fake.name);
	memcpy(arg->name, fake.name, arg->name_len);
	return 0;
}

int fake_do_subscribe(struct fake_file *file, const struct xenmsg_uapi_subscribe *arg)
{
	if (!is_name(arg->name_len) || arg->flags & ~(uint32_t)XENMSG_SUB_CANCEL || arg->reserved)
		return -EINVAL;
	/* While the device is gone the driver cancels all the same. */
	if (fake.gone && !arg->flags)
		return -EHOSTDOWN;
	fake.subscribe = *arg;
	return 0;
}

/* Whether some file has the number, or had it and that is not over. */
static bool port_taken(uint32_t port)
{
	unsigned int i;

	for (i = 0; i < FAKE_FILES; i++)
		if (fake.files[i].fd >= 0 && fake.files[i].bind.port == port)
			return true;
	for (i = 0; i < fake.nr_leaving; i++)
		if (fake.leaving[i] == port)
			return true;
	return false;
}

int fake_do_bind(struct fake_file *file, const struct xenmsg_uapi_bind *arg)
{
	if (arg->reserved || !arg->port || arg->name_len > XENMSG_UAPI_NAME_MAX)
		return -EINVAL;
	if (arg->buffer > fake.info.buffer_max)
		return -ENOBUFS;
	if (file->bind.port)
		return -EINVAL;
	if (fake.gone)
		return -EHOSTDOWN;
	if (port_taken(arg->port))
		return -EADDRINUSE;
	file->bind = *arg;
	return 0;
}

static bool is_foreign_event(uint32_t type)
{
	return type == XENMSG_EV_POOL_MAP || type == XENMSG_EV_POOL_UNMAP ||
	       type == XENMSG_EV_POOL_FREE;
}

/* What was received, and what pools of others ask for, is forgotten. */
static void forget_received(struct fake_file *file)
{
	unsigned int i, left = 0;

	while (file->nr_msgs) {
		free(file->queue[file->first_msg % FAKE_QUEUE].bytes);
		file->queue[file->first_msg++ % FAKE_QUEUE].bytes = NULL;
		file->nr_msgs--;
	}
	file->nr_handles = 0;
	for (i = 0; i < file->nr_states; i++)
		if (!is_foreign_event(file->states[i].type))
			file->states[left++] = file->states[i];
	file->nr_states = left;
	memset(file->foreign, 0, sizeof(file->foreign));
}

int fake_do_unbind(struct fake_file *file, const struct xenmsg_uapi_unbind *arg)
{
	if (!file->bind.port || arg->reserved)
		return -EINVAL;
	forget_received(file);
	file->unbinding = true;
	if (fake.slow_unbinds && (!arg->timeout || --fake.slow_unbinds))
		return -ETIMEDOUT;
	file->bind.port = 0;
	file->unbinding = false;
	return 0;
}
