// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stacks for the actors, so that one that waits in the middle of a call can be
 * left there while others go on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "internal.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#define STACK_SIZE (size_t)(1024 * 1024)

struct sim_coro {
	ucontext_t self;
	ucontext_t caller;
	uint8_t *stack;
	void (*fn)(void *arg);
	void *arg;
	/* What AddressSanitizer has to know of a switch. */
	void *own_fake;
	void *caller_fake;
	const void *caller_stack;
	size_t caller_size;
};

/* makecontext() passes nothing but ints. */
static struct sim_coro *starting;

static void begin_switch(void **fake, const void *stack, size_t size)
{
#ifdef WITH_ASAN
	__sanitizer_start_switch_fiber(fake, stack, size);
#else
	(void)fake;
	(void)stack;
	(void)size;
#endif
}

static void end_switch(void *fake, const void **stack, size_t *size)
{
#ifdef WITH_ASAN
	__sanitizer_finish_switch_fiber(fake, stack, size);
#else
	(void)fake;
	(void)stack;
	(void)size;
#endif
}

/*
 * Leave this stack at @from and go on at @to.  Not swapcontext(), against which
 * AddressSanitizer warns whatever it was told of the switch.
 */
static void switch_stack(ucontext_t *from, const ucontext_t *to)
{
	volatile bool back = false;

	getcontext(from);
	if (!back) {
		back = true;
		setcontext(to);
	}
}

static void entry(void)
{
	struct sim_coro *coro = starting;

	end_switch(NULL, &coro->caller_stack, &coro->caller_size);
	coro->fn(coro->arg);
	sim_die("the end of an actor's stack");
}

/* @fn must not return. */
struct sim_coro *sim_coro_new(void (*fn)(void *arg), void *arg)
{
	struct sim_coro *coro = sim_alloc(1, sizeof(*coro));

	coro->fn = fn;
	coro->arg = arg;
	coro->stack = mmap(NULL, STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);
	/* The lowest page stays closed: an overflow faults. */
	if (coro->stack == MAP_FAILED ||
	    mprotect(coro->stack + SIM_PAGE_SIZE, STACK_SIZE - SIM_PAGE_SIZE,
		     PROT_READ | PROT_WRITE))
		sim_die("no stack for an actor");
	getcontext(&coro->self);
	coro->self.uc_stack.ss_sp = coro->stack;
	coro->self.uc_stack.ss_size = STACK_SIZE;
	coro->self.uc_link = NULL;
	makecontext(&coro->self, entry, 0);
	return coro;
}

/* Go on with it, until it yields. */
void sim_coro_resume(struct sim_coro *coro)
{
	starting = coro;
	begin_switch(&coro->caller_fake, coro->stack, STACK_SIZE);
	switch_stack(&coro->caller, &coro->self);
	end_switch(coro->caller_fake, NULL, NULL);
}

/* Back to who resumed it. */
void sim_coro_yield(struct sim_coro *coro)
{
	begin_switch(&coro->own_fake, coro->caller_stack, coro->caller_size);
	switch_stack(&coro->self, &coro->caller);
	end_switch(coro->own_fake, &coro->caller_stack, &coro->caller_size);
}

/* Wherever it is; its stack is not unwound. */
void sim_coro_free(struct sim_coro *coro)
{
#ifdef WITH_ASAN
	__asan_unpoison_memory_region(coro->stack, STACK_SIZE);
#endif
	munmap(coro->stack, STACK_SIZE);
	free(coro);
}
