// SPDX-License-Identifier: GPL-2.0-or-later
/* How far a long transfer is: one line on stderr, written over again. */
#include "common/clock.h"
#include "transfer.h"

#define INTERVAL (200 * NS_PER_MS)

void progress_begin(struct progress *progress, bool on, uint64_t total)
{
	uint64_t now = clock_now_ns();

	*progress = (struct progress){
		.file = on ? stderr : NULL, .total = total, .begin = now, .last = now
	};
}

static void show(struct progress *progress, uint64_t done, uint64_t now)
{
	double seconds = (double)(now - progress->begin) / NS_PER_S;
	char amount[16], rate[16];

	human_bytes(done, amount);
	human_bytes(seconds > 0 ? (uint64_t)((double)done / seconds) : 0, rate);
	fprintf(progress->file, "\r%10s", amount);
	if (progress->total != TRANSFER_UNKNOWN && progress->total)
		fprintf(progress->file, "  %3.0f %%", 100 * (double)done / (double)progress->total);
	fprintf(progress->file, "  %10s/s  ", rate);
	fflush(progress->file);
	progress->shown = true;
	progress->last = now;
}

void progress_update(struct progress *progress, uint64_t done)
{
	uint64_t now;

	if (!progress->file)
		return;
	now = clock_now_ns();
	if (now - progress->last >= INTERVAL)
		show(progress, done, now);
}

double progress_end(struct progress *progress, uint64_t done)
{
	uint64_t now = clock_now_ns();

	if (progress->file) {
		show(progress, done, now);
		fputc('\n', progress->file);
	}
	return (double)(now - progress->begin) / NS_PER_S;
}
