/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * A rate limiter: tokens flow in at a fixed rate up to a burst, and each act takes some out.
 *
 * Integers only and exact: the level is kept in billionths of a token, so that no rate loses a
 * fraction however often the bucket is asked.  The caller passes the time; a time before the
 * last one seen counts as that one.
 */
#ifndef XENMSG_COMMON_TOKEN_BUCKET_H
#define XENMSG_COMMON_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* The largest burst: its billionths fit in 64 bits. */
#define TOKEN_BUCKET_BURST_MAX UINT64_C(18000000000)

struct token_bucket {
	uint64_t rate;	  /* tokens per second; 0: nothing flows in */
	uint64_t burst;	  /* tokens */
	uint64_t level;	  /* billionths of a token */
	uint64_t last_ns; /* time of that level */
};

/*
 * Makes a full bucket.  `rate` is in tokens per second, any value; `burst` in tokens, cut to
 * TOKEN_BUCKET_BURST_MAX; `now_ns` in nanoseconds of the caller's clock.
 */
void token_bucket_init(struct token_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now_ns);

/* Takes `n` tokens if they are all there.  Returns whether it took them. */
bool token_bucket_take(struct token_bucket *bucket, uint64_t now_ns, uint64_t n);

/*
 * For acts larger than a burst: whether `n` tokens may be spent, which are there, or are more
 * than the bucket can hold while it is full.  `n` is at most TOKEN_BUCKET_BURST_MAX.
 */
bool token_bucket_ready(struct token_bucket *bucket, uint64_t now_ns, uint64_t n);

/*
 * Spends `n` tokens, right after token_bucket_ready() said yes to as many.  What was not there is
 * owed: as long as it takes to flow in, the bucket stays empty.  So the rate holds on average.
 */
void token_bucket_spend(struct token_bucket *bucket, uint64_t n);

/* Puts back up to `n` tokens that were taken for something that did not happen. */
void token_bucket_give(struct token_bucket *bucket, uint64_t n);

/*
 * Nanoseconds from `now_ns` until `n` tokens are there if nobody takes any; 0 if they are,
 * UINT64_MAX if they never will be.
 */
uint64_t token_bucket_wait_ns(struct token_bucket *bucket, uint64_t now_ns, uint64_t n);

/* Whether the bucket is full, that is, no different from a new one. */
bool token_bucket_full(struct token_bucket *bucket, uint64_t now_ns);

#endif
