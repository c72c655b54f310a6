// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The world: its beginning and end, its random numbers, and how the
 * simulation itself fails.
 *
 * All randomness comes from the seed, in three streams, so that a test that
 * draws one number more does not change the schedule, nor what programs see.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

struct sim_world *sim_world;

/* Check's way to fail a test; absent in programs without Check. */
extern void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
	__attribute__((weak, noreturn, format(printf, 4, 5)));

static void (*die_handler)(const char *message);

void sim_on_die(void (*handler)(const char *message))
{
	die_handler = handler;
}

void sim_die(const char *fmt, ...)
{
	char msg[8192];
	unsigned long long seed = sim_world ? sim_world->seed : 0;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(msg, sizeof(msg) - 32, fmt, ap);
	va_end(ap);
	if (len > (int)sizeof(msg) - 33)
		len = (int)sizeof(msg) - 33;
	sprintf(msg + len, " (seed %llu)", seed);

	if (die_handler)
		die_handler(msg);
	if (_ck_assert_failed)
		_ck_assert_failed(__FILE__, __LINE__, "simulated Xen", "%s", msg);
	fprintf(stderr, "sim: %s\n", msg);
	abort();
}

void *sim_alloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		sim_die("out of memory");
	return p;
}

void *sim_realloc(void *p, size_t count, size_t size)
{
	p = reallocarray(p, count, size);
	if (!p)
		sim_die("out of memory");
	return p;
}

char *sim_strdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		sim_die("out of memory");
	return copy;
}

char *sim_format(const char *fmt, ...)
{
	char *s;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		sim_die("out of memory");
	va_end(ap);
	return s;
}

/* splitmix64 (public domain, S. Vigna) */
uint64_t sim_rng_next(struct rng *rng)
{
	uint64_t z = (rng->s += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* The bias of the plain remainder is far below what a test could notice. */
uint64_t sim_rng_below(struct rng *rng, uint64_t n)
{
	return sim_rng_next(rng) % n;
}

uint64_t sim_random(void)
{
	return sim_rng_next(&sim_world->test_rng);
}

uint64_t sim_random_below(uint64_t n)
{
	return sim_rng_below(&sim_world->test_rng, n);
}

uint64_t sim_seed(void)
{
	return sim_world->seed;
}

struct sim_config *sim_config(void)
{
	return &sim_world->config;
}

/* Programs see the same random bytes in every run of a seed. */
static ssize_t random_bytes(void *buf, size_t len, unsigned int flags)
{
	uint8_t *bytes = buf;
	size_t i;

	if (!sim_world)
		return syscall(SYS_getrandom, buf, len, flags);
	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(sim_rng_next(&sim_world->os_rng) >> 56);
	return (ssize_t)len;
}

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	return random_bytes(buf, len, flags);
}

void arc4random_buf(void *buf, size_t len)
{
	random_bytes(buf, len, 0);
}

uint32_t arc4random(void)
{
	uint32_t value;

	arc4random_buf(&value, sizeof(value));
	return value;
}

static void seed_streams(struct sim_world *w, uint64_t seed)
{
	struct rng seeder = { .s = seed };

	w->seed = seed;
	w->test_rng.s = sim_rng_next(&seeder);
	w->sched_rng.s = sim_rng_next(&seeder);
	w->os_rng.s = sim_rng_next(&seeder);
}

void sim_init(uint64_t seed)
{
	struct sim_world *w;

	if (sim_world)
		sim_die("sim_init() in a world that was not finished");

	w = sim_alloc(1, sizeof(*w));
	seed_streams(w, seed);
	w->config = (struct sim_config){
		.gntalloc_pages = 1024,
		.grant_entries = 32768,
		.maptrack_handles = 262144,
		.map_pages_max = 65536,
		.evtchns = 1023,
		.xs_nodes = 1000,
		.xs_watches = 128,
		.xs_node_size = 2048,
		.xs_transactions = 10,
		.xs_perms = 5,
		.deferred_per_sec = 10,
		.step_cost = SIM_NSEC_PER_USEC,
	};
	list_init(&w->domains);
	list_init(&w->processes);
	sim_world = w;

	sim_time_init();
	sim_wait_init();
	sim_shm_init();
	sim_xs_init();
	sim_domain_new_at(0, "Domain-0", SIM_PV);
}

void sim_fini(void)
{
	struct sim_process *process, *next;
	struct domain *dom, *next_dom;

	if (!sim_world)
		return;

	sim_sched_fini();
	/* Nothing but the loops below frees a domain now. */
	list_for_each(dom, &sim_world->domains, link)
		dom->busy = true;
	list_for_each_safe(process, next, &sim_world->processes, link)
		sim_process_free(process);
	list_for_each(dom, &sim_world->domains, link)
		sim_dom_free_orphans(dom);
	list_for_each_safe(dom, next_dom, &sim_world->domains, link)
		sim_dom_free(dom);
	sim_xs_fini();
	sim_fail_reset();
	sim_time_fini();
	sim_vma_fini();
	free(sim_world);
	sim_world = NULL;
}
