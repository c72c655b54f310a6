// SPDX-License-Identifier: GPL-2.0-or-later
/* See system.h. */
#include "tests/unit/system.h"

#include "common/listen.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A program that never rests. */
#define MAX_STEPS 1000000

static void sink(void *data, int prio, const char *line)
{
	struct world *w = data;
	size_t room = WORLD_LINES - w->lines_len;
	int n;

	if (getenv("XENMSG_LOG"))
		(void)fprintf(stderr, "%9.6f broker %u: %s\n", (double)sim_now() / 1e9, w->brokers,
			      line);
	n = snprintf(w->lines + w->lines_len, room, "%s\n", line);
	if (n > 0 && (size_t)n < room)
		w->lines_len += (size_t)n;
}

void world_init(struct world *w, uint64_t seed, const char *config)
{
	memset(w, 0, sizeof(*w));
	sim_init(seed);
	/* Brokers leave the counter of generations, for good reason. */
	sim_base_path("/local/domain/0/xenmsg");
	sim_xs_put("/local/domain/0/backend/vmsg", "");
	sim_base();
	w->lines = calloc(1, WORLD_LINES);
	w->config = strdup(config);
	/* The runner's, which removes what killed tests leave. */
	(void)snprintf(w->dir, sizeof(w->dir), "%s/xenmsg-test-XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ck_assert(w->lines && w->config && mkdtemp(w->dir));
	(void)snprintf(w->socket, sizeof(w->socket), "%s/local", w->dir);
	(void)snprintf(w->nowhere, sizeof(w->nowhere), "%s/nowhere", w->dir);
	log_init(&w->log, sink, w, LOG_DEBUG);
}

/* --------------------------------------------------------------- the broker */

static bool broker_step(void *arg)
{
	struct world *w = arg;

	if (sd_event_get_state(w->event) == SD_EVENT_FINISHED)
		return false;
	if (!w->waits)
		return backend_loop(w->broker->backend, 0) > 0;
	w->serving = true;
	(void)broker_run(w->broker);
	w->serving = false;
	return true;
}

static int on_stop(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static struct config *read_config(const char *text)
{
	FILE *stream = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct config_error error;
	struct config *config;
	int r;

	ck_assert_ptr_nonnull(stream);
	r = config_read(&config, stream, "test", &error);
	ck_assert_msg(r == 0, "configuration, line %u: %s", error.line, error.reason);
	(void)fclose(stream);
	return config;
}

static int listen_locally(struct world *w)
{
	int fd = listen_at(w->socket, SOCK_SEQPACKET, 0600);

	ck_assert_int_ge(fd, 0);
	return broker_listen(w->broker, fd);
}

int world_broker_start(struct world *w)
{
	struct sim_process *previous;
	struct config *config = read_config(w->config);
	int r;

	ck_assert_ptr_null(w->process);
	w->brokers++;
	w->process = sim_process_new(0, "broker");
	sim_kill_at(w->process, w->kill_at, w->kill_when);
	(void)sim_kill_at_store(w->process, w->kill_store);
	previous = sim_enter(w->process);
	ck_assert_int_ge(sd_event_new(&w->event), 0);
	w->stop_fd = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(sd_event_add_io(w->event, NULL, w->stop_fd, EPOLLIN, on_stop, NULL), 0);
	r = broker_new(&w->broker, w->event, &w->log, config);
	ck_assert_int_eq(r, 0);
	r = broker_start(w->broker);
	if (r == 0 && w->local)
		r = listen_locally(w);
	sim_enter(previous);
	if (r == 0 && !sim_process_dead(w->process))
		w->actor = sim_actor_new(w->process, broker_step, w);
	return r;
}

/* Its memory; nobody sees what it does any more if it is dead. */
static void broker_end(struct world *w, bool remove)
{
	struct sim_process *previous;
	uint64_t one = 1;

	ck_assert_int_eq(write(w->stop_fd, &one, sizeof(one)), sizeof(one));
	/* A killed one comes to its end at the next call. */
	while (w->serving)
		(void)sim_step(w->actor);
	previous = sim_enter(w->process);
	if (!sim_process_dead(w->process))
		sim_actor_free(w->actor);
	broker_free(w->broker, remove);
	sd_event_unref(w->event);
	close(w->stop_fd);
	sim_enter(previous == w->process ? NULL : previous);
	sim_process_free(w->process);
	w->broker = NULL;
	w->event = NULL;
	w->actor = NULL;
	w->process = NULL;
}

void world_broker_kill(struct world *w)
{
	sim_process_kill(w->process);
	broker_end(w, false);
}

void world_broker_stop(struct world *w)
{
	broker_end(w, false);
}

bool world_broker_ended(const struct world *w)
{
	return w->process && (sim_process_dead(w->process) || !w->actor ||
			      sd_event_get_state(w->event) == SD_EVENT_FINISHED);
}

void world_broker_reap(struct world *w)
{
	ck_assert(world_broker_ended(w));
	broker_end(w, false);
}

/* The delay is spent in the middle of the turn, so that time moves on. */
static bool keeper_step(void *arg)
{
	struct world *w = arg;

	if (!w->process || !world_broker_ended(w) || w->serving)
		return false;
	world_broker_reap(w);
	if (w->keeper_delay)
		(void)poll(NULL, 0, (int)w->keeper_delay);
	/* If it does not start, the next turn sees that it ended. */
	if (w->keeper && !w->process)
		(void)world_broker_start(w);
	return true;
}

void world_broker_keep(struct world *w, unsigned int ms)
{
	w->keeper_delay = ms;
	if (!w->keeper)
		w->keeper = sim_actor_new(NULL, keeper_step, w);
}

bool world_logged(const struct world *w, const char *text)
{
	return strstr(w->lines, text) != NULL;
}

void world_log_clear(struct world *w)
{
	w->lines_len = 0;
	w->lines[0] = '\0';
}

struct backend_stats world_stats(const struct world *w)
{
	struct backend_stats stats;

	backend_stats_get(w->broker->backend, &stats);
	return stats;
}

/* --------------------------------------------------------------- the guests */

struct vm *vm_new(struct world *w, const char *name, enum sim_domain_type type)
{
	struct vm *vm = &w->vms[w->nr_vms++];

	ck_assert_uint_le(w->nr_vms, WORLD_VMS);
	vm->world = w;
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->domid = sim_domain_new(name, type);
	(void)snprintf(vm->lock, sizeof(vm->lock), "%s/%s", w->dir, name);
	vm->socket = w->nowhere;
	return vm;
}

struct vm *vm_new_local(struct world *w, const char *name)
{
	struct vm *vm = &w->vms[w->nr_vms++];

	ck_assert_uint_le(w->nr_vms, WORLD_VMS);
	w->local = true;
	vm->world = w;
	(void)snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->local = true;
	vm->socket = w->socket;
	return vm;
}

void vm_renew(struct vm *vm, enum sim_domain_type type)
{
	ck_assert(vm->destroyed && !vm->process);
	vm->destroyed = false;
	vm->domid = sim_domain_new(vm->name, type);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static bool vm_step(void *arg)
{
	struct vm *vm = arg;

	if (!readable(xenmsg_fd(vm->x)))
		return false;
	(void)xenmsg_dispatch(vm->x);
	return true;
}

int vm_open(struct vm *vm, const struct xenmsg_options *options)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	struct sim_process *previous = sim_current();
	int r;

	ck_assert_ptr_null(vm->process);
	if (options)
		o = *options;
	o.lock = vm->lock;
	o.socket = vm->socket;
	vm->process = sim_process_new(vm->domid, vm->name);
	sim_enter(vm->process);
	r = xenmsg_open(&vm->x, &o);
	sim_enter(previous);
	if (r) {
		sim_process_free(vm->process);
		vm->process = NULL;
		vm->x = NULL;
		return r;
	}
	vm->actor = sim_actor_new(vm->process, vm_step, vm);
	return 0;
}

static bool program_step(void *arg)
{
	struct vm *vm = arg;
	bool did;

	vm->busy = true;
	did = vm->turn(vm->arg);
	vm->busy = false;
	return did;
}

void vm_start(struct vm *vm, sim_step_fn turn, void *arg)
{
	ck_assert_ptr_null(vm->process);
	vm->turn = turn;
	vm->arg = arg;
	vm->process = sim_process_new(vm->domid, vm->name);
	vm->actor = sim_actor_new(vm->process, program_step, vm);
}

static void frontend_end(struct vm *vm)
{
	struct sim_process *previous;

	/* A killed program comes to the end of what it is in the middle of. */
	ck_assert(!vm->busy || sim_process_dead(vm->process));
	while (vm->busy)
		(void)sim_step(vm->actor);
	previous = sim_enter(vm->process);
	if (!sim_process_dead(vm->process))
		sim_actor_free(vm->actor);
	vm->actor = NULL;
	xenmsg_close(vm->x);
	vm->x = NULL;
	sim_enter(previous == vm->process ? NULL : previous);
	sim_process_free(vm->process);
	vm->process = NULL;
}

void vm_close(struct vm *vm)
{
	frontend_end(vm);
}

void vm_kill(struct vm *vm)
{
	sim_process_kill(vm->process);
	frontend_end(vm);
}

bool vm_ended(const struct vm *vm)
{
	return vm->process && sim_process_dead(vm->process);
}

void vm_reap(struct vm *vm)
{
	ck_assert(vm_ended(vm));
	frontend_end(vm);
}

void vm_destroy(struct vm *vm)
{
	enum sim_domain_state state = sim_domain_state(vm->domid);

	if (state == SIM_DOMAIN_RUNNING || state == SIM_DOMAIN_SHUTDOWN)
		sim_domain_destroy(vm->domid);
	vm->destroyed = true;
	if (vm->process)
		frontend_end(vm);
}

void vm_enter(struct vm *vm)
{
	sim_enter(vm->process);
}

/* ------------------------------------------------------------------ the end */

static bool at_time(void *arg)
{
	return sim_now() >= *(uint64_t *)arg;
}

void world_run(struct world *w, unsigned int ms)
{
	uint64_t end = sim_now() + ms * SIM_NSEC_PER_MSEC;

	if (sim_run(at_time, &end, MAX_STEPS, 0) == SIM_END_IDLE && sim_now() < end)
		sim_advance(end - sim_now());
}

static void forget(struct world *w)
{
	sim_fini();
	for (unsigned int i = 0; i < w->nr_vms; i++)
		(void)unlink(w->vms[i].lock);
	(void)unlink(w->socket);
	(void)rmdir(w->dir);
	free(w->lines);
	free(w->config);
}

void world_fini(struct world *w)
{
	unsigned int i;

	sim_fail_reset();
	sim_actor_free(w->keeper);
	w->keeper = NULL;
	if (world_broker_ended(w))
		world_broker_reap(w);
	if (!w->process)
		ck_assert_int_eq(world_broker_start(w), 0);
	for (i = 0; i < w->nr_vms; i++) {
		struct vm *vm = &w->vms[i];

		if (vm_ended(vm))
			vm_reap(vm);
		else if (vm->process)
			vm_close(vm);
	}
	for (i = 0; i < w->nr_vms; i++)
		if (!w->vms[i].destroyed && !w->vms[i].local)
			sim_domain_destroy(w->vms[i].domid);
	/* What needs retries gets the time for them. */
	world_run(w, 10000);
	broker_end(w, true);
	sim_assert_clean();
	forget(w);
}

void world_drop(struct world *w)
{
	for (unsigned int i = 0; i < w->nr_vms; i++)
		if (w->vms[i].process)
			vm_close(&w->vms[i]);
	if (w->process)
		broker_end(w, false);
	forget(w);
}
