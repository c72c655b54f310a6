/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the `xenmsg` command: guests of a simulated host, and commands
 * that run in them, each as an actor. What they print is kept.
 */
#ifndef CLI_BED_H
#define CLI_BED_H

#include <check.h>
#include <stdlib.h>

#include "tests/unit/cli-sources.h"
#include "tests/unit/system.h"

/* Alice and bob may send to one another, mallory may not. */
static const char config[] = "[devices]\n"
			     "domains = alice bob mallory\n"
			     "[allow a-b]\n"
			     "from = alice bob\n"
			     "to = alice bob\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob, *mallory;
static char out_path[80], in_path[80], text_path[80];

/* Every guest has a lock file of its own. */
int open_in_guest(struct xenmsg **out)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	char lock[80];

	(void)snprintf(lock, sizeof(lock), "%s/%u", w.dir, sim_process_domid(sim_current()));
	o.lock = lock;
	o.timeout = 500;
	return xenmsg_open(out, &o);
}

/* What commands print goes to a file from here on. */
static inline void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	mallory = vm_new(&w, "mallory", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	(void)snprintf(out_path, sizeof(out_path), "%s/out", w.dir);
	(void)snprintf(in_path, sizeof(in_path), "%s/in", w.dir);
	(void)snprintf(text_path, sizeof(text_path), "%s/text", w.dir);
	ck_assert_ptr_nonnull(freopen(text_path, "a", stdout));
	ck_assert_ptr_nonnull(freopen(text_path, "a", stderr));
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stderr, NULL, _IONBF, 0);
}

static inline void teardown(void)
{
	sim_enter(NULL);
	(void)unlink(out_path);
	(void)unlink(in_path);
	(void)unlink(text_path);
	world_fini(&w);
}

/* One that runs in a guest, from its arguments to its exit status. */
struct command {
	int (*run)(int argc, char **argv);
	char *words;
	char *argv[16];
	int argc;
	struct sim_process *process;
	struct sim_actor *actor;
	bool ended;
	int status;
};

static inline bool command_step(void *arg)
{
	struct command *c = arg;

	if (c->ended)
		return false;
	optind = 0;
	c->status = c->run(c->argc, c->argv);
	c->ended = true;
	return true;
}

/* @line: the command line from the command's name on, words between spaces. */
static inline void start(struct command *c, const struct vm *vm, int (*run)(int argc, char **argv),
			 const char *line)
{
	char *save, *word;

	*c = (struct command){ .run = run, .words = strdup(line) };
	for (word = strtok_r(c->words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		c->argv[c->argc++] = word;
	c->process = sim_process_new(vm->domid, c->argv[0]);
	c->actor = sim_actor_new(c->process, command_step, c);
}

static inline bool ended(void *arg)
{
	return ((struct command *)arg)->ended;
}

/* Lets everything run until it has ended. Its exit status. */
static inline int finish_command(struct command *c)
{
	sim_run(ended, c, 0, 0);
	ck_assert(c->ended);
	sim_process_free(c->process);
	free(c->words);
	return c->status;
}

static char output[65536];

/* Whether the commands printed @arg so far. */
static inline bool printed(void *arg)
{
	size_t n;
	FILE *f;

	(void)fflush(stdout);
	f = fopen(text_path, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	(void)fclose(f);
	return strstr(output, arg);
}

#define ck_printed(text) \
	ck_assert_msg(printed((void *)(uintptr_t)(text)), "no '%s' in:\n%s", text, output)

/* Bob's; it listens when this returns. */
static inline void start_listener(struct command *c, const char *line)
{
	start(c, bob, cmd_listen, line);
	sim_run(printed, (void *)(uintptr_t) "listening on port", 0, 0);
}

static inline int run_command(const struct vm *vm, int (*run)(int argc, char **argv),
			      const char *line)
{
	struct command c;

	start(&c, vm, run, line);
	return finish_command(&c);
}

#endif
