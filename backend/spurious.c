// SPDX-License-Identifier: GPL-2.0-or-later
/* See spurious.h. */
#include "backend/spurious.h"

#include "backend/timer.h"
#include "common/clock.h"

void spurious_init(struct spurious *s)
{
	*s = (struct spurious){ 0 };
	token_bucket_init(&s->tokens, CHAN_SPURIOUS_RATE, CHAN_SPURIOUS_BURST, clock_now_ns());
}

void spurious_deinit(struct spurious *s)
{
	sd_event_source_disable_unref(s->late);
	*s = (struct spurious){ 0 };
}

bool spurious_delay(struct spurious *s, struct loop *loop, sd_event_time_handler_t fn, void *priv)
{
	uint64_t now = clock_now_ns();

	if (token_bucket_take(&s->tokens, now, 1))
		return false;
	return timer_set(loop, &s->late, now + token_bucket_wait_ns(&s->tokens, now, 1), fn,
			 priv) >= 0;
}
