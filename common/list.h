/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Intrusive doubly linked lists.
 *
 * The same `struct list` is a list's head and an element's link.  The list owns nothing: who
 * puts an element on it keeps the element alive while it is there.  An initialised link that is
 * on no list points to itself, and list_del() leaves it so: taking an element off twice is
 * harmless, and list_empty() of a link tells whether the element is on a list.
 */
#ifndef XENMSG_COMMON_LIST_H
#define XENMSG_COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/macros.h"

struct list {
	struct list *next;
	struct list *prev;
};

/* For a head or link that is defined together with its value: `struct list l = LIST_INIT(l)`. */
#define LIST_INIT(name)                          \
	{                                        \
		.next = &(name), .prev = &(name) \
	}

/* Makes a head empty, or a link one that is on no list.  To be called before any other use. */
static inline void list_init(struct list *list)
{
	list->next = list;
	list->prev = list;
}

/* True if the head has no elements (or the link is on no list). */
static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

/* Not for callers: puts the link, which is on no list, between two neighbours. */
static inline void list_insert_(struct list *link, struct list *prev, struct list *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

/* Adds the link, which must be on no list, as the first (right after `head`). */
static inline void list_add_head(struct list *head, struct list *link)
{
	list_insert_(link, head, head->next);
}

/* Adds the link, which must be on no list, as the last (right before `head`). */
static inline void list_add_tail(struct list *head, struct list *link)
{
	list_insert_(link, head->prev, head);
}

/* Takes an initialised link off the list it is on, if it is on one. */
static inline void list_del(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

/* Moves a link from where it is to the end of the list `head`. */
static inline void list_move_tail(struct list *head, struct list *link)
{
	list_del(link);
	list_add_tail(head, link);
}

/* Moves all elements of `from` to the end of `head`, in their order.  `from` is empty then. */
static inline void list_splice_tail(struct list *head, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = head->prev;
	head->prev->next = from->next;
	from->prev->next = head;
	head->prev = from->prev;
	list_init(from);
}

/* Moves all elements of `from` to the start of `head`, in their order.  `from` is empty then. */
static inline void list_splice_head(struct list *head, struct list *from)
{
	list_splice_tail(head->next, from);
}

/* The first or last link of a list, or NULL if it is empty. */
static inline struct list *list_first(const struct list *head)
{
	return list_empty(head) ? NULL : head->next;
}

static inline struct list *list_last(const struct list *head)
{
	return list_empty(head) ? NULL : head->prev;
}

/* Number of elements, by walking. */
static inline size_t list_count(const struct list *head)
{
	size_t n = 0;

	for (const struct list *link = head->next; link != head; link = link->next)
		n++;
	return n;
}

/* The element whose member `member` is the link `ptr`. */
#define list_entry(ptr, type, member) CONTAINER_OF(ptr, type, member)

/* The first element of a list that is not empty. */
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)  list_entry((head)->prev, type, member)

/* Walks the links.  The list must not change meanwhile. */
#define list_for_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* Walks the elements, each in `pos`, a pointer to the structure. */
#define list_for_each_entry(pos, head, member)                             \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member); \
	     &(pos)->member != (head);                                     \
	     (pos) = list_entry((pos)->member.next, __typeof__(*(pos)), member))

/* The same, when the body may take `pos` itself (no other) off the list or free it. */
#define list_for_each_entry_safe(pos, tmp, head, member)                        \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member),      \
	    (tmp) = list_entry((pos)->member.next, __typeof__(*(pos)), member); \
	     &(pos)->member != (head);                                          \
	     (pos) = (tmp), (tmp) = list_entry((tmp)->member.next, __typeof__(*(tmp)), member))

#endif
