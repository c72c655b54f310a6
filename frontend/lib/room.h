/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room in memory that is divided into pages: runs of them for messages.
 *
 * A room is whole pages in a row, found by the first fit from where the last
 * was found, and named by its first page. What is known of it stands there, so
 * that it costs the same however long it is. A room that is sent is busy until
 * whoever was given it is done.
 */
#ifndef XENMSG_ROOM_H
#define XENMSG_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOM_PAGES_MAX 1024u

struct room {
	uint16_t nr_pages;
	bool busy;
};

struct rooms {
	char *va; /* of the first page */
	unsigned int nr_pages;
	unsigned int nr_free; /* of them */
	unsigned int next;    /* page to look for room from: a free one, or the first of a room */
	uint64_t heads[ROOM_PAGES_MAX / 64]; /* bit per page: it is the first one of a room */
	struct room *rooms;		     /* per first page */
};

/* 1 to ROOM_PAGES_MAX pages, all free; -EINVAL, -ENOMEM. */
int rooms_init(struct rooms *rooms, unsigned int nr_pages);
void rooms_fini(struct rooms *rooms);
/* The first page of a room for @len bytes, or -EAGAIN; -EMSGSIZE: there never is. */
int room_get(struct rooms *rooms, size_t len);
/* The room at page @head, busy or not, is free again; nothing if there is none. */
void room_put(struct rooms *rooms, unsigned int head);
/* The same for @more rooms behind it, too, each of which begins where the one before ends. */
void room_put_run(struct rooms *rooms, unsigned int head, unsigned int more);
/* The first page of the room that [@data, @data + @len) lies in; -EINVAL: none, or it is busy. */
int room_of(const struct rooms *rooms, const void *data, size_t len);
void room_set_busy(struct rooms *rooms, unsigned int head);
/* All that are busy are free again. */
void rooms_put_busy(struct rooms *rooms);

#endif /* XENMSG_ROOM_H */
