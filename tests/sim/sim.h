/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A simulated Xen for unit tests.
 *
 * The objects of this directory define the real symbols of libxengnttab
 * (both halves), libxenevtchn, libxenstore and the part of libxenctrl that
 * lists domains.  A program linked with them instead of the libraries runs
 * unchanged, and several programs, in several domains, run in one Unix
 * process and one thread.  Nothing here is thread-safe.
 *
 * The world
 *     There is one, made by sim_init() and thrown away by sim_fini().  It
 *     holds domains, processes, a xenstore, and virtual time.  Everything in
 *     it is a function of the seed: two runs of the same test with the same
 *     seed do the same.
 *
 * Domains and processes
 *     Domain 0 exists from the start.  A process belongs to a domain and owns
 *     the library handles that were opened while it was the current one
 *     (sim_enter()); a handle remembers its process, so calls on it need no
 *     sim_enter().  Only opens and timers ask for the current process.
 *
 * Memory
 *     The pages of a domain live in a memfd.  Sharing and mapping grants give
 *     real mappings of them: a write to a read-only mapping, and any access
 *     after the unmap, is a SIGSEGV.  sim_page() is the test's own window,
 *     valid as long as the domain's memory is.
 *
 * Time
 *     clock_gettime(), gettimeofday(), time(), nanosleep(), usleep(), sleep()
 *     and timerfd_*() see virtual time while a world exists, in this program
 *     and in shared libraries (sd-event).  Time moves by sim_advance(), by
 *     sleeping, and in sim_run() when nobody has anything to do.  CPU-time
 *     clocks stay real.  Give sd_event_add_time() an accuracy of 1 us: with
 *     its default, libsystemd spreads wake-ups by the host's boot id.
 *
 * Blocking
 *     poll(), ppoll() and epoll_wait() wait in virtual time, on whatever file
 *     descriptor.  An actor that waits lets the others run; the test that waits
 *     runs them, and fails if its wait can never end.  xenevtchn_pending(),
 *     read() of xenevtchn_fd() and xs_read_watch() do not block either: without
 *     anything to read they fail with EAGAIN.
 *
 * Failures of the simulation itself (a leak, a step budget used up, a wait
 * that never ends, an interface used in a way the real one does not offer)
 * are reported through Check when the program is linked with it, else on
 * stderr with abort(); the seed is printed with them.
 *
 * What differs from Xen and Linux, and what is missing, is in README.md.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>

#define SIM_PAGE_SIZE  4096u
#define SIM_PAGE_SHIFT 12

#define SIM_NSEC_PER_USEC UINT64_C(1000)
#define SIM_NSEC_PER_MSEC UINT64_C(1000000)
#define SIM_NSEC_PER_SEC  UINT64_C(1000000000)

/* No gref, no port, no timer: what the functions below return for "none". */
#define SIM_NO_GREF  UINT32_MAX
#define SIM_NO_TIMER UINT64_MAX

struct sim_process;
struct sim_actor;

/*
 * World
 */

/*
 * Limits of the simulated system.  Change them after sim_init(), before the
 * thing they limit is used.  The defaults are those of Xen 4.17 and Linux 6.1.
 */
struct sim_config {
	unsigned int gntalloc_pages;   /* gntalloc's limit per domain: 1024 */
	unsigned int grant_entries;    /* v1 entries per domain: 32768 */
	unsigned int maptrack_handles; /* per mapping domain: 262144 */
	unsigned int map_pages_max;    /* gntdev's limit per map call: 65536 */
	unsigned int evtchns;	       /* per domU: 1023 */
	unsigned int xs_nodes;	       /* xenstore quotas per domU: 1000; 0: as many as they like */
	unsigned int xs_watches;       /* 128 */
	unsigned int xs_node_size;     /* bytes, all of a node: 2048 */
	unsigned int xs_transactions;  /* 10 */
	unsigned int xs_perms;	       /* permissions of a node: 5 */
	unsigned int deferred_per_sec; /* busy grants retried a second: 10 */
	bool silo;		       /* xsm=silo: no domU to domU: false */
	uint64_t step_cost;	       /* ns a step of sim_run() takes: 1000 */
	bool count_cpu;		       /* have struct sim_counts.cpu, which costs time: no */
	uint64_t xs_cost;	       /* ns that xenstored takes to answer a request: 0 */
};

/* Make the world.  The previous one, if any, must be finished. */
void sim_init(uint64_t seed);

/*
 * Throw the world away, whatever is still in it, and free all memory the
 * simulation holds.  Handles and mappings of it must not be used afterwards.
 */
void sim_fini(void);

uint64_t sim_seed(void);
struct sim_config *sim_config(void);

/*
 * A random number of the test's own stream.  The scheduler, getrandom() and
 * the test have separate streams: using one does not change the others.
 */
uint64_t sim_random(void);

/* A random number in [0, n); n > 0. */
uint64_t sim_random_below(uint64_t n);

/*
 * Domains
 */

enum sim_domain_type {
	SIM_PV,
	SIM_PVH,
	SIM_HVM,
};

enum sim_domain_state {
	SIM_DOMAIN_GONE,     /* no such domain (any more) */
	SIM_DOMAIN_RUNNING,  /* paused ones too */
	SIM_DOMAIN_SHUTDOWN, /* stopped running, not destroyed yet */
	SIM_DOMAIN_DYING,    /* destroyed; somebody still maps its pages */
};

/*
 * Create a domain as the toolstack does: its base nodes in xenstore, and
 * @introduceDomain.  A new domain gets the next free domid above all that
 * were used; sim_domain_new_at() takes a given free one, so that domids can
 * be reused.  Every domain has a UUID of its own.
 */
domid_t sim_domain_new(const char *name, enum sim_domain_type type);
domid_t sim_domain_new_at(domid_t domid, const char *name, enum sim_domain_type type);

enum sim_domain_state sim_domain_state(domid_t domid);

/* The 16 bytes xc_domain_getinfo() gives as handle; NULL: no such domain. */
const uint8_t *sim_domain_uuid(domid_t domid);

/* A paused domain's actors do not run; nothing else changes. */
void sim_domain_pause(domid_t domid);
void sim_domain_unpause(domid_t domid);

/*
 * The guest stops running (@reason is SHUTDOWN_* of xen/sched.h), and
 * @releaseDomain fires.  Its processes are as if killed, but nothing of them
 * is cleaned up: grants, mappings and event channels stay until destroy.
 */
void sim_domain_shutdown(domid_t domid, unsigned int reason);

/*
 * `xl destroy`: /local/domain/<domid> goes first, then the domain is killed:
 * its processes end without a last word (no unmap notification), its mappings
 * and event channels go, nodes it owns go, @releaseDomain fires.  It stays
 * SIM_DOMAIN_DYING while somebody else maps its pages.  The nodes of its
 * backends stay.
 */
void sim_domain_destroy(domid_t domid);

/*
 * Pages and grants, for tests that forge what a guest does
 */

/* Allocate contiguous zeroed pages; returns the number of the first one. */
uint32_t sim_page_alloc(domid_t domid, unsigned int count);

/* Give pages back.  They must not be granted. */
void sim_page_free(domid_t domid, uint32_t pfn, unsigned int count);

/* The bytes of a page; pages of one allocation are contiguous. */
void *sim_page(domid_t domid, uint32_t pfn);

/*
 * The page vanishes below its grants, as when a guest balloons it out: grants
 * of it that nobody maps give GNTST_bad_page from now on.
 */
void sim_page_gone(domid_t domid, uint32_t pfn);

/* Grant a page; SIM_NO_GREF when the table is full. */
uint32_t sim_grant(domid_t domid, uint32_t pfn, domid_t to, bool readonly);

/* As gnttab_try_end_foreign_access(): 0, -EBUSY (mapped), -EINVAL (no grant). */
int sim_revoke(domid_t domid, uint32_t gref);

/* The bytes behind a gref of the domain (shared pages too); NULL: no grant. */
void *sim_gref_page(domid_t domid, uint32_t gref);

/* How many mappings of this grant exist. */
unsigned int sim_gref_maps(domid_t domid, uint32_t gref);

/* How many grants of the domain are active, how many of its pages mapped. */
unsigned int sim_grants(domid_t domid);
unsigned int sim_mapped_pages(domid_t domid);

/*
 * Processes
 */

/* What a killed process's calls fail with. */
#define SIM_DEAD_ERRNO EIO

struct sim_process *sim_process_new(domid_t domid, const char *name);

/* Make @process (NULL: none) the current one; returns the previous one. */
struct sim_process *sim_enter(struct sim_process *process);
struct sim_process *sim_current(void);

domid_t sim_process_domid(const struct sim_process *process);

/*
 * SIGKILL.  From now on no handle of the process has an effect: calls fail
 * with SIM_DEAD_ERRNO (closes free the handle and succeed).  What the kernel
 * does for a dead process has been done when this returns: unmap
 * notifications (byte, event), mappings released, shared pages revoked or,
 * while others map them, put on the deferred list, ports closed, watches and
 * transactions gone, timers stopped.  Each mapping is replaced at its address
 * by a private, writable copy, so that the test can call the program's
 * ordinary clean-up functions to free its memory.  So is each shared mapping that
 * it made of a descriptor of its own; such descriptors are the test's to close.
 */
void sim_process_kill(struct sim_process *process);

/* True after a kill, and after shutdown or destruction of its domain. */
bool sim_process_dead(const struct sim_process *process);

/*
 * The process is over: kills it if it lives, lets an actor of it that waits
 * come to the end of its turn, then frees what is left of it, private copies
 * of its mappings and handles it never closed included.
 */
void sim_process_free(struct sim_process *process);

enum sim_when {
	SIM_BEFORE, /* the call has no effect */
	SIM_AFTER,  /* the call has its effect, then the process dies */
};

/*
 * Kill the process at its @n-th call from now (1: the next one); 0 cancels.
 * In both cases the call fails with SIM_DEAD_ERRNO.  Every library call
 * counts, but closes, *_fd() and xs_fileno().
 */
void sim_kill_at(struct sim_process *process, unsigned int n, enum sim_when when);

/* Kill the process just before its @n-th store from now: sim_at_access(). */
bool sim_kill_at_store(struct sim_process *process, unsigned int n);

enum sim_access {
	SIM_STORES,
	SIM_ACCESSES, /* loads and stores */
};

/*
 * Call @fn just before the @n-th access from now (1: the next one) of the
 * process, by an instruction of its own, to memory it shares with other
 * domains: mappings and shared pages.  Copying a page takes many.  Once only;
 * 0 cancels.  @fn may kill the process, and change the pages through
 * sim_page() and sim_gref_page(), as a hostile peer does: the access meets the
 * new contents.  x86-64 only: elsewhere it returns false.
 */
bool sim_at_access(struct sim_process *process, enum sim_access kind, unsigned int n,
		   void (*fn)(void *arg), void *arg);

/*
 * Calls: counting and failing them
 */

enum sim_call {
	SIM_CALL_ANY, /* for sim_fail_nth() and sim_calls(): all of them */
	SIM_CALL_GNTTAB_OPEN,
	SIM_CALL_MAP,
	SIM_CALL_UNMAP,
	SIM_CALL_COPY,
	SIM_CALL_GNTSHR_OPEN,
	SIM_CALL_SHARE,
	SIM_CALL_UNSHARE,
	SIM_CALL_EVTCHN_OPEN,
	SIM_CALL_BIND, /* both ways to bind */
	SIM_CALL_UNBIND,
	SIM_CALL_NOTIFY,
	SIM_CALL_PENDING,
	SIM_CALL_UNMASK,
	SIM_CALL_XS_OPEN,
	SIM_CALL_XS_READ,
	SIM_CALL_XS_DIRECTORY,
	SIM_CALL_XS_WRITE,
	SIM_CALL_XS_MKDIR,
	SIM_CALL_XS_RM,
	SIM_CALL_XS_GET_PERMS,
	SIM_CALL_XS_SET_PERMS,
	SIM_CALL_XS_WATCH,
	SIM_CALL_XS_UNWATCH,
	SIM_CALL_XS_CHECK_WATCH, /* xs_read_watch() too */
	SIM_CALL_XS_START,	 /* transactions */
	SIM_CALL_XS_END,
	SIM_CALL_XS_QUERY, /* domain path, is introduced */
	SIM_CALL_XC_OPEN,
	SIM_CALL_XC_GETINFO,
	SIM_CALL_N
};

const char *sim_call_name(enum sim_call call);

/*
 * Let the @n-th call of this kind from now (1: the next one) fail with @err
 * and without any effect, whoever makes it, or only @process if not NULL.
 * Several may wait at once.  SIM_CALL_XS_END with EAGAIN is a transaction
 * conflict; with any error the transaction is over.
 */
void sim_fail_nth(struct sim_process *process, enum sim_call call, unsigned int n, int err);

/*
 * Call @fn at the @n-th call of this kind from now (1: the next one), by
 * @process or, if NULL, by anybody: for what happens elsewhere at that moment,
 * such as sim_domain_destroy().  @fn may make calls of other processes.
 */
void sim_at_call(struct sim_process *process, enum sim_call call, unsigned int n,
		 enum sim_when when, void (*fn)(void *arg), void *arg);

/* The @n-th grant-copy operation from now gets this GNTST_* status. */
void sim_fail_copy_op(unsigned int n, int16_t status);

/*
 * The next @count copy operations find a paged-out page: the kernel retries
 * for 32 s of virtual time, then the status is GNTST_bad_page.
 */
void sim_fail_copy_eagain(unsigned int count);

/* The next @count transaction ends (commits) fail with EAGAIN. */
void sim_xs_conflict(unsigned int count);

/* Forget all failures, kills and @fn that have not happened. */
void sim_fail_reset(void);

struct sim_counts {
	uint64_t calls[SIM_CALL_N]; /* [SIM_CALL_ANY] is their sum */
	uint64_t pages_mapped;
	uint64_t pages_unmapped;
	uint64_t copy_ops;	  /* operations handed to the hypervisor */
	uint64_t copy_hypercalls; /* the kernel flushes every 16 operations */
	uint64_t copy_bytes;
	uint64_t cpu; /* ns of real processor time in calls: not the process's own */
};

/* Of one process since it began; NULL: of all processes since sim_init(). */
const struct sim_counts *sim_counts(const struct sim_process *process);

/*
 * Event channels
 */

/* Notifications this port has sent with xenevtchn_notify(), and received. */
uint64_t sim_port_sent(domid_t domid, uint32_t port);
uint64_t sim_port_received(domid_t domid, uint32_t port);

enum sim_port_state {
	SIM_PORT_FREE,
	SIM_PORT_UNBOUND,
	SIM_PORT_BOUND,
};

enum sim_port_state sim_port_state(domid_t domid, uint32_t port);

/* A storm, a stray interrupt: the port gets an event from nowhere. */
void sim_port_raise(domid_t domid, uint32_t port);

/*
 * Xenstore: the test's own, all-powerful access (no call is counted)
 */

/* The value, or NULL; valid until the next change of the node. */
const char *sim_xs_get(const char *path);
bool sim_xs_exists(const char *path);

/* How many nodes the domain owns: what its quota counts. */
unsigned int sim_xs_owned_nodes(domid_t domid);

/* As the toolstack; parents are made as needed. */
void sim_xs_put(const char *path, const char *value);
void sim_xs_rm(const char *path);

/* As domain @domid, with its permissions and quotas: 0 or -errno. */
int sim_xs_put_as(domid_t domid, const char *path, const char *value);

/* Permissions as xenstore-chmod takes them: "n0,r5". */
void sim_xs_chmod(const char *path, const char *perms);

/* Every watch gets an event for its own path, as after a live update. */
void sim_xs_spurious(void);

/*
 * What may be there at the end: all nodes that exist now, or all at and below
 * @path whenever they are made.  The nodes sim_domain_new() makes are always
 * allowed.
 */
void sim_base(void);
void sim_base_path(const char *path);

/*
 * Time
 */

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t sim_now(void);

/* Let time pass; timers that become due on the way fire in order. */
void sim_advance(uint64_t ns);

/* When the next armed timer of a living process is due; or SIM_NO_TIMER. */
uint64_t sim_next_timer(void);

/*
 * Scheduler
 */

/*
 * One turn of a program: whether it did anything.  The process is the current
 * one meanwhile.  The turn may wait in poll() and the like: it then stays there
 * until there is something, while others take their turns; so @step may be the
 * main function of a program.
 */
typedef bool (*sim_step_fn)(void *arg);
typedef bool (*sim_pred_fn)(void *arg);

/*
 * An actor lives until its process dies, or is freed, or sim_actor_free(); one
 * that waits then goes on to the end of its turn (in a killed process the wait
 * and every call fail).  @process may be NULL: an actor of the test itself.
 */
struct sim_actor *sim_actor_new(struct sim_process *process, sim_step_fn step, void *arg);
void sim_actor_free(struct sim_actor *actor);

/* A stalled actor does not run: a stopped process (SIGSTOP). */
void sim_actor_stall(struct sim_actor *actor, bool stalled);

enum sim_end {
	SIM_END_DONE, /* the predicate holds */
	SIM_END_IDLE, /* nobody has anything to do and no timer is armed */
};

/*
 * Run the actors, each step of a randomly chosen one that may have something
 * to do, until @done(arg) holds (NULL: never).  When all are idle, time moves
 * to the next timer.  After @max_steps steps and moves of time, or @max_ns of
 * virtual time, the test fails (0: no such bound).
 */
enum sim_end sim_run(sim_pred_fn done, void *arg, uint64_t max_steps, uint64_t max_ns);

/* Run the actors until so much virtual time has passed. */
void sim_run_for(uint64_t ns);

/* Run one step of one actor, without the scheduler. */
bool sim_step(struct sim_actor *actor);

/*
 * The end
 */

/*
 * Everything that was opened is closed, unmapped, revoked, unbound, unwatched
 * and removed: no handle, mapping, shared page, watch, transaction or armed
 * timer of a living process; no grant or port of a running domain; no busy
 * grant waiting for its user; no zombie domain; no xenstore node but the base.
 * Returns NULL, or a list of what is left (one a line), to be freed.
 */
char *sim_leaks(void);

/* Fails with that list. */
void sim_assert_clean(void);

/* Report a failure of the test with the seed; does not return. */
void sim_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Let @handler, which must not return, have such reports; NULL: the default. */
void sim_on_die(void (*handler)(const char *message));

#endif /* SIM_H */
