// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Killing a program between two of its stores into shared memory.
 *
 * While a process is armed its shared areas are write-protected.  Each store
 * faults; the fault is counted, the one instruction is let through in
 * single-step mode, and the protection comes back.  At the n-th fault the
 * process is killed, which puts private memory in the area's place, and the
 * store goes there.
 *
 * System calls that write into an armed area fail with EFAULT; the stores of
 * the simulation itself go through another window and do not count.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "internal.h"

#if defined(__x86_64__)

#define TRAP_FLAG 0x100 /* of EFLAGS */

static bool installed;
static struct sigaction old_segv, old_trap;
static struct sim_process *stepping;

static void protect(struct sim_process *process, bool protected)
{
	int prot = protected ? PROT_READ : PROT_READ | PROT_WRITE;
	struct mapping *map;

	list_for_each(map, &process->maps, link)
		if (!map->private && map->writable)
			mprotect(map->addr, (size_t)map->count * SIM_PAGE_SIZE, prot);
	/* The owner of shared pages always writes. */
	list_for_each(map, &process->shares, link)
		if (!map->private)
			mprotect(map->addr, (size_t)map->count * SIM_PAGE_SIZE, prot);
}

/* The armed process that may write there. */
static struct sim_process *writer_of(const void *addr)
{
	struct sim_process *process;
	struct mapping *map;

	if (!sim_world)
		return NULL;
	list_for_each(process, &sim_world->processes, link) {
		if (!process->store_n)
			continue;
		map = sim_mapping_find(&process->maps, addr, 1);
		if ((map && map->writable) || sim_mapping_find(&process->shares, addr, 1))
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
		if (process->store_n)
			return;
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGTRAP, &old_trap, NULL);
	installed = false;
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	struct sim_process *process = writer_of(info->si_addr);

	if (!process || stepping) {
		/* A real fault: it happens again, without this handler. */
		sigaction(sig, &old_segv, NULL);
		return;
	}
	if (!--process->store_n) {
		sim_process_kill(process);
		uninstall();
		return;
	}
	stepping = process;
	protect(process, false);
	uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
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
	protect(stepping, true);
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

bool sim_kill_at_store(struct sim_process *process, unsigned int n)
{
	if (sim_process_dead(process))
		return true;
	process->store_n = n;
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
	if (process->store_n)
		protect(process, true);
}

/* The process dies. */
void sim_store_forget(struct sim_process *process)
{
	if (!process->store_n)
		return;
	process->store_n = 0;
	uninstall();
}

#else

bool sim_kill_at_store(struct sim_process *process, unsigned int n)
{
	(void)process;
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
