// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * xengnttab_grant_copy() over Linux's gntdev (drivers/xen/gntdev.c:
 * gntdev_grant_copy_seg(), gntdev_copy()).
 *
 * Segments become operations within one page on both sides; 16 operations go
 * to the hypervisor at a time.  What a program must not rely on is kept: an
 * error of the ioctl leaves the operations that were not handed over undone,
 * although their segments say GNTST_okay, and an empty segment is okay
 * whatever it refers to.
 */
#include <string.h>

#include <xengnttab.h>

#include "internal.h"

#define BATCH 16

/* The kernel sleeps 1, 2, ... 256 ms before it gives up on a paged-out page. */
#define EAGAIN_MSEC UINT64_C(32896)

struct side {
	bool foreign;
	uint32_t gref;
	domid_t domid;
	uint32_t offset;
	uint8_t *virt;
};

struct op {
	struct side src;
	struct side dst;
	uint32_t len;
	int16_t *status; /* of the segment */
};

struct batch {
	struct sim_process *process;
	struct op ops[BATCH];
	unsigned int n;
};

/* gnttab_copy_lock_domains(): both must exist before a grant is looked at. */
static int16_t side_domain(struct domain *caller, struct side *side)
{
	if (!side->foreign)
		return GNTST_okay;
	if (side->domid == DOMID_SELF)
		side->domid = caller->id;
	return sim_dom_find(side->domid) ? GNTST_okay : GNTST_bad_domain;
}

/*
 * Nothing is copied from or to a dying domain: its free frames are gone, and a
 * pinned grant says that the domain is (acquire_grant_for_copy()).
 */
static int16_t side_bytes(struct domain *caller, const struct side *side, bool write,
			  uint8_t **bytes)
{
	struct map_page page;
	int16_t status;

	if (!side->foreign) {
		*bytes = side->virt;
		return GNTST_okay;
	}
	status = sim_gnt_check(caller, side->domid, side->gref, write, &page);
	if (status != GNTST_okay)
		return status;
	if (page.dom->state == SIM_DOMAIN_DYING)
		return sim_gnt_find(page.dom, page.gref)->maps ? GNTST_bad_domain : GNTST_bad_page;
	*bytes = sim_mem_bytes(page.dom, page.pfn) + side->offset;
	return GNTST_okay;
}

static int16_t copy_one(struct domain *caller, struct op *op)
{
	uint8_t *src, *dst;
	int16_t status;

	if (sim_fault_copy_op(&status)) {
		if (status == GNTST_eagain) {
			sim_advance(EAGAIN_MSEC * SIM_NSEC_PER_MSEC);
			status = GNTST_bad_page;
		}
		return status;
	}
	status = side_domain(caller, &op->src);
	if (status == GNTST_okay)
		status = side_domain(caller, &op->dst);
	if (status == GNTST_okay)
		status = side_bytes(caller, &op->src, false, &src);
	if (status != GNTST_okay)
		return status;
	status = side_bytes(caller, &op->dst, true, &dst);
	if (status != GNTST_okay)
		return status;
	memmove(dst, src, op->len);
	return GNTST_okay;
}

/* One hypercall.  Of several failed operations of a segment the first counts. */
static void flush(struct batch *batch)
{
	struct sim_counts *counts = &batch->process->counts;
	unsigned int i;
	int16_t status;

	if (!batch->n)
		return;
	for (i = 0; i < batch->n; i++) {
		status = copy_one(batch->process->dom, &batch->ops[i]);
		if (status != GNTST_okay && *batch->ops[i].status == GNTST_okay)
			*batch->ops[i].status = status;
		if (status == GNTST_okay) {
			counts->copy_bytes += batch->ops[i].len;
			sim_world->counts.copy_bytes += batch->ops[i].len;
		}
	}
	counts->copy_ops += batch->n;
	counts->copy_hypercalls++;
	sim_world->counts.copy_ops += batch->n;
	sim_world->counts.copy_hypercalls++;
	batch->n = 0;
}

/* A local page must be ordinary memory: gntdev mappings cannot be pinned. */
static int local_side(struct sim_process *process, struct side *side, uint8_t *virt, uint32_t *len)
{
	uint32_t room = SIM_PAGE_SIZE - (uint32_t)((uintptr_t)virt % SIM_PAGE_SIZE);

	if (*len > room)
		*len = room;
	if (sim_mapping_find(&process->maps, virt, *len))
		return -EFAULT;
	*side = (struct side){ .virt = virt };
	return 0;
}

static int make_side(struct sim_process *process, struct side *side, bool foreign,
		     const union xengnttab_copy_ptr *ptr, uint32_t done, uint32_t *len)
{
	if (!foreign)
		return local_side(process, side, (uint8_t *)ptr->virt + done, len);
	*side = (struct side){
		.foreign = true,
		.gref = ptr->foreign.ref,
		.domid = ptr->foreign.domid,
		.offset = ptr->foreign.offset + done,
	};
	return 0;
}

static bool out_of_page(bool foreign, const union xengnttab_copy_ptr *ptr, uint32_t len)
{
	return foreign && ptr->foreign.offset + len > SIM_PAGE_SIZE;
}

static int copy_segment(struct batch *batch, xengnttab_grant_copy_segment_t *seg)
{
	bool src_foreign = seg->flags & GNTCOPY_source_gref;
	bool dst_foreign = seg->flags & GNTCOPY_dest_gref;
	uint32_t done, len;
	struct op *op;
	int r;

	/* From local memory to local memory the kernel does not copy. */
	if (!src_foreign && !dst_foreign)
		return -EINVAL;
	if (out_of_page(src_foreign, &seg->source, seg->len) ||
	    out_of_page(dst_foreign, &seg->dest, seg->len))
		return -EINVAL;

	seg->status = GNTST_okay;
	for (done = 0; done < seg->len; done += len) {
		if (batch->n == BATCH)
			flush(batch);
		op = &batch->ops[batch->n];
		len = seg->len - done;
		r = make_side(batch->process, &op->src, src_foreign, &seg->source, done, &len);
		if (r == 0)
			r = make_side(batch->process, &op->dst, dst_foreign, &seg->dest, done,
				      &len);
		if (r)
			return r;
		op->len = len;
		op->status = &seg->status;
		batch->n++;
	}
	return 0;
}

int xengnttab_grant_copy(xengnttab_handle *xgt, uint32_t count,
			 xengnttab_grant_copy_segment_t *segs)
{
	struct batch batch = { .process = xgt->h.process };
	uint32_t i;
	int r = 0;

	if (!sim_call_begin(xgt->h.process, SIM_CALL_COPY))
		return -1;
	for (i = 0; i < count && !r; i++)
		r = copy_segment(&batch, &segs[i]);
	if (!r)
		flush(&batch);
	else
		errno = -r;
	return sim_call_end(xgt->h.process) && !r ? 0 : -1;
}
