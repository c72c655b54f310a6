/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the simulation share.  Domains hold what the hypervisor
 * knows (pages, grants, ports); processes hold what the kernel knows of a
 * program (handles, mappings, shared pages); handles are the library objects.
 */
#ifndef SIM_INTERNAL_H
#define SIM_INTERNAL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <xen/grant_table.h>

#include "list.h"
#include "sim.h"

struct xs_handle;
struct sim_coro;

/* Memory and grants: what the hypervisor knows of a domain */

#define SIM_DOMAIN_PAGES 65536u /* of a domain; address space, not memory */
#define SIM_DOMAIN_PORTS 4096u
#define SIM_DOMIDS	 0x7ff0u /* those above are not for domains */

struct page {
	bool used;
	bool gone;	   /* no frame behind it (any more) */
	unsigned int maps; /* foreign mappings; they keep the frame */
};

struct grant {
	bool active;
	bool readonly;
	bool deferred; /* given up by its owner while mapped */
	bool shared;   /* a gntalloc page: freed together with the grant */
	domid_t to;
	uint32_t pfn;
	unsigned int maps;
	uint32_t next_free;
};

struct port {
	enum sim_port_state state;
	domid_t remote_domid;
	struct domain *remote; /* while bound */
	uint32_t remote_port;
	struct xenevtchn_handle *handle; /* NULL: kept by references alone */
	bool enabled;
	bool pending;
	unsigned int notify_refs; /* unmap notifications that name this port */
	uint64_t sent;
	uint64_t received;
};

struct domain {
	struct list link;
	domid_t id;
	uint64_t instance; /* never used again, unlike the domid */
	char *name;
	uint8_t uuid[16];
	enum sim_domain_type type;
	enum sim_domain_state state;
	bool shut_down; /* and stays so while it dies */
	unsigned int shutdown_reason;
	bool paused;
	bool busy; /* being destroyed: do not free yet */

	int memfd;
	uint8_t *mem; /* the test's window on all of it */
	struct page *pages;
	unsigned int mapped_pages; /* pages with foreign mappings */

	struct grant *grants;
	uint32_t nr_grants;   /* entries in the frames grown so far */
	uint32_t free_head;   /* SIM_NO_GREF: none free in these frames */
	unsigned int handles; /* maptrack entries this domain uses */
	unsigned int gntalloc_used;
	uint32_t *deferred; /* grefs given up while mapped, oldest first */
	unsigned int nr_deferred;
	struct list orphans; /* mappings of stopped processes */

	struct port *ports;
	unsigned int nr_ports;
};

/* Processes and handles: what a guest's kernel knows */

enum process_state {
	PROCESS_ALIVE,
	PROCESS_KILLED,	 /* the kernel has cleaned up */
	PROCESS_STOPPED, /* its domain no longer runs: nobody cleans up */
};

struct sim_process {
	struct list link;
	char *name;
	domid_t domid;
	struct domain *dom; /* NULL once the domain is gone */
	enum process_state state;
	struct list handles;
	struct list maps;   /* struct mapping: foreign pages */
	struct list shares; /* struct mapping: own pages, granted */
	struct list own;    /* memory shared without Xen: shm.c */
	unsigned int kill_n;
	enum sim_when kill_when;
	bool kill_after;
	unsigned int access_n; /* accesses to shared memory to go; 0: not armed */
	enum sim_access access_kind;
	bool access_library;	     /* the last one was the C library's */
	struct mapping *access_open; /* for it, or NULL */
	void (*access_fn)(void *arg);
	void *access_arg;
	struct sim_counts counts;
};

enum handle_type {
	HANDLE_GNTTAB,
	HANDLE_GNTSHR,
	HANDLE_EVTCHN,
	HANDLE_XS,
	HANDLE_XC,
};

/* The first member of every library object. */
struct handle {
	struct list link;
	struct sim_process *process;
	enum handle_type type;
};

struct xengntdev_handle {
	struct handle h;
	int fd;
};

struct xenevtchn_handle {
	struct handle h;
	int fd;		/* eventfd, readable while the ring is not empty */
	uint32_t *ring; /* ports delivered and not read yet */
	size_t ring_len;
	size_t ring_size;
	int restricted; /* to this domid; -1: no */
};

struct map_page {
	struct domain *dom;
	uint32_t gref;
	uint32_t pfn;
};

/* An area of a process's address space: mapped grants, or shared pages. */
struct mapping {
	struct list link;
	struct xengntdev_handle *handle; /* NULL: closed before the area */
	struct domain *mapper;		 /* who holds the pins; NULL: given back */
	uint8_t *addr;			 /* NULL: something else was mapped there */
	unsigned int count;
	bool writable;
	bool private; /* replaced by a private copy */
	bool notify_byte;
	bool notify_event;
	uint32_t notify_offset;
	uint32_t notify_port;
	struct map_page pages[];
};

/* The world */

struct rng {
	uint64_t s;
};

struct sim_world {
	uint64_t seed;
	struct rng test_rng;
	struct rng sched_rng;
	struct rng os_rng;
	struct sim_config config;
	struct list domains;
	struct domain *by_domid[SIM_DOMIDS];
	struct list processes;
	struct sim_process *current;
	domid_t next_domid;
	uint64_t next_instance;
	struct sim_counts counts;
	uint64_t reclaim_at; /* when busy grants are tried next; 0: none are */
};

/* NULL while no world exists. */
extern struct sim_world *sim_world;

/* world.c */
void *sim_alloc(size_t count, size_t size);
void *sim_realloc(void *p, size_t count, size_t size);
char *sim_strdup(const char *s);
char *sim_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_rng_next(struct rng *rng);
uint64_t sim_rng_below(struct rng *rng, uint64_t n);

/* domain.c */
struct domain *sim_dom_find(domid_t domid);
struct domain *sim_dom_get(domid_t domid); /* dies if there is none */
void sim_dom_unpinned(struct domain *dom); /* its last foreign mapping went */
void sim_dom_free_orphans(struct domain *dom);
void sim_dom_free(struct domain *dom);

/* page.c */
void sim_mem_init(struct domain *dom);
void sim_mem_fini(struct domain *dom);
int sim_mem_alloc(struct domain *dom, unsigned int count, uint32_t *pfn);
void sim_mem_release(struct domain *dom, uint32_t pfn);
uint8_t *sim_mem_bytes(struct domain *dom, uint32_t pfn);
bool sim_mem_present(const struct domain *dom, uint32_t pfn);

/* vma.c */
uint8_t *sim_vma_reserve(unsigned int pages);
void sim_vma_map(uint8_t *addr, const struct map_page *pages, unsigned int count, int prot);
void sim_vma_private(uint8_t *addr, unsigned int pages);
void sim_vma_release(uint8_t *addr, unsigned int pages);
void sim_vma_fini(void);

/* grant.c */
void sim_gnt_init(struct domain *dom);
void sim_gnt_fini(struct domain *dom);
uint32_t sim_gnt_access(struct domain *dom, uint32_t pfn, domid_t to, bool readonly);
struct grant *sim_gnt_find(struct domain *dom, uint32_t gref);
bool sim_gnt_try_end(struct domain *dom, uint32_t gref);
void sim_gnt_end(struct domain *dom, uint32_t gref);
void sim_gnt_reclaim(unsigned int max);
int16_t sim_gnt_check(struct domain *caller, domid_t domid, uint32_t gref, bool write,
		      struct map_page *page);
int16_t sim_gnt_map(struct domain *mapper, domid_t domid, uint32_t gref, bool write,
		    struct map_page *page);
void sim_gnt_unmap(struct domain *mapper, const struct map_page *page);

/* process.c */
void sim_handle_init(struct handle *h, struct sim_process *process, enum handle_type type);
void sim_handle_fini(struct handle *h);
bool sim_handle_alive(const struct handle *h);
void sim_process_stop(struct sim_process *process);

/* call.c */
bool sim_call_begin(struct sim_process *process, enum sim_call call);
bool sim_call_end(struct sim_process *process);
struct sim_process *sim_call_open(enum sim_call call);
bool sim_fault_copy_op(int16_t *status);
bool sim_fault_xs_conflict(void);
void sim_fault_forget(const struct sim_process *process);

/* hook.c */
void sim_hooks_before(struct sim_process *process, enum sim_call call);
void sim_hooks_after(struct sim_process *process);
void sim_hooks_forget(const struct sim_process *process);

/* mapping.c */
struct mapping *sim_mapping_new(struct xengntdev_handle *handle, unsigned int count, bool writable);
struct mapping *sim_mapping_find(struct list *list, const void *addr, size_t len);
void sim_mapping_give_back(struct mapping *map);
void sim_share_give_back(struct mapping *share);
void sim_mapping_private(struct mapping *map);
void sim_mapping_orphan(struct mapping *map);
void sim_mapping_free(struct mapping *map);

/* gnttab.c */
void sim_gnt_handle_free(struct xengntdev_handle *handle);

/* port.c: the hypervisor's event channels */
void sim_port_init(struct domain *dom);
int sim_port_alloc(struct domain *dom);
struct port *sim_port_find(struct domain *dom, uint32_t port);
int sim_port_bind(struct domain *dom, domid_t remote_domid, uint32_t remote_port);
int sim_port_unbound(struct domain *dom, domid_t remote_domid);
int sim_port_send(struct domain *dom, uint32_t port);
void sim_port_pending(struct domain *dom, uint32_t port);
void sim_port_close(struct domain *dom, uint32_t port);
void sim_port_close_all(struct domain *dom);

/* evtchn.c: the kernel's */
bool sim_evtchn_get(struct domain *dom, uint32_t port);
void sim_evtchn_put(struct domain *dom, uint32_t port);
void sim_evtchn_deliver(struct xenevtchn_handle *xce, uint32_t port);
ssize_t sim_evtchn_read(struct xenevtchn_handle *xce, void *buf, size_t count);
void sim_evtchn_kill(struct xenevtchn_handle *xce);
void sim_evtchn_stop(struct xenevtchn_handle *xce);
void sim_evtchn_free(struct xenevtchn_handle *xce);

/* fd.c: file descriptors that are readable while something is queued */
int sim_fd_new(void);
/* read() of it is @xce's. */
void sim_fd_read_by(int fd, struct xenevtchn_handle *xce);
void sim_fd_signal(int fd, bool readable);
void sim_fd_free(int fd);

/* time.c */
void sim_time_init(void);
void sim_time_fini(void);
void sim_timer_forget(int fd);
void sim_timer_kill(const struct sim_process *process);
unsigned int sim_timer_armed(const struct sim_process *process);

/* sched.c */
void sim_sched_fini(void);
void sim_sched_forget(const struct sim_process *process);
void sim_sched_unwind(const struct sim_process *process);
bool sim_sched_wait(uint64_t deadline, bool first);
int sim_sched_sleep(uint64_t ns);

/* coro.c */
struct sim_coro *sim_coro_new(void (*fn)(void *arg), void *arg);
void sim_coro_resume(struct sim_coro *coro);
void sim_coro_yield(struct sim_coro *coro);
void sim_coro_free(struct sim_coro *coro);

/* wait.c */
void sim_wait_init(void);

/* shm.c */
void sim_shm_init(void);
void sim_shm_moved(void *from, void *to);
void sim_shm_private(struct sim_process *process);
void sim_shm_forget(struct sim_process *process);
unsigned int sim_shm_count(const struct sim_process *process);

/* store.c */
void sim_store_mapped(struct sim_process *process);
void sim_store_forget(struct sim_process *process);

/* xs*.c */
void sim_xs_init(void);
void sim_xs_fini(void);
void sim_xs_domain_add(struct domain *dom);
void sim_xs_domain_rm(struct domain *dom);   /* the toolstack's part */
void sim_xs_domain_gone(struct domain *dom); /* xenstored's part */
void sim_xs_event(const char *name);
void sim_xs_handle_kill(struct xs_handle *xs);
void sim_xs_handle_free(struct xs_handle *xs);

#endif /* SIM_INTERNAL_H */
