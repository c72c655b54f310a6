/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the application has to be told of.
 *
 * xenmsg_dispatch() and xenmsg_wait() tell it to look everywhere, other
 * functions do not. What those come across for another port, or an event, is
 * noted; before they return, the application's descriptor, of which @fd is a
 * part, is made readable, and stays so until one of the two has told. As long as
 * the application has not asked for the descriptor, that costs nothing.
 */
#ifndef XENMSG_NOTICE_H
#define XENMSG_NOTICE_H

#include <stdbool.h>

struct notice {
	int fd;		 /* an eventfd; -1: none */
	bool polled;	 /* the application has its descriptor */
	bool unreported; /* something came that it was not told of */
	bool signalled;	 /* fd is readable for that */
};
#define NOTICE_NULL      \
	{                \
		.fd = -1 \
	}

/* 0 or a negative errno. */
int notice_open(struct notice *notice);
void notice_close(struct notice *notice);
/* The application has been told. */
void notice_told(struct notice *notice);
void notice_signal(struct notice *notice);
/* Back to the application: what it was not told of has to wake it. */
static inline void notice_leave(struct notice *notice)
{
	if (notice->unreported && notice->polled && !notice->signalled)
		notice_signal(notice);
}

#endif /* XENMSG_NOTICE_H */
