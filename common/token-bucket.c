// SPDX-License-Identifier: (GPL-2.0-only OR MIT)
#include "common/token-bucket.h"

#include "common/clock.h"

#define UNITS_PER_TOKEN NS_PER_S

static uint64_t capacity(const struct token_bucket *bucket)
{
	return bucket->burst * UNITS_PER_TOKEN;
}

static void refill(struct token_bucket *bucket, uint64_t now_ns)
{
	uint64_t room = capacity(bucket) - bucket->level;
	uint64_t elapsed;

	if (now_ns <= bucket->last_ns)
		return;
	elapsed = now_ns - bucket->last_ns;
	bucket->last_ns = now_ns;
	if (bucket->rate == 0)
		return;
	/* A nanosecond brings `rate` units.  The division keeps the product below the room. */
	if (elapsed > room / bucket->rate)
		bucket->level = capacity(bucket);
	else
		bucket->level += elapsed * bucket->rate;
}

void token_bucket_init(struct token_bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now_ns)
{
	if (burst > TOKEN_BUCKET_BURST_MAX)
		burst = TOKEN_BUCKET_BURST_MAX;
	*bucket = (struct token_bucket){ .rate = rate, .burst = burst, .last_ns = now_ns };
	bucket->level = capacity(bucket);
}

bool token_bucket_take(struct token_bucket *bucket, uint64_t now_ns, uint64_t n)
{
	refill(bucket, now_ns);
	if (n > bucket->level / UNITS_PER_TOKEN)
		return false;
	bucket->level -= n * UNITS_PER_TOKEN;
	return true;
}

bool token_bucket_ready(struct token_bucket *bucket, uint64_t now_ns, uint64_t n)
{
	refill(bucket, now_ns);
	if (n > bucket->burst)
		return bucket->level == capacity(bucket);
	return n <= bucket->level / UNITS_PER_TOKEN;
}

void token_bucket_spend(struct token_bucket *bucket, uint64_t n)
{
	uint64_t units = n * UNITS_PER_TOKEN;
	uint64_t owed, wait;

	if (units <= bucket->level) {
		bucket->level -= units;
		return;
	}
	owed = units - bucket->level;
	bucket->level = 0;
	if (bucket->rate == 0)
		return;
	/* Owed is time: nothing flows in before it is over. */
	wait = owed / bucket->rate + (owed % bucket->rate != 0);
	bucket->last_ns += wait;
	bucket->level = wait * bucket->rate - owed;
}

void token_bucket_give(struct token_bucket *bucket, uint64_t n)
{
	uint64_t room = capacity(bucket) - bucket->level;

	if (n > room / UNITS_PER_TOKEN)
		bucket->level = capacity(bucket);
	else
		bucket->level += n * UNITS_PER_TOKEN;
}

uint64_t token_bucket_wait_ns(struct token_bucket *bucket, uint64_t now_ns, uint64_t n)
{
	uint64_t missing;

	refill(bucket, now_ns);
	if (n > bucket->burst)
		return UINT64_MAX;
	if (n * UNITS_PER_TOKEN <= bucket->level)
		return 0;
	if (bucket->rate == 0)
		return UINT64_MAX;
	missing = n * UNITS_PER_TOKEN - bucket->level;
	/* When the clock went back, the bucket fills only after it has caught up. */
	return missing / bucket->rate + (missing % bucket->rate != 0) +
	       (bucket->last_ns > now_ns ? bucket->last_ns - now_ns : 0);
}

bool token_bucket_full(struct token_bucket *bucket, uint64_t now_ns)
{
	refill(bucket, now_ns);
	return bucket->level == capacity(bucket);
}
