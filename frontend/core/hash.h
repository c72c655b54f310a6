/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * A hash table of a fixed number of entries, all of which are always there:
 * what is needed anew takes the place of an entry that its user thinks least
 * of. Key 0 means unused. Entries are the first member of something larger.
 *
 * It is off the hot path: users keep a pointer to the entry they used last and
 * compare its key.
 */
#ifndef XENMSG_CORE_HASH_H
#define XENMSG_CORE_HASH_H

#include "common/xen-compat.h"

#define VMSG_HASH_END UINT32_MAX

struct vmsg_entry {
	uint64_t key;
	uint32_t next; /* index of the next one in the bucket */
};

struct vmsg_hash {
	uint32_t *buckets; /* [1 << bits] */
	uint8_t *entries;  /* [nr] of stride bytes */
	uint32_t nr, stride, bits;
	uint32_t hand; /* where the search for an entry to replace goes on */
};

/* Empties the table; the pointers and numbers are set. */
void vmsg_hash_clear(struct vmsg_hash *hash);
struct vmsg_entry *vmsg_hash_find(const struct vmsg_hash *hash, uint64_t key);
/* @entry, which is in use or not, stands for @key (not in the table yet) from now on. */
void vmsg_hash_replace(struct vmsg_hash *hash, struct vmsg_entry *entry, uint64_t key);
void vmsg_hash_remove(struct vmsg_hash *hash, struct vmsg_entry *entry);

static inline struct vmsg_entry *vmsg_hash_at(const struct vmsg_hash *hash, uint32_t index)
{
	return (struct vmsg_entry *)(void *)(hash->entries + (size_t)index * hash->stride);
}

/* The entry under the hand, which moves on: call it until one may be replaced. */
static inline struct vmsg_entry *vmsg_hash_next(struct vmsg_hash *hash)
{
	struct vmsg_entry *entry = vmsg_hash_at(hash, hash->hand);

	if (++hash->hand == hash->nr)
		hash->hand = 0;
	return entry;
}

#endif /* XENMSG_CORE_HASH_H */
