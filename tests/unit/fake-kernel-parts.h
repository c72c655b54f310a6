/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parts of fake-kernel.h's driver.
 *
 * Each ioctl is one function, which is given the file and the argument in the
 * process' memory. It returns what the ioctl does, a negative errno where that
 * says -1.
 */
#ifndef FAKE_KERNEL_PARTS_H
#define FAKE_KERNEL_PARTS_H

#include "fake-kernel.h"

#define PAGE 4096u

static inline void *fake_pointer(uint64_t u64)
{
	return (void *)(uintptr_t)u64;
}

/* fake-kernel.c */
void fake_file_free(struct fake_file *file);
/* Pages that a process may map. Memory that there is none of can be freed, too. */
void fake_memory_new(struct fake_memory *memory, unsigned int nr_pages);
void fake_memory_free(struct fake_memory *memory);

/* fake-kernel-device.c */
int fake_do_info(struct fake_file *file, struct xenmsg_uapi_info *arg);
int fake_do_stats(struct fake_file *file, struct xenmsg_uapi_stats *arg);
int fake_do_resolve(struct fake_file *file, struct xenmsg_uapi_resolve *arg);
int fake_do_name(struct fake_file *file, struct xenmsg_uapi_name *arg);
int fake_do_subscribe(struct fake_file *file, const struct xenmsg_uapi_subscribe *arg);
int fake_do_bind(struct fake_file *file, const struct xenmsg_uapi_bind *arg);
int fake_do_unbind(struct fake_file *file, const struct xenmsg_uapi_unbind *arg);

/* fake-kernel-send.c */
int fake_do_send(struct fake_file *file, const struct xenmsg_uapi_send *arg);
int fake_do_flush(struct fake_file *file, struct xenmsg_uapi_flush *arg);
int fake_do_area(struct fake_file *file, const struct xenmsg_uapi_area *arg);

/* fake-kernel-recv.c */
int fake_do_recv(struct fake_file *file, const struct xenmsg_uapi_recv *arg);
int fake_do_release(struct fake_file *file, const struct xenmsg_uapi_release *arg);
int fake_do_events(struct fake_file *file, const struct xenmsg_uapi_events *arg);

/* fake-kernel-pools.c */
int fake_do_pool_add(struct fake_file *file, struct xenmsg_uapi_pool_add *arg);
int fake_do_pool_del(struct fake_file *file, const struct xenmsg_uapi_pool_del *arg);
int fake_do_pool_mapped(struct fake_file *file, const struct xenmsg_uapi_pool_mapped *arg);

#endif /* FAKE_KERNEL_PARTS_H */
