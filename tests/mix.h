/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mix of messages that tests send, and their content.
 *
 * Everything follows from (seed, flow, index): sender and receiver compute it
 * on their own. A flow is any number that both know. Lengths: 90 % up to 4 KiB,
 * 9 % up to 64 KiB, 1 % up to 1 MiB; among them, spread evenly, each of the
 * lengths where something changes, MIX_EACH times aligned and MIX_EACH times
 * not. Content differs in each message and in each 8 bytes of it, so that what
 * was lost, doubled, cut, shifted or mixed up shows.
 */
#ifndef TESTS_MIX_H
#define TESTS_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MIX_EACH 20u
#define MIX_MAX	 (1u << 20)

struct mix {
	uint64_t seed;
	uint32_t count; /* messages of each flow */
	uint32_t max;	/* longest, up to MIX_MAX */
};

struct mix_message {
	uint32_t len;
	uint32_t offset; /* of the first byte from an aligned address */
	uint64_t key;	 /* its content */
};

/* splitmix64's finisher: every bit of the result depends on every bit of @x. */
static inline uint64_t mix_hash(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline uint32_t mix_usual_len(const struct mix *mix, uint64_t random)
{
	uint32_t percent = (uint32_t)(random % 100);
	uint32_t limit = percent < 90 ? 4096 : percent < 99 ? 65536 : MIX_MAX;

	limit = limit < mix->max ? limit : mix->max;
	return (uint32_t)(random >> 32) % (limit + 1);
}

static inline struct mix_message mix_message(const struct mix *mix, uint64_t flow, uint32_t index)
{
	const uint32_t edges[] = { 0, 1, 31, 32, 33, 4095, 4096, 4097, mix->max };
	const uint32_t nr = sizeof(edges) / sizeof(edges[0]);
	uint32_t every = mix->count / (2 * MIX_EACH * nr);
	struct mix_message m;
	uint32_t edge;

	m.key = mix_hash(mix_hash(mix->seed ^ mix_hash(flow)) + index);
	every += !every;
	edge = index / every;
	if (index % every == 0 && edge < 2 * MIX_EACH * nr) {
		m.len = edges[edge / 2 % nr];
		m.len = m.len < mix->max ? m.len : mix->max;
		m.offset = edge % 2 ? 1 + (uint32_t)(m.key % 4095) : 0;
	} else {
		m.len = mix_usual_len(mix, mix_hash(m.key));
		m.offset = m.key & 1 ? (uint32_t)(m.key >> 8) % 4096 : 0;
	}
	return m;
}

/* The 8 bytes at position 8 * @n. */
static inline uint64_t mix_word(uint64_t key, uint64_t n)
{
	uint64_t x = key + n * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ x >> 29;
}

/* Writes bytes @from to @from + @len of the message to @to. */
static inline void mix_fill(uint64_t key, uint32_t from, void *to, size_t len)
{
	uint8_t *p = to;
	uint64_t word;
	size_t skip, n;

	while (len) {
		word = mix_word(key, from / 8);
		skip = from % 8;
		n = 8 - skip < len ? 8 - skip : len;
		memcpy(p, (const uint8_t *)&word + skip, n);
		p += n;
		from += (uint32_t)n;
		len -= n;
	}
}

/* Whether @data is bytes @from to @from + @len of the message; *@bad: the first that is not. */
static inline bool mix_check(uint64_t key, uint32_t from, const void *data, size_t len,
			     uint32_t *bad)
{
	const uint8_t *p = data;
	uint64_t word, there;
	size_t skip, n;

	while (len) {
		word = mix_word(key, from / 8);
		skip = from % 8;
		n = 8 - skip < len ? 8 - skip : len;
		if (n == 8)
			memcpy(&there, p, 8);
		if (n == 8 ? there != word : memcmp(p, (const uint8_t *)&word + skip, n) != 0) {
			for (*bad = from; *p == ((const uint8_t *)&word)[skip]; p++, skip++)
				(*bad)++;
			return false;
		}
		p += n;
		from += (uint32_t)n;
		len -= n;
	}
	return true;
}

#endif
