// SPDX-License-Identifier: GPL-2.0-or-later
/* SHA-256 as FIPS 180-4 writes it down; names are the standard's. */
#include "sha256.h"

#include <stdio.h>
#include <string.h>

static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static uint32_t load(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store(uint8_t *p, uint32_t x)
{
	p[0] = (uint8_t)(x >> 24);
	p[1] = (uint8_t)(x >> 16);
	p[2] = (uint8_t)(x >> 8);
	p[3] = (uint8_t)x;
}

static void expand(uint32_t w[64], const uint8_t *block)
{
	unsigned int t;

	for (t = 0; t < 16; t++)
		w[t] = load(block + 4 * (size_t)t);
	for (; t < 64; t++) {
		uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;

		w[t] = s1 + w[t - 7] + s0 + w[t - 16];
	}
}

static void compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64], v[8];
	unsigned int t;

	expand(w, block);
	memcpy(v, state, sizeof(v));
	for (t = 0; t < 64; t++) {
		uint32_t s1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
		uint32_t ch = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + ch + K[t] + w[t];
		uint32_t s0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
		uint32_t maj = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(&v[1], &v[0], 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + s0 + maj;
	}
	for (t = 0; t < 8; t++)
		state[t] += v[t];
}

void sha256_init(struct sha256 *sha)
{
	static const uint32_t start[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(sha->state, start, sizeof(start));
	sha->bytes = 0;
}

void sha256_add(struct sha256 *sha, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t used = sha->bytes % sizeof(sha->block);
	size_t n;

	sha->bytes += len;
	if (used) {
		n = sizeof(sha->block) - used;
		n = n < len ? n : len;
		memcpy(sha->block + used, p, n);
		p += n;
		len -= n;
		if (used + n < sizeof(sha->block))
			return;
		compress(sha->state, sha->block);
	}
	for (; len >= sizeof(sha->block); p += sizeof(sha->block), len -= sizeof(sha->block))
		compress(sha->state, p);
	if (len)
		memcpy(sha->block, p, len);
}

void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_SIZE])
{
	static const uint8_t padding[64] = { 0x80 };
	uint64_t bits = sha->bytes * 8;
	size_t used = sha->bytes % sizeof(sha->block);
	uint8_t length[8];
	unsigned int i;

	store(length, (uint32_t)(bits >> 32));
	store(length + 4, (uint32_t)bits);
	sha256_add(sha, padding, (used < 56 ? 56 : 120) - used);
	sha256_add(sha, length, sizeof(length));
	for (i = 0; i < 8; i++)
		store(digest + 4 * (size_t)i, sha->state[i]);
}

void sha256_text(const uint8_t digest[SHA256_SIZE], char text[SHA256_TEXT])
{
	unsigned int i;

	for (i = 0; i < SHA256_SIZE; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
}
