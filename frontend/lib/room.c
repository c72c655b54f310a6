// SPDX-License-Identifier: LGPL-2.1-or-later
/* See room.h. */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/vmsgif.h>

#define PAGE	  VMSGIF_PAGE_SIZE
#define FREE_PAGE UINT16_MAX

int rooms_init(struct rooms *rooms, unsigned int nr_pages)
{
	*rooms = (struct rooms){ .nr_pages = nr_pages, .nr_free = nr_pages };
	rooms->head = malloc(nr_pages * sizeof(*rooms->head));
	rooms->busy = calloc(nr_pages, sizeof(*rooms->busy));
	if (!rooms->head || !rooms->busy) {
		rooms_fini(rooms);
		return -ENOMEM;
	}
	memset(rooms->head, 0xff, nr_pages * sizeof(*rooms->head));
	return 0;
}

void rooms_fini(struct rooms *rooms)
{
	free(rooms->head);
	free(rooms->busy);
	*rooms = (struct rooms){ 0 };
}

/* The first of @n free pages in a row between pages @from and @to, or @to. */
static unsigned int find(const struct rooms *rooms, unsigned int from, unsigned int to,
			 unsigned int n)
{
	const uint16_t *head = rooms->head;
	unsigned int first = from, i;

	while (first + n <= to) {
		/* From the last one on: the first that is found taken is passed with all before it. */
		for (i = first + n; i > first && head[i - 1] == FREE_PAGE; i--)
			;
		if (i == first)
			return first;
		first = i;
	}
	return to;
}

int room_get(struct rooms *rooms, size_t len)
{
	size_t n = len / PAGE + !!(len % PAGE);
	uint16_t *head = rooms->head;
	unsigned int i, first;

	if (n > rooms->nr_pages)
		return -EMSGSIZE;
	if (n > rooms->nr_free)
		return -EAGAIN;
	first = find(rooms, rooms->next, rooms->nr_pages, (unsigned int)n);
	if (first == rooms->nr_pages) {
		first = find(rooms, 0, rooms->nr_pages, (unsigned int)n);
		if (first == rooms->nr_pages)
			return -EAGAIN;
	}
	for (i = first; i < first + n; i++)
		head[i] = (uint16_t)first;
	rooms->nr_free -= (unsigned int)n;
	rooms->busy[first] = false;
	rooms->next = (unsigned int)((first + n) % rooms->nr_pages);
	return (int)first;
}

void room_put(struct rooms *rooms, unsigned int head)
{
	unsigned int nr = rooms->nr_pages, i;
	uint16_t *heads = rooms->head;

	for (i = head; i < nr && heads[i] == head; i++)
		heads[i] = FREE_PAGE;
	rooms->nr_free += i - head;
}

int room_of(const struct rooms *rooms, const void *data, size_t len)
{
	size_t offset = (size_t)((uintptr_t)data - (uintptr_t)rooms->va);
	size_t last = offset + (len ? len - 1 : 0);
	size_t bytes = (size_t)rooms->nr_pages * PAGE;
	uint16_t head;

	if (offset >= bytes || last < offset || last >= bytes)
		return -EINVAL;
	head = rooms->head[offset / PAGE];
	if (head == FREE_PAGE || head != rooms->head[last / PAGE] || rooms->busy[head])
		return -EINVAL;
	return head;
}

void rooms_put_busy(struct rooms *rooms)
{
	unsigned int i;

	for (i = 0; i < rooms->nr_pages; i++)
		if (rooms->head[i] == i && rooms->busy[i])
			room_put(rooms, i);
}
