// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For QEMU 7.2: keeps its SVM from delivering an interrupt twice to a PVH guest.
 *
 * helper_vmrun() has do_interrupt_x86_hardirq() deliver what the hypervisor injects,
 * and leaves the vector in the processor's exception_index, where nothing but the next
 * exception or exit takes it away.  If the processor's thread is to stop before that,
 * as the count of instructions is up or QEMU's main loop asks for it, the execution
 * loop takes it for an exception that is due, and delivers it again, whether the guest
 * has interrupts on or not.  Most guests live through that; others lose their GS base
 * at the entry from user mode, or spin for what the second delivery has interrupted.
 *
 * This is no instrument: as QEMU loads it, it puts a function in the place of
 * do_interrupt_x86_hardirq() that does the same and clears exception_index, which is
 * what the function's other caller does after it anyway.  The two offsets that it needs
 * are in the code of exported functions; where that is not the code that is known, it
 * changes nothing and says so.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* QEMU's own, as its program exports them (target/i386/tcg/seg_helper.c, accel/tcg/cpu-exec-common.c). */
void do_interrupt_all(void *cpu, int intno, int is_int, int error_code, uint64_t next_eip,
		      int is_hw);
extern char do_interrupt_x86_hardirq[], cpu_loop_exit_noexc[];

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

static uint32_t env_offset;   /* of CPUX86State in the processor */
static uint32_t index_offset; /* of exception_index */

static void deliver_once(char *env, int intno, int is_hw)
{
	char *cpu = env - env_offset;

	do_interrupt_all(cpu, intno, 0, 0, 0, is_hw);
	*(int32_t *)(cpu + index_offset) = -1;
}

/* mov %edx,%r9d; sub $env_offset,%rdi; then the other arguments, and the jump. */
static int find_env(void)
{
	static const uint8_t before[] = { 0x41, 0x89, 0xd1, 0x48, 0x81, 0xef };
	static const uint8_t after[] = { 0x45, 0x31, 0xc0, 0x31, 0xc9, 0x31, 0xd2, 0xe9 };
	const char *code = do_interrupt_x86_hardirq;
	const char *jump = code + sizeof(before) + sizeof(env_offset) + sizeof(after);
	int32_t distance;

	memcpy(&env_offset, code + sizeof(before), sizeof(env_offset));
	memcpy(&distance, jump, sizeof(distance));
	return !memcmp(code, before, sizeof(before)) &&
	       !memcmp(code + sizeof(before) + sizeof(env_offset), after, sizeof(after)) &&
	       (uintptr_t)jump + sizeof(distance) + (uintptr_t)(intptr_t)distance ==
		       (uintptr_t)do_interrupt_all;
}

/* sub $8,%rsp; movl $-1,index_offset(%rdi). */
static int find_index(void)
{
	static const uint8_t before[] = { 0x48, 0x83, 0xec, 0x08, 0xc7, 0x87 };
	static const uint8_t after[] = { 0xff, 0xff, 0xff, 0xff };
	const char *code = cpu_loop_exit_noexc;

	memcpy(&index_offset, code + sizeof(before), sizeof(index_offset));
	return !memcmp(code, before, sizeof(before)) &&
	       !memcmp(code + sizeof(before) + sizeof(index_offset), after, sizeof(after));
}

/* movabs $to,%rax; jmp *%rax. */
static int jump_from(char *code, uintptr_t to)
{
	uint8_t jump[] = { 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0 };
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	char *from = (char *)((uintptr_t)code & ~(page - 1));
	size_t len = (size_t)(code + sizeof(jump) - from);

	memcpy(jump + 2, &to, sizeof(to));
	if (mprotect(from, len, PROT_READ | PROT_WRITE | PROT_EXEC))
		return 0;
	memcpy(code, jump, sizeof(jump));
	return !mprotect(from, len, PROT_READ | PROT_EXEC);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	(void)id;
	(void)info;
	(void)argc;
	(void)argv;
	if (!find_env() || !find_index())
		fprintf(stderr, "svm-plugin: not the QEMU that it knows: PVH guests may get "
				"interrupts twice\n");
	else if (!jump_from(do_interrupt_x86_hardirq, (uintptr_t)deliver_once))
		perror("svm-plugin: changing QEMU's code");
	return 0;
}
