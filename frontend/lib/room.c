// SPDX-License-Identifier: LGPL-2.1-or-later
/* See room.h. */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/vmsgif.h>

#define PAGE VMSGIF_PAGE_SIZE

_Static_assert(ROOM_PAGES_MAX == VMSGIF_POOL_PAGES_MAX, "what has rooms is as large as a pool");

int rooms_init(struct rooms *rooms, unsigned int nr_pages)
{
	*rooms = (struct rooms){ 0 };
	if (!nr_pages || nr_pages > ROOM_PAGES_MAX)
		return -EINVAL;
	rooms->nr_pages = rooms->nr_free = nr_pages;
	rooms->rooms = calloc(nr_pages, sizeof(*rooms->rooms));
	return rooms->rooms ? 0 : -ENOMEM;
}

void rooms_fini(struct rooms *rooms)
{
	free(rooms->rooms);
	*rooms = (struct rooms){ 0 };
}

static bool is_head(const struct rooms *rooms, unsigned int page)
{
	return rooms->heads[page / 64] >> page % 64 & 1;
}

/* The first room that begins at @page or behind it, or @to, which is not before @page. */
static unsigned int head_from(const struct rooms *rooms, unsigned int page, unsigned int to)
{
	uint64_t bits;

	for (; page < to; page = (page | 63) + 1) {
		bits = rooms->heads[page / 64] >> page % 64;
		if (bits) {
			page += (unsigned int)__builtin_ctzll(bits);
			break;
		}
	}
	return page < to ? page : to;
}

/* The last room that begins at @page or before it, or -1. */
static int head_before(const struct rooms *rooms, unsigned int page)
{
	unsigned int i = page / 64;
	uint64_t bits = rooms->heads[i] << (63 - page % 64);

	if (bits)
		return (int)page - __builtin_clzll(bits);
	while (i--)
		if (rooms->heads[i])
			return (int)(i * 64 + 63) - __builtin_clzll(rooms->heads[i]);
	return -1;
}

/* The first of @n free pages in a row between pages @from, where no room goes on, and @to; or @to. */
static unsigned int find(const struct rooms *rooms, unsigned int from, unsigned int to,
			 unsigned int n)
{
	unsigned int page = from, head;

	while (page + n <= to) {
		head = head_from(rooms, page, to);
		if (head - page >= n)
			return page;
		if (head == to)
			break;
		page = head + rooms->rooms[head].nr_pages;
	}
	return to;
}

int room_get(struct rooms *rooms, size_t len)
{
	size_t n = len / PAGE + !!(len % PAGE);
	unsigned int first;

	if (n > rooms->nr_pages)
		return -EMSGSIZE;
	if (!n || n > rooms->nr_free)
		return -EAGAIN;
	first = find(rooms, rooms->next, rooms->nr_pages, (unsigned int)n);
	if (first == rooms->nr_pages)
		first = find(rooms, 0, rooms->nr_pages, (unsigned int)n);
	if (first == rooms->nr_pages)
		return -EAGAIN;
	rooms->heads[first / 64] |= UINT64_C(1) << first % 64;
	rooms->rooms[first] = (struct room){ .nr_pages = (uint16_t)n };
	rooms->nr_free -= (unsigned int)n;
	/* No other room is found across it before it moves again. */
	rooms->next = (unsigned int)((first + n) % rooms->nr_pages);
	return (int)first;
}

void room_put(struct rooms *rooms, unsigned int head)
{
	if (head >= rooms->nr_pages || !is_head(rooms, head))
		return;
	rooms->heads[head / 64] &= ~(UINT64_C(1) << head % 64);
	rooms->nr_free += rooms->rooms[head].nr_pages;
}

void room_put_run(struct rooms *rooms, unsigned int head, unsigned int more)
{
	unsigned int next;

	do {
		next = head + rooms->rooms[head].nr_pages;
		room_put(rooms, head);
		head = next;
	} while (more-- && head < rooms->nr_pages);
}

void room_set_busy(struct rooms *rooms, unsigned int head)
{
	rooms->rooms[head].busy = true;
}

int room_of(const struct rooms *rooms, const void *data, size_t len)
{
	size_t offset = (size_t)((uintptr_t)data - (uintptr_t)rooms->va);
	size_t last = offset + (len ? len - 1 : 0);
	size_t bytes = (size_t)rooms->nr_pages * PAGE;
	int head;

	if (offset >= bytes || last < offset || last >= bytes)
		return -EINVAL;
	head = head_before(rooms, (unsigned int)(offset / PAGE));
	if (head < 0 || rooms->rooms[head].busy ||
	    last / PAGE >= (unsigned int)head + rooms->rooms[head].nr_pages)
		return -EINVAL;
	return head;
}

void rooms_put_busy(struct rooms *rooms)
{
	unsigned int i;

	for (i = head_from(rooms, 0, rooms->nr_pages); i < rooms->nr_pages;
	     i = head_from(rooms, i + 1, rooms->nr_pages))
		if (rooms->rooms[i].busy)
			room_put(rooms, i);
}
