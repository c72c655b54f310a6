/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room in memory that is divided into pages: runs of them for messages.
 *
 * A room is whole pages in a row, found by the first fit from where the last
 * was found. Each page knows the first page of its room, by which rooms are
 * named. A room that is sent is busy until whoever was given it is done.
 */
#ifndef XENMSG_ROOM_H
#define XENMSG_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rooms {
	char *va; /* of the first page */
	unsigned int nr_pages;
	unsigned int nr_free; /* of them */
	unsigned int next;    /* page to look for room from */
	uint16_t *head;	      /* per page: the first page of the room it belongs to */
	bool *busy;	      /* per first page */
};

/* 1 to 1024 pages, all free; -ENOMEM. */
int rooms_init(struct rooms *rooms, unsigned int nr_pages);
void rooms_fini(struct rooms *rooms);
/* The first page of a room for @len bytes, or -EAGAIN; -EMSGSIZE: there never is. */
int room_get(struct rooms *rooms, size_t len);
/* The room at page @head, busy or not, is free again. */
void room_put(struct rooms *rooms, unsigned int head);
/* The first page of the room that [@data, @data + @len) lies in; -EINVAL: none, or it is busy. */
int room_of(const struct rooms *rooms, const void *data, size_t len);
/* All that are busy are free again. */
void rooms_put_busy(struct rooms *rooms);

#endif /* XENMSG_ROOM_H */
