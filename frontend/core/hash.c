/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Chained hash table over a fixed array of entries; see hash.h. */
#include "frontend/core/hash.h"

static uint32_t *bucket(const struct vmsg_hash *hash, uint64_t key)
{
	/* Fibonacci hashing: the high bits of the product depend on all bits of the key. */
	return &hash->buckets[(key * 0x9e3779b97f4a7c15u) >> (64 - hash->bits)];
}

void vmsg_hash_clear(struct vmsg_hash *hash)
{
	memset(hash->buckets, 0xff, sizeof(*hash->buckets) << hash->bits);
	memset(hash->entries, 0, (size_t)hash->nr * hash->stride);
	hash->hand = 0;
}

struct vmsg_entry *vmsg_hash_find(const struct vmsg_hash *hash, uint64_t key)
{
	uint32_t i = *bucket(hash, key);

	while (i != VMSG_HASH_END) {
		struct vmsg_entry *entry = vmsg_hash_at(hash, i);

		if (entry->key == key)
			return entry;
		i = entry->next;
	}
	return NULL;
}

void vmsg_hash_remove(struct vmsg_hash *hash, struct vmsg_entry *entry)
{
	uint32_t *link = bucket(hash, entry->key);

	while (vmsg_hash_at(hash, *link) != entry)
		link = &vmsg_hash_at(hash, *link)->next;
	*link = entry->next;
	entry->key = 0;
}

void vmsg_hash_replace(struct vmsg_hash *hash, struct vmsg_entry *entry, uint64_t key)
{
	uint32_t *link = bucket(hash, key);

	if (entry->key)
		vmsg_hash_remove(hash, entry);
	entry->key = key;
	entry->next = *link;
	*link = (uint32_t)((uint8_t *)entry - hash->entries) / hash->stride;
}
