// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Memory to write messages into.
 *
 * Best are pages of the device, the TX area of the port's file: what is written
 * there is not copied any more. It is asked for when it is wanted first, and as
 * large as it can be had. What it has no room for, and what is so short that
 * a copy is cheaper than to be told when the page can be used again, goes into
 * ordinary memory, and is copied when it is sent.
 *
 * A struct xenmsg_buffer holds in opaque[]: how many pages there are (0: the
 * buffer is not in use), whether they are the area's, and the first one, or the
 * number of the ordinary memory. The application can write to all of this; it
 * is checked, as are the pieces.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "kernel.h"

#define PAGE KERNEL_PAGE

enum { OPAQUE_PAGES, OPAQUE_AREA, OPAQUE_WHICH };

/* Ordinary memory of a buffer. */
struct heap {
	struct list link; /* port->heap */
	uint32_t id;
	char *va;
};

static void heap_free(struct heap *heap)
{
	list_del(&heap->link);
	free(heap->va);
	free(heap);
}

static struct heap *heap_new(struct kport *port, size_t pages)
{
	struct heap *heap = malloc(sizeof(*heap));

	if (!heap)
		return NULL;
	heap->va = aligned_alloc(PAGE, pages * PAGE);
	if (!heap->va) {
		free(heap);
		return NULL;
	}
	list_init(&heap->link);
	list_add_tail(&port->heap, &heap->link);
	heap->id = port->heap_id++;
	return heap;
}

static struct heap *heap_find(const struct kport *port, uint32_t id)
{
	struct heap *heap;

	list_for_each_entry(heap, &port->heap, link)
		if (heap->id == id)
			return heap;
	return NULL;
}

/* -------------------------------------------------------------------- area */

static int map_area(struct kport *port, unsigned int nr)
{
	void *va;
	int r;

	r = rooms_init(&port->area, nr);
	if (r)
		return r;
	r = kfile_mmap(&port->file, XENMSG_MMAP_AREA, nr, &va);
	if (r)
		rooms_fini(&port->area);
	else
		port->area.va = va;
	return r;
}

/* Once. As much as the driver gives, which may be nothing. */
static void make_area(struct kport *port)
{
	struct xenmsg_uapi_area a = { .nr_pages = kport_kernel(port)->area_pages };
	int r = -ENOBUFS;

	for (; a.nr_pages > 1 && r == -ENOBUFS; a.nr_pages /= 2) {
		r = sys_ioctl(port->file.fd, XENMSG_IOC_AREA, &a);
		if (r >= 0)
			r = map_area(port, a.nr_pages);
	}
	/* Without the device there may be one later. */
	port->no_area = r && r != -EHOSTDOWN;
}

/* The first page of a room in it, or -EAGAIN. */
static int area_get(struct kport *port, size_t len)
{
	int head;

	if (len <= PAGE)
		return -EAGAIN;
	if (!port->area.nr_pages && !port->no_area)
		make_area(port);
	if (len > (size_t)port->area.nr_pages * PAGE)
		return -EAGAIN;
	head = room_get(&port->area, len);
	if (head >= 0)
		return head;
	/* Room that is back may not have been heard of. */
	kernel_serve(kport_kernel(port));
	kport_recover(port);
	return room_get(&port->area, len);
}

void kbuffers_free(struct kport *port)
{
	struct heap *heap, *next;

	list_for_each_entry_safe(heap, next, &port->heap, link)
		heap_free(heap);
	if (!port->area.nr_pages)
		return;
	munmap(port->area.va, (size_t)port->area.nr_pages * PAGE);
	rooms_fini(&port->area);
}

/* ----------------------------------------------------------------- buffers */

int kernel_buffer_get(struct xenmsg_port *base, size_t len, struct xenmsg_buffer *buffer,
		      unsigned int flags)
{
	struct kport *port = kport_of(base);
	size_t i, nr = (len + PAGE - 1) / PAGE;
	int head = area_get(port, len);
	struct heap *heap;
	char *va;

	kernel_leave(kport_kernel(port));
	if (head >= 0) {
		va = port->area.va + (size_t)head * PAGE;
		buffer->opaque[OPAQUE_WHICH] = (uint32_t)head;
	} else {
		heap = heap_new(port, nr);
		if (!heap)
			return -ENOMEM;
		va = heap->va;
		buffer->opaque[OPAQUE_WHICH] = heap->id;
	}
	buffer->opaque[OPAQUE_AREA] = head >= 0;
	buffer->opaque[OPAQUE_PAGES] = (uint32_t)nr;
	buffer->nr = (int)nr;
	for (i = 0; i < nr; i++, len -= PAGE)
		buffer->iov[i] = (struct iovec){ va + i * PAGE, len < PAGE ? len : PAGE };
	return 0;
}

/* Where its pages are, and in *@heap what they are part of; NULL: it is no buffer. */
static char *place(const struct kport *port, const struct xenmsg_buffer *buffer, struct heap **heap)
{
	uint32_t which = buffer->opaque[OPAQUE_WHICH], nr = buffer->opaque[OPAQUE_PAGES];
	char *va;

	*heap = NULL;
	if (!nr || nr > XENMSG_SEGMENTS_MAX - 1)
		return NULL;
	if (!buffer->opaque[OPAQUE_AREA]) {
		*heap = heap_find(port, which);
		return *heap ? (*heap)->va : NULL;
	}
	if (which >= port->area.nr_pages)
		return NULL;
	va = port->area.va + (size_t)which * PAGE;
	return room_of(&port->area, va, (size_t)nr * PAGE) == (int)which ? va : NULL;
}

/* Whether the pieces are those of the buffer; *@len: bytes, *@row: they are in a row. */
static bool check(const struct xenmsg_buffer *buffer, const char *va, size_t *len, bool *row)
{
	int i;

	if (buffer->nr < 1 || (uint32_t)buffer->nr > buffer->opaque[OPAQUE_PAGES])
		return false;
	*len = 0;
	*row = true;
	for (i = 0; i < buffer->nr; i++) {
		if (!buffer->iov[i].iov_len || buffer->iov[i].iov_len > PAGE ||
		    buffer->iov[i].iov_base != va + (size_t)i * PAGE)
			return false;
		*row &= *len == (size_t)i * PAGE;
		*len += buffer->iov[i].iov_len;
	}
	return true;
}

int kernel_buffer_send(struct xenmsg_port *base, uint32_t addr, uint32_t number,
		       struct xenmsg_buffer *buffer, unsigned int flags, uint64_t *seq)
{
	struct xenmsg_uapi_tx tx = { .addr = addr, .port = number };
	struct kport *port = kport_of(base);
	struct heap *heap;
	char *va = place(port, buffer, &heap);
	unsigned int head = buffer->opaque[OPAQUE_WHICH];
	bool row, in_place;
	size_t len;
	int r;

	if (!va || !check(buffer, va, &len, &row))
		return -EINVAL;
	tx.len = (uint32_t)len;
	in_place = !heap && row;
	if (in_place) {
		tx.data = (uint64_t)head * PAGE;
		tx.flags = XENMSG_TX_AREA | XENMSG_TX_CONFIRM;
		tx.cookie = COOKIE_AREA | COOKIE_ROOM(head);
	} else if (row) {
		tx.data = kernel_u64(va);
	} else {
		ktx_pieces(&tx, buffer->iov, buffer->nr);
	}
	r = kport_send(port, &tx, flags, seq);
	if (!r) {
		buffer->opaque[OPAQUE_PAGES] = 0;
		if (in_place)
			room_set_busy(&port->area, head);
		else if (heap)
			heap_free(heap);
		else
			room_put(&port->area, head);
	}
	kernel_leave(kport_kernel(port));
	return r;
}

void kernel_buffer_put(struct xenmsg_port *base, struct xenmsg_buffer *buffer)
{
	struct kport *port = kport_of(base);
	struct heap *heap;

	if (!place(port, buffer, &heap))
		return;
	if (heap)
		heap_free(heap);
	else
		room_put(&port->area, buffer->opaque[OPAQUE_WHICH]);
	buffer->opaque[OPAQUE_PAGES] = 0;
}
