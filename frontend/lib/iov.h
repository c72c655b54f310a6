/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages in several pieces, as the application gives them. */
#ifndef XENMSG_IOV_H
#define XENMSG_IOV_H

#include <stddef.h>
#include <sys/uio.h>

/* A place in an array of iovecs. */
struct source {
	const struct iovec *iov, *end;
	size_t offset;
};

/* Bytes in all; SIZE_MAX: more than a message may have. */
size_t iov_total(const struct iovec *iov, int nr);
/* Copies the next @len bytes, which are there. */
void iov_gather(struct source *source, char *to, size_t len);

#endif /* XENMSG_IOV_H */
