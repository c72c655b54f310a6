// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Something happens between two accesses of a program to shared memory: it is
 * killed, or its peer changes what it is about to read.
 *
 * While a process is armed its shared areas are protected.  Each access
 * faults; the fault is counted, the area is opened, the one instruction is let
 * through in single-step mode, and the protection comes back.  An instruction
 * that uses two areas faults twice and counts once.  The n-th fault disarms the
 * process and calls the test, before the access is made.
 *
 * Stores that the C library makes one after the other, to copy, are one: that it
 * copies a page by a hundred of them is nothing that a program can be held to. An
 * area that is too large to be a ring stays open for them, until the program's own
 * code stores somewhere.
 *
 * System calls that use an armed area fail with EFAULT; accesses of the
 * simulation itself go through another window and do not count.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "internal.h"

static void kill_it(void *arg)
{
	sim_process_kill(arg);
}

bool sim_kill_at_store(struct sim_process *process, unsigned int n)
{
	return sim_at_access(process, SIM_STORES, n, kill_it, process);
}

#if defined(__x86_64__)

#define TRAP_FLAG 0x100 /* of EFLAGS */

/* Areas that one instruction can use: a string instruction uses two. */
#define OPEN_MAX 2

static bool installed;
static struct sigaction old_segv, old_trap;
/* Whose instruction is let through, and the areas that are open for it. */
static struct sim_process *stepping;
static struct mapping *opened[OPEN_MAX];
static unsigned int nr_opened;

static void protect_area(const struct sim_process *process, const struct mapping *map, bool shared,
			 bool protected)
{
	int closed = process->access_kind == SIM_STORES ? PROT_READ : PROT_NONE;
	/* The owner of shared pages always writes. */
	int open = shared || map->writable ? PROT_READ | PROT_WRITE : PROT_READ;

	if (!map->private)
		mprotect(map->addr, (size_t)map->count * SIM_PAGE_SIZE, protected ? closed : open);
}

/* Protect the areas of an armed process, or open them. */
static void protect(struct sim_process *process, bool protected)
{
	struct mapping *map;

	list_for_each(map, &process->maps, link)
		protect_area(process, map, false, protected);
	list_for_each(map, &process->shares, link)
		protect_area(process, map, true, protected);
}

/* The armed process whose access to this address counts, and the area. */
static struct sim_process *armed_at(const void *addr, struct mapping **area, bool *shared)
{
	struct sim_process *process;

	if (!sim_world)
		return NULL;
	list_for_each(process, &sim_world->processes, link) {
		if (!process->access_n)
			continue;
		*shared = false;
		*area = sim_mapping_find(&process->maps, addr, 1);
		if (*area && ((*area)->writable || process->access_kind == SIM_ACCESSES))
			return process;
		*shared = true;
		*area = sim_mapping_find(&process->shares, addr, 1);
		if (*area)
			return process;
	}
	return NULL;
}

/* When nobody is armed any more. */
static void uninstall(void)
{
	struct sim_process *process;

	if (!installed)
		return;
	list_for_each(process, &sim_world->processes, link)
		if (process->access_n)
			return;
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGTRAP, &old_trap, NULL);
	installed = false;
}

/* Pages of the largest ring. */
#define RING_PAGES 16

static bool is_area(const struct sim_process *process, const struct mapping *area, bool *shared)
{
	const struct mapping *map;

	*shared = false;
	list_for_each(map, &process->maps, link)
		if (map == area)
			return true;
	*shared = true;
	list_for_each(map, &process->shares, link)
		if (map == area)
			return true;
	return false;
}

/* What was open for the library, if it is still there. */
static void close_open(struct sim_process *process)
{
	bool shared;

	if (process->access_open && is_area(process, process->access_open, &shared))
		protect_area(process, process->access_open, shared, true);
	process->access_open = NULL;
}

/* Not the program's own code. */
static bool is_library(greg_t ip)
{
	extern const char __executable_start[], etext[];

	return (uintptr_t)ip < (uintptr_t)__executable_start || (uintptr_t)ip >= (uintptr_t)etext;
}

/* Whether this access is one more. */
static bool counts(struct sim_process *process, greg_t ip)
{
	bool library = process->access_kind == SIM_STORES && is_library(ip);
	bool more = library && process->access_library;

	process->access_library = library;
	return !more;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct mapping *map;
	bool shared, count;
	struct sim_process *process = armed_at(info->si_addr, &map, &shared);

	if (!process || (stepping && (process != stepping || nr_opened == OPEN_MAX))) {
		/* A real fault: it happens again, without this handler. */
		sigaction(sig, &old_segv, NULL);
		return;
	}
	count = !stepping && counts(process, uc->uc_mcontext.gregs[REG_RIP]);
	if (count && process->access_n == 1) {
		protect(process, false);
		process->access_n = 0;
		uninstall();
		process->access_fn(process->access_arg);
		return;
	}
	process->access_n -= count;
	if (!stepping) {
		close_open(process);
		if (process->access_library && map->count > RING_PAGES) {
			protect_area(process, map, shared, false);
			process->access_open = map;
			return;
		}
	}
	stepping = process;
	protect_area(process, map, shared, false);
	opened[nr_opened++] = map;
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static bool is_share(const struct sim_process *process, const struct mapping *map)
{
	const struct mapping *share;

	list_for_each(share, &process->shares, link)
		if (share == map)
			return true;
	return false;
}

static void on_trap(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)info;
	if (!stepping) {
		sigaction(sig, &old_trap, NULL);
		return;
	}
	uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	while (nr_opened--)
		protect_area(stepping, opened[nr_opened], is_share(stepping, opened[nr_opened]),
			     true);
	nr_opened = 0;
	stepping = NULL;
}

static void install(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	if (installed)
		return;
	sa.sa_sigaction = on_segv;
	sigaction(SIGSEGV, &sa, &old_segv);
	sa.sa_sigaction = on_trap;
	sigaction(SIGTRAP, &sa, &old_trap);
	installed = true;
}

bool sim_at_access(struct sim_process *process, enum sim_access kind, unsigned int n,
		   void (*fn)(void *arg), void *arg)
{
	if (sim_process_dead(process))
		return true;
	process->access_n = n;
	process->access_kind = kind;
	process->access_library = false;
	process->access_open = NULL;
	process->access_fn = fn;
	process->access_arg = arg;
	protect(process, n);
	if (n)
		install();
	else
		uninstall();
	return true;
}

/* The process has a new area. */
void sim_store_mapped(struct sim_process *process)
{
	if (process->access_n)
		protect(process, true);
}

/* The process dies. */
void sim_store_forget(struct sim_process *process)
{
	if (!process->access_n)
		return;
	protect(process, false);
	process->access_n = 0;
	uninstall();
}

#else

bool sim_at_access(struct sim_process *process, enum sim_access kind, unsigned int n,
		   void (*fn)(void *arg), void *arg)
{
	(void)process;
	(void)kind;
	(void)fn;
	(void)arg;
	return !n;
}

void sim_store_mapped(struct sim_process *process)
{
	(void)process;
}

void sim_store_forget(struct sim_process *process)
{
	(void)process;
}

#endif
