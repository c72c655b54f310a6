// SPDX-License-Identifier: GPL-2.0-or-later
/* See backend-bed.h. */
#include "tests/unit/backend-bed.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static void note(struct bed *bed, const char *what, const struct device *dev)
{
	size_t len = strlen(bed->calls);

	(void)snprintf(bed->calls + len, sizeof(bed->calls) - len, "%s:%u ", what,
		       device_domid(dev));
}

static void remember(struct bed *bed, struct device *dev)
{
	ck_assert_uint_lt(device_domid(dev), BED_DOMIDS);
	bed->dev[device_domid(dev)] = dev;
}

static bool on_wanted(void *priv, uint16_t domid, const char *name)
{
	struct bed *bed = priv;

	return !bed->unwanted || strcmp(name, bed->unwanted) != 0;
}

static void on_renamed(void *priv, struct device *dev)
{
	note(priv, "renamed", dev);
}

static void on_awaited(void *priv, struct device *dev)
{
	note(priv, "awaited", dev);
	remember(priv, dev);
	ck_assert_uint_ne(device_address(dev), 0);
}

static void on_up(void *priv, struct device *dev)
{
	struct bed *bed = priv;

	note(bed, "up", dev);
	remember(bed, dev);
	ck_assert(device_is_up(dev));
	ck_assert_uint_ne(device_address(dev), 0);
	if (bed->on_up)
		bed->on_up(bed, dev);
}

static void on_kick(void *priv, struct device *dev)
{
	struct bed *bed = priv;

	bed->kicks++;
	if (bed->on_kick)
		bed->on_kick(bed, dev);
}

static void on_kicking(void *priv)
{
	struct bed *bed = priv;

	bed->kicking++;
}

static bool on_kicked(void *priv)
{
	struct bed *bed = priv;

	bed->kicked++;
	ck_assert_uint_eq(bed->kicked, bed->kicking);
	return false;
}

static void on_down(void *priv, struct device *dev, uint32_t addr)
{
	struct bed *bed = priv;

	note(bed, "down", dev);
	ck_assert_uint_ne(addr, 0);
	ck_assert_uint_eq(device_address(dev), 0);
	ck_assert(!device_is_up(dev));
	bed->last_down = addr;
}

static void on_gone(void *priv, struct device *dev)
{
	struct bed *bed = priv;

	note(bed, "gone", dev);
	ck_assert_uint_eq(device_address(dev), 0);
	bed->dev[device_domid(dev)] = NULL;
}

static const struct backend_ops ops = {
	.wanted = on_wanted,
	.renamed = on_renamed,
	.awaited = on_awaited,
	.up = on_up,
	.kick = on_kick,
	.kicking = on_kicking,
	.kicked = on_kicked,
	.down = on_down,
	.gone = on_gone,
};

static void sink(void *data, int prio, const char *line)
{
	struct bed *bed = data;
	size_t len = strlen(bed->lines);

	(void)snprintf(bed->lines + len, sizeof(bed->lines) - len, "%s\n", line);
}

static void enter(struct bed *bed)
{
	bed->process = sim_process_new(0, "broker");
	sim_enter(bed->process);
	ck_assert_int_ge(sd_event_new(&bed->event), 0);
}

void bed_init(struct bed *bed)
{
	bed_init_seed(bed, 1);
}

void bed_init_seed(struct bed *bed, uint64_t seed)
{
	memset(bed, 0, sizeof(*bed));
	sim_init(seed);
	sim_base_path("/local/domain/0/backend");
	sim_base_path("/local/domain/0/xenmsg");
	log_init(&bed->log, sink, bed, LOG_DEBUG);
	bed->limits = (struct backend_limits){
		.max_ring_order = VMSGIF_MAX_RING_ORDER,
		.flow_window = 32,
		.max_message = VMSGIF_MESSAGE_MAX,
		.max_pool_pages = 256,
		.max_maps = 64,
		.feature_map = true,
		.map_budget = 4096,
	};
	enter(bed);
}

/* Without a backend, what it left in the event loop. */
static int run(struct bed *bed)
{
	return bed->b ? backend_loop(bed->b, 0) : sd_event_run(bed->event, 0);
}

void bed_run(struct bed *bed)
{
	unsigned int turns = 0;

	while (sd_event_get_state(bed->event) != SD_EVENT_FINISHED && run(bed) > 0)
		ck_assert_msg(++turns < 100000, "the loop never rests");
}

void bed_wait(struct bed *bed, uint64_t ns)
{
	uint64_t end = sim_now() + ns;

	while (sim_now() < end) {
		uint64_t next = sim_next_timer();

		next = next < end ? next : end;
		sim_advance(next > sim_now() ? next - sim_now() : 1);
		bed_run(bed);
	}
}

int bed_try_start(struct bed *bed)
{
	return backend_new(&bed->b, bed->event, &bed->log, &bed->limits, &ops, bed);
}

void bed_start(struct bed *bed)
{
	ck_assert_int_eq(bed_try_start(bed), 0);
	bed_run(bed);
}

void bed_stop(struct bed *bed, bool remove)
{
	backend_free(bed->b, remove);
	bed->b = NULL;
	memset(bed->dev, 0, sizeof(bed->dev));
}

static void leave(struct bed *bed)
{
	bed_stop(bed, false);
	bed->event = sd_event_unref(bed->event);
	sim_enter(NULL);
	sim_process_free(bed->process);
	bed->process = NULL;
}

void bed_kill(struct bed *bed)
{
	sim_process_kill(bed->process);
	leave(bed);
	enter(bed);
}

void bed_fini(struct bed *bed)
{
	leave(bed);
	sim_assert_clean();
	sim_fini();
}

const char *bed_calls(struct bed *bed)
{
	static char calls[sizeof(bed->calls)];

	memcpy(calls, bed->calls, sizeof(calls));
	bed->calls[0] = '\0';
	return calls;
}

bool bed_logged(const struct bed *bed, const char *text)
{
	return strstr(bed->lines, text) != NULL;
}
