/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 (FIPS 180-4), to compare what was sent with what arrived.
 *
 * Its own 100 lines, so that the command needs no library in a small guest.
 */
#ifndef XENMSG_CLI_SHA256_H
#define XENMSG_CLI_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE 32
#define SHA256_TEXT 65 /* in hexadecimal, terminated */

struct sha256 {
	uint32_t state[8];
	uint64_t bytes;
	uint8_t block[64];
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t len);
/* Nothing can be added afterwards. */
void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_SIZE]);
void sha256_text(const uint8_t digest[SHA256_SIZE], char text[SHA256_TEXT]);

#endif
