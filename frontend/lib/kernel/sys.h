/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The system calls by which the kernel's driver is reached: each is the call of
 * its name, and returns a negative errno where that says -1. They are apart
 * from everything else so that tests can put a driver of their own in the place
 * of this file.
 */
#ifndef XENMSG_SYS_H
#define XENMSG_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* A file of /dev/xenmsg. */
int sys_open(void);
void sys_close(int fd);
int sys_ioctl(int fd, unsigned long request, void *arg);
/* Memory that is shared with the driver; *@out is written on success alone. */
int sys_mmap(int fd, uint64_t offset, size_t bytes, void **out);
int sys_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event);
int sys_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout);

#endif /* XENMSG_SYS_H */
