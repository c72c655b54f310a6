// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For QEMU: counts how often each translated block of instructions was executed, in
 * the whole machine, between two marks (tests/bench/lib-bench-work.c), and writes
 * that down at the second one. `make profile-xen` tells whose instructions they were.
 *
 * No package has qemu-plugin.h. What follows is as much of it as is needed here, in
 * version 1 of that interface (QEMU 7.2, include/qemu/qemu-plugin.h).
 *
 * A line of the file OUT.N: virtual address, place in the memory of QEMU, executions,
 * instructions, and the first bytes, which tell what program it is.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define BYTES  16
#define HASHES 65536u

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*fn)(qemu_plugin_id_t id,
						      struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op, void *counter,
					      uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    void (*fn)(unsigned int cpu, void *data), int flags,
					    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

struct block {
	struct block *next;
	uint64_t address, executed;
	uintptr_t place;
	size_t insns, bytes;
	uint8_t code[BYTES];
};

/* nopl 0x676d7378(%rax): no compiler makes that. */
static const uint8_t mark[] = { 0x0f, 0x1f, 0x80, 0x78, 0x73, 0x6d, 0x67 };
static struct block *blocks[HASHES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *out;
static unsigned int marks;

static void write_down(void)
{
	char name[512];
	FILE *f;

	(void)snprintf(name, sizeof(name), "%s.%u", out, marks / 2);
	f = fopen(name, "w");
	for (unsigned int i = 0; f && i < HASHES; i++) {
		for (const struct block *b = blocks[i]; b; b = b->next) {
			if (!b->executed)
				continue;
			fprintf(f, "%" PRIx64 " %" PRIxPTR " %" PRIu64 " %zu ", b->address,
				b->place, b->executed, b->insns);
			for (size_t n = 0; n < b->bytes; n++)
				fprintf(f, "%02x", b->code[n]);
			fputc('\n', f);
		}
	}
	if (!f || fclose(f))
		perror(name);
}

static void on_mark(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	pthread_mutex_lock(&lock);
	if (marks % 2)
		write_down();
	for (unsigned int i = 0; i < HASHES; i++)
		for (struct block *b = blocks[i]; b; b = b->next)
			b->executed = 0;
	marks++;
	pthread_mutex_unlock(&lock);
}

static struct block *block_of(const struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	uintptr_t place = (uintptr_t)qemu_plugin_insn_haddr(qemu_plugin_tb_get_insn(tb, 0));
	size_t insns = qemu_plugin_tb_n_insns(tb);
	struct block **head = &blocks[(address ^ address >> 13 ^ place >> 12) % HASHES], *b;

	for (b = *head; b; b = b->next)
		if (b->address == address && b->place == place && b->insns == insns)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	*b = (struct block){ .next = *head, .address = address, .place = place, .insns = insns };
	for (size_t i = 0; i < insns; i++) {
		const struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		size_t size = qemu_plugin_insn_size(insn);

		if (b->bytes + size > BYTES)
			break;
		memcpy(b->code + b->bytes, qemu_plugin_insn_data(insn), size);
		b->bytes += size;
	}
	*head = b;
	return b;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *b;

	(void)id;
	pthread_mutex_lock(&lock);
	b = block_of(tb);
	pthread_mutex_unlock(&lock);
	/* 0: add the value. */
	qemu_plugin_register_vcpu_tb_exec_inline(tb, 0, &b->executed, 1);
	for (size_t i = 0; i < b->insns; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == sizeof(mark) &&
		    !memcmp(qemu_plugin_insn_data(insn), mark, sizeof(mark)))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, 0, NULL);
	}
}

/* Its argument is out=FILE. */
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	(void)info;
	if (argc != 1 || strncmp(argv[0], "out=", 4) != 0) {
		fprintf(stderr, "tcg-plugin: out=FILE is missing\n");
		return 1;
	}
	out = strdup(argv[0] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	return 0;
}
