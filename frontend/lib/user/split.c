// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Batches that came in: each is taken apart in place, as its messages are asked
 * for, and is the engine's again when all of them are released.
 */
#include <stdlib.h>

#include "front.h"

bool split_room(struct front_port *port)
{
	struct split *split;

	if (LIKELY(port->free_splits))
		return true;
	split = calloc(1, sizeof(*split));
	if (!split)
		return false;
	split->next_all = port->splits;
	port->splits = split;
	port->free_splits = split;
	return true;
}

void splits_free(struct front_port *port)
{
	struct split *next;

	while (port->splits) {
		next = port->splits->next_all;
		free(port->splits);
		port->splits = next;
	}
}

void split_begin(struct front_port *port, struct vmsg_msg *msg, const struct vmsg_info *info)
{
	struct split *split = port->free_splits;

	port->free_splits = split->next_free;
	split->msg = msg;
	split->info = *info;
	split->given = 0;
	split->left = 0;
	split->piece = 0;
	split->unreleased = VMSGIF_BATCH_COUNT(info->len, info->each);
	split->seq = info->seq - split->unreleased + 1;
	front_pieces(port, msg, split->pieces, BATCH_PAGES);
	port->split = split;
}

/* Past the message @out, which gets its data if that is in one piece. */
static void step(struct split *split, struct front_msg *out)
{
	uint32_t len = out->base.len;

	split->given += len;
	if (!split->left)
		split_turn(split);
	out->base.data = len <= split->left ? split->next : NULL;
	while (len > split->left) {
		len -= split->left;
		split_turn(split);
	}
	split->next += len;
	split->left -= len;
}

void split_next(struct front_port *port, struct front_msg *out)
{
	struct split *split = port->split;
	const struct vmsg_info *info = &split->info;
	uint32_t left = info->len - split->given;

	out->split = split;
	out->offset = split->given;
	out->base.addr = info->addr;
	out->base.src_port = info->src_port;
	out->base.len = left < info->each ? left : info->each;
	out->base.mapped = false;
	out->base.seq = split->seq++;
	step(split, out);
	if (split->given == info->len)
		port->split = NULL;
}

void split_put(struct front_port *port, struct split *split)
{
	split->next_free = port->free_splits;
	port->free_splits = split;
}

bool split_piece(const struct front_msg *msg, uint32_t *cursor, const void **data, uint32_t *len)
{
	const struct split *split = msg->split;
	uint32_t at = msg->offset + *cursor;
	uint32_t left = msg->base.len - *cursor;
	unsigned int i;

	if (!left)
		return false;
	for (i = 0; at >= split->pieces[i].iov_len; i++)
		at -= (uint32_t)split->pieces[i].iov_len;
	*data = (const char *)split->pieces[i].iov_base + at;
	*len = (uint32_t)split->pieces[i].iov_len - at;
	if (*len > left)
		*len = left;
	*cursor += *len;
	return true;
}
