// SPDX-License-Identifier: LGPL-2.1-or-later
/* Requests that the broker answers: names and subscriptions. */
#include <string.h>

#include "kernel.h"

int kernel_ask(int fd, unsigned long request, void *arg, int32_t *timeout, int ms)
{
	uint64_t deadline = kernel_deadline(ms);
	int r;

	do {
		*timeout = kernel_left(deadline);
		r = sys_ioctl(fd, request, arg);
	} while (r == -EINTR);
	return r < 0 ? r : 0;
}

int kernel_resolve(struct xenmsg *x, const char *name, size_t len, uint32_t *addr, uint32_t *port,
		   int timeout)
{
	struct xenmsg_uapi_resolve q = { .name_len = (uint32_t)len };
	int r;

	memcpy(q.name, name, len);
	r = kernel_ask(kernel_of(x)->file.fd, XENMSG_IOC_RESOLVE, &q, &q.timeout, timeout);
	if (r)
		return r;
	*addr = q.addr;
	*port = q.port;
	return 0;
}

int kernel_name(struct xenmsg *x, uint32_t addr, char *name, int timeout)
{
	struct xenmsg_uapi_name q = { .addr = addr };
	int r;

	r = kernel_ask(kernel_of(x)->file.fd, XENMSG_IOC_NAME, &q, &q.timeout, timeout);
	if (r)
		return r;
	if (q.name_len > XENMSG_NAME_MAX)
		return -EPROTO;
	memcpy(name, q.name, q.name_len);
	name[q.name_len] = '\0';
	return 0;
}

int kernel_subscribe(struct xenmsg *x, const char *name, size_t len, bool cancel)
{
	struct xenmsg_uapi_subscribe q = {
		.name_len = (uint32_t)len,
		.flags = cancel ? XENMSG_SUB_CANCEL : 0,
	};

	memcpy(q.name, name, len);
	return kernel_ask(kernel_of(x)->file.fd, XENMSG_IOC_SUBSCRIBE, &q, &q.timeout, x->timeout);
}
