// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stacks for the actors, so that one that waits in the middle of a call can be
 * left there while others go on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "internal.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

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

struct context {
#if defined(__x86_64__)
	void *sp; /* where its registers are */
#else
	ucontext_t uc;
#endif
};

struct sim_coro {
	struct context self;
	struct context caller;
	uint8_t *stack;
	void (*fn)(void *arg);
	void *arg;
	/* What AddressSanitizer has to know of a switch. */
	void *own_fake;
	void *caller_fake;
	const void *caller_stack;
	size_t caller_size;
};

/* A stack begins with a function without arguments. */
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

#if defined(__x86_64__)

/*
 * Leave this stack at @from and go on at @to: what a function has to keep, by
 * the ABI.  The C library's functions keep the signal mask as well, which takes
 * system calls and means nothing here.
 */
void sim_coro_switch(struct context *from, const struct context *to);
__asm__(".text\n"
	".p2align 4\n"
	".globl sim_coro_switch\n"
	".hidden sim_coro_switch\n"
	".type sim_coro_switch, @function\n"
	"sim_coro_switch:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq (%rsi), %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size sim_coro_switch, . - sim_coro_switch\n");

/* Six registers, the function to go on with, and an end for who walks the stack. */
static void prepare(struct context *context, uint8_t *stack, size_t size, void (*fn)(void))
{
	uintptr_t *top = (uintptr_t *)(stack + size);

	top[-1] = 0;
	top[-2] = (uintptr_t)fn;
	memset(&top[-8], 0, 6 * sizeof(*top));
	context->sp = &top[-8];
}

#else

/* Not swapcontext(), against which AddressSanitizer warns whatever it was told of the switch. */
static void sim_coro_switch(struct context *from, const struct context *to)
{
	volatile bool back = false;

	getcontext(&from->uc);
	if (!back) {
		back = true;
		setcontext(&to->uc);
	}
}

static void prepare(struct context *context, uint8_t *stack, size_t size, void (*fn)(void))
{
	getcontext(&context->uc);
	context->uc.uc_stack.ss_sp = stack;
	context->uc.uc_stack.ss_size = size;
	context->uc.uc_link = NULL;
	makecontext(&context->uc, fn, 0);
}

#endif

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
	prepare(&coro->self, coro->stack, STACK_SIZE, entry);
	return coro;
}

/* Go on with it, until it yields. */
void sim_coro_resume(struct sim_coro *coro)
{
	starting = coro;
	begin_switch(&coro->caller_fake, coro->stack, STACK_SIZE);
	sim_coro_switch(&coro->caller, &coro->self);
	end_switch(coro->caller_fake, NULL, NULL);
}

/* Back to who resumed it. */
void sim_coro_yield(struct sim_coro *coro)
{
	begin_switch(&coro->own_fake, coro->caller_stack, coro->caller_size);
	sim_coro_switch(&coro->self, &coro->caller);
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
