// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libxengnttab. Each process has one handle; mappings and copies are by domid,
 * so a bad reference of one guest never touches another one's.
 */
#include "backend/grants.h"

#include "backend/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xengnttab.h>
#include <xen/grant_table.h>
#include <xentoollog.h>

/* gntdev hands operations to the hypervisor in batches of this (GNTDEV_COPY_BATCH). */
#define OPS_PER_HYPERCALL 16u

struct grants {
	xentoollog_logger silent;
	xengnttab_handle *handle;
	struct backend_stats *stats;
	unsigned int budget;
	xengnttab_grant_copy_segment_t segs[GRANT_COPY_MAX];
};

/*
 * The library writes a line for every map that fails (tools/libs/gnttab/linux.c),
 * which any guest can bring about as often as it likes. Our callers say what
 * failed, at their own rate.
 */
static void __attribute__((format(printf, 5, 0)))
drop_message(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
	     const char *context, const char *format, va_list al)
{
}

int grants_new(struct grants **out, unsigned int budget, struct backend_stats *stats)
{
	struct grants *g = calloc(1, sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->stats = stats;
	g->budget = budget;
	g->silent.vmessage = drop_message;
	g->handle = xengnttab_open(&g->silent, 0);
	if (!g->handle) {
		int r = errno ? -errno : -ENODEV;

		free(g);
		return r;
	}
	*out = g;
	return 0;
}

void grants_free(struct grants *g)
{
	if (!g)
		return;
	(void)xengnttab_close(g->handle);
	free(g);
}

bool grants_have_room(const struct grants *g, unsigned int pages)
{
	return g->stats->mapped_pages <= g->budget && pages <= g->budget - g->stats->mapped_pages;
}

int grants_map(struct grants *g, uint16_t domid, uint32_t *refs, unsigned int nr, bool writable,
	       void **addr)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	void *mapped;

	g->stats->hypercalls++;
	mapped = xengnttab_map_domain_grant_refs(g->handle, nr, domid, refs, prot);
	if (!mapped)
		return errno ? -errno : -EINVAL;
	g->stats->mapped_pages += nr;
	*addr = mapped;
	return 0;
}

void grants_unmap(struct grants *g, void *addr, unsigned int nr)
{
	g->stats->hypercalls++;
	/* It fails only for what was never mapped. */
	(void)xengnttab_unmap(g->handle, addr, nr);
	g->stats->mapped_pages -= nr;
}

static void fill(xengnttab_grant_copy_segment_t *seg, const struct grant_copy_op *op)
{
	*seg = (xengnttab_grant_copy_segment_t){
		.len = op->len,
		.status = GNTST_general_error,
	};
	if (op->from) {
		seg->source.virt = (void *)(uintptr_t)op->from; /* only read */
	} else {
		seg->flags |= GNTCOPY_source_gref;
		seg->source.foreign.ref = op->src.ref;
		seg->source.foreign.offset = op->src.offset;
		seg->source.foreign.domid = op->src.domid;
	}
	if (op->to) {
		seg->dest.virt = op->to;
	} else {
		seg->flags |= GNTCOPY_dest_gref;
		seg->dest.foreign.ref = op->dst.ref;
		seg->dest.foreign.offset = op->dst.offset;
		seg->dest.foreign.domid = op->dst.domid;
	}
}

int grants_copy(struct grants *g, struct grant_copy_op *ops, unsigned int nr)
{
	uint64_t bytes = 0;

	if (nr > GRANT_COPY_MAX)
		return -E2BIG;
	for (unsigned int i = 0; i < nr; i++)
		fill(&g->segs[i], &ops[i]);
	g->stats->hypercalls += (nr + OPS_PER_HYPERCALL - 1) / OPS_PER_HYPERCALL;
	g->stats->copy_ops += nr;
	if (xengnttab_grant_copy(g->handle, nr, g->segs) < 0)
		return errno ? -errno : -EIO;
	for (unsigned int i = 0; i < nr; i++) {
		ops[i].ok = g->segs[i].status == GNTST_okay;
		if (ops[i].ok)
			bytes += ops[i].len;
	}
	g->stats->copied_bytes += bytes;
	return 0;
}

static int copy_one(struct grants *g, struct grant_copy_op op)
{
	return grants_copy(g, &op, 1) < 0 || !op.ok ? -EFAULT : 0;
}

int grants_read(struct grants *g, struct grant_page from, void *buf, uint16_t len)
{
	return copy_one(g, (struct grant_copy_op){ .src = from, .to = buf, .len = len });
}

int grants_write(struct grants *g, struct grant_page to, const void *buf, uint16_t len)
{
	return copy_one(g, (struct grant_copy_op){ .dst = to, .from = buf, .len = len });
}
