// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Generations: the upper half of every address, from one counter of the host.
 *
 * The counter's node is written before the generation is used, so that no crash
 * makes two devices' lives share an address. It starts at a random place, so
 * that a host that lost its xenstore does not give out yesterday's addresses.
 * Only this daemon writes the node, and it holds a lock; so no transaction.
 */
#include "backend/internal.h"

#include "common/num.h"

#include <errno.h>
#include <sys/random.h>

#define GENERATION_PATH HOST_ROOT "/generation"

/* The generation last given away; a random one if nobody knows. */
static int last_generation(struct backend *b, uint16_t *last)
{
	char text[8];
	uint16_t random;
	int len = store_read(b->store, GENERATION_PATH, text, sizeof(text));

	if (len >= 0 && num_parse_u16(text, (size_t)len, 1, UINT16_MAX, last) == 0)
		return 0;
	if (len < 0 && len != -ENOENT && len != -E2BIG)
		return len;
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	*last = (uint16_t)(1 + random % UINT16_MAX);
	return 0;
}

int address_last(struct backend *b, uint16_t *generation)
{
	int r = 0;

	if (b->generation == 0)
		r = last_generation(b, &b->generation);
	*generation = b->generation;
	return r;
}

int address_next(struct backend *b, uint16_t *generation)
{
	uint16_t next;
	int r = address_last(b, &next);

	if (r < 0)
		return r;
	next = b->generation == UINT16_MAX ? 1 : (uint16_t)(b->generation + 1);
	r = store_write_u64(b->store, GENERATION_PATH, next);
	if (r < 0)
		return r;
	b->generation = next;
	*generation = next;
	return 0;
}
