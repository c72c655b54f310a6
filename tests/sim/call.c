// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all library calls have in common: they are counted, may be made to
 * fail, and may be a program's last one.
 *
 * Every call begins with sim_call_begin() and, if that let it in, ends with
 * sim_call_end(); each returns false when the call must fail, with errno set.
 */
#include <stdlib.h>
#include <time.h>

#include "internal.h"

struct fault {
	struct fault *next;
	struct sim_process *process; /* NULL: any */
	enum sim_call call;
	unsigned int n; /* calls to go */
	int err;
};

struct copy_fault {
	struct copy_fault *next;
	unsigned int n;
	int16_t status;
};

static struct fault *faults;
static struct copy_fault *copy_faults;
static unsigned int copy_eagains;
static unsigned int xs_conflicts;

static const char *const names[SIM_CALL_N] = {
	[SIM_CALL_ANY] = "any",
	[SIM_CALL_GNTTAB_OPEN] = "gnttab open",
	[SIM_CALL_MAP] = "map",
	[SIM_CALL_UNMAP] = "unmap",
	[SIM_CALL_COPY] = "grant copy",
	[SIM_CALL_GNTSHR_OPEN] = "gntshr open",
	[SIM_CALL_SHARE] = "share",
	[SIM_CALL_UNSHARE] = "unshare",
	[SIM_CALL_EVTCHN_OPEN] = "evtchn open",
	[SIM_CALL_BIND] = "evtchn bind",
	[SIM_CALL_UNBIND] = "evtchn unbind",
	[SIM_CALL_NOTIFY] = "evtchn notify",
	[SIM_CALL_PENDING] = "evtchn pending",
	[SIM_CALL_UNMASK] = "evtchn unmask",
	[SIM_CALL_XS_OPEN] = "xs open",
	[SIM_CALL_XS_READ] = "xs read",
	[SIM_CALL_XS_DIRECTORY] = "xs directory",
	[SIM_CALL_XS_WRITE] = "xs write",
	[SIM_CALL_XS_MKDIR] = "xs mkdir",
	[SIM_CALL_XS_RM] = "xs rm",
	[SIM_CALL_XS_GET_PERMS] = "xs get permissions",
	[SIM_CALL_XS_SET_PERMS] = "xs set permissions",
	[SIM_CALL_XS_WATCH] = "xs watch",
	[SIM_CALL_XS_UNWATCH] = "xs unwatch",
	[SIM_CALL_XS_CHECK_WATCH] = "xs check watch",
	[SIM_CALL_XS_START] = "xs transaction start",
	[SIM_CALL_XS_END] = "xs transaction end",
	[SIM_CALL_XS_QUERY] = "xs query",
	[SIM_CALL_XC_OPEN] = "xc open",
	[SIM_CALL_XC_GETINFO] = "xc getinfo",
};

const char *sim_call_name(enum sim_call call)
{
	return call < SIM_CALL_N ? names[call] : "?";
}

const struct sim_counts *sim_counts(const struct sim_process *process)
{
	return process ? &process->counts : &sim_world->counts;
}

void sim_fail_nth(struct sim_process *process, enum sim_call call, unsigned int n, int err)
{
	struct fault *fault;

	if (!n)
		sim_die("sim_fail_nth(): calls count from 1");
	fault = sim_alloc(1, sizeof(*fault));
	*fault = (struct fault){
		.next = faults, .process = process, .call = call, .n = n, .err = err
	};
	faults = fault;
}

void sim_fail_copy_op(unsigned int n, int16_t status)
{
	struct copy_fault *fault;

	if (!n)
		sim_die("sim_fail_copy_op(): operations count from 1");
	fault = sim_alloc(1, sizeof(*fault));
	*fault = (struct copy_fault){ .next = copy_faults, .n = n, .status = status };
	copy_faults = fault;
}

void sim_fail_copy_eagain(unsigned int count)
{
	copy_eagains = count;
}

void sim_xs_conflict(unsigned int count)
{
	xs_conflicts = count;
}

void sim_kill_at(struct sim_process *process, unsigned int n, enum sim_when when)
{
	process->kill_n = n;
	process->kill_when = when;
}

/* The failures that name this process; NULL: all. */
void sim_fault_forget(const struct sim_process *process)
{
	struct fault **link = &faults, *fault;

	while ((fault = *link)) {
		if (process && fault->process != process) {
			link = &fault->next;
			continue;
		}
		*link = fault->next;
		free(fault);
	}
}

void sim_fail_reset(void)
{
	struct sim_process *process;
	struct copy_fault *fault;

	sim_fault_forget(NULL);
	sim_hooks_forget(NULL);
	while ((fault = copy_faults)) {
		copy_faults = fault->next;
		free(fault);
	}
	copy_eagains = 0;
	xs_conflicts = 0;
	list_for_each(process, &sim_world->processes, link) {
		process->kill_n = 0;
		sim_kill_at_store(process, 0);
	}
}

/* The errno this call shall fail with, or 0.  Every fault counts every call. */
static int take_fault(const struct sim_process *process, enum sim_call call)
{
	struct fault **link = &faults, *fault;
	int err = 0;

	while ((fault = *link)) {
		if ((fault->process && fault->process != process) ||
		    (fault->call != SIM_CALL_ANY && fault->call != call) || --fault->n) {
			link = &fault->next;
			continue;
		}
		err = fault->err;
		*link = fault->next;
		free(fault);
	}
	return err;
}

/* Whether the next operation of a grant copy shall fail, and how. */
bool sim_fault_copy_op(int16_t *status)
{
	struct copy_fault **link = &copy_faults, *fault;
	bool found = false;

	while ((fault = *link)) {
		if (--fault->n) {
			link = &fault->next;
			continue;
		}
		*status = fault->status;
		found = true;
		*link = fault->next;
		free(fault);
	}
	if (!found && copy_eagains) {
		copy_eagains--;
		*status = GNTST_eagain;
		found = true;
	}
	return found;
}

/* Whether the next commit shall conflict. */
bool sim_fault_xs_conflict(void)
{
	if (!xs_conflicts)
		return false;
	xs_conflicts--;
	return true;
}

static bool fail(int err)
{
	errno = err;
	return false;
}

/* The program waits for xenstored; watch events are there already. */
static void wait_for_answer(enum sim_call call)
{
	if (call >= SIM_CALL_XS_READ && call <= SIM_CALL_XS_QUERY &&
	    call != SIM_CALL_XS_CHECK_WATCH && sim_world->config.xs_cost)
		sim_advance(sim_world->config.xs_cost);
}

static uint64_t call_began; /* calls do not nest */

static uint64_t cpu_now(void)
{
	struct timespec ts = { 0 };

	if (sim_world->config.count_cpu)
		(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * SIM_NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

bool sim_call_begin(struct sim_process *process, enum sim_call call)
{
	bool last;
	int err;

	if (process->state != PROCESS_ALIVE)
		return fail(SIM_DEAD_ERRNO);

	call_began = cpu_now();
	process->counts.calls[call]++;
	process->counts.calls[SIM_CALL_ANY]++;
	sim_world->counts.calls[call]++;
	sim_world->counts.calls[SIM_CALL_ANY]++;
	wait_for_answer(call);

	sim_hooks_before(process, call);
	if (process->state != PROCESS_ALIVE)
		return fail(SIM_DEAD_ERRNO);
	last = process->kill_n && !--process->kill_n;
	if (last && process->kill_when == SIM_BEFORE) {
		sim_process_kill(process);
		return fail(SIM_DEAD_ERRNO);
	}
	process->kill_after = last;
	err = take_fault(process, call);
	if (!err)
		return true;
	errno = err;
	return sim_call_end(process) && false;
}

/* Keeps errno, unless this was the end. */
bool sim_call_end(struct sim_process *process)
{
	int saved = errno;

	process->counts.cpu += cpu_now() - call_began;
	sim_hooks_after(process);
	if (process->state == PROCESS_ALIVE && process->kill_after)
		sim_process_kill(process);
	if (process->state != PROCESS_ALIVE)
		return fail(SIM_DEAD_ERRNO);
	errno = saved;
	return true;
}

/* An open: by the current process, or NULL when it must fail. */
struct sim_process *sim_call_open(enum sim_call call)
{
	if (!sim_world || !sim_world->current)
		sim_die("%s without a current process (sim_enter())", names[call]);
	return sim_call_begin(sim_world->current, call) ? sim_world->current : NULL;
}
