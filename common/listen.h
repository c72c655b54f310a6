/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Listening Unix sockets. */
#ifndef XENMSG_COMMON_LISTEN_H
#define XENMSG_COMMON_LISTEN_H

#include <sys/types.h>

/*
 * A listening socket of @type (SOCK_STREAM, SOCK_SEQPACKET) at @path, in the place of
 * one that may be there, with file mode @mode. Its folder is the caller's to protect. A
 * descriptor that does not block, or a negative errno.
 */
int listen_at(const char *path, int type, mode_t mode);

#endif
