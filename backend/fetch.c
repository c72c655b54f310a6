// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a request refers to and the broker has to read itself: the list of an
 * indirect request, and names. Each is copied once into memory of ours, and
 * only the copy is looked at.
 */
#include "backend/internal.h"

static enum verdict cannot_read(struct reject *why, const char *reason)
{
	*why = (struct reject){ .status = VMSGIF_EFAULT, .reason = reason };
	return VERDICT_REFUSE;
}

/*
 * Reads (@segs, @nr), checked segments that hold @len bytes, into @buf. @len
 * is small: there is at most one operation per segment, and a segment has a length. One
 * that goes on into other pages is of a pool, and needs none.
 */
static bool read_segments(struct device *dev, const struct vmsgif_segment *segs, unsigned int nr,
			  bool pooled, uint8_t *buf)
{
	struct grant_copy_op ops[VMSGIF_NAME_MAX];
	unsigned int nr_ops = 0;

	for (unsigned int i = 0; i < nr; buf += segs[i++].len) {
		struct place page;

		if (!place_find_segment(dev, pooled, &segs[i], &page))
			return false;
		if (page.addr) {
			memcpy(buf, page.addr + segs[i].offset, segs[i].len);
			continue;
		}
		ops[nr_ops] = (struct grant_copy_op){ .to = buf, .len = segs[i].len };
		place_copy_from(&ops[nr_ops++], dev, &page, segs[i].offset);
	}
	if (nr_ops == 0)
		return true;
	if (grants_copy(dev->b->grants, ops, nr_ops) < 0)
		return false;
	for (unsigned int i = 0; i < nr_ops; i++) {
		if (!ops[i].ok)
			return false;
	}
	return true;
}

enum verdict fetch_segments(struct device *dev, const struct request *req,
			    const struct vmsgif_segment **segs, struct reject *why)
{
	uint16_t bytes = (uint16_t)(req->nr_segs * sizeof(dev->list[0]));
	struct place page;

	*segs = NULL;
	if (req->form == REQUEST_SEGS)
		*segs = req->segs;
	if (req->form != REQUEST_INDIRECT)
		return VERDICT_OK;
	if (!place_find(dev, VMSGIF_POOL_TX, req->pooled, req->list_ref, &page))
		return cannot_read(why, "list of segments is beyond the pool");
	if (!place_read(dev, &page, dev->list, bytes))
		return cannot_read(why, "list of segments cannot be read");
	*segs = dev->list;
	return request_check_segments(dev->list, req->nr_segs, req->len, req->pooled, why);
}

enum verdict fetch_name(struct device *dev, const struct request *req,
			const struct vmsgif_segment *segs, const char **name, struct reject *why)
{
	enum verdict v;

	*name = NULL;
	if (req->form == REQUEST_NONE || req->op == VMSGIF_OP_SEND)
		return VERDICT_OK;
	if (req->form == REQUEST_INLINE)
		memcpy(dev->text, req->data, req->len);
	else if (!read_segments(dev, segs, req->nr_segs, req->pooled, (uint8_t *)dev->text))
		return cannot_read(why, "name cannot be read");
	v = request_check_name(dev->text, req->len, req->op == VMSGIF_OP_RESOLVE, why);
	dev->text[req->len] = '\0';
	*name = dev->text;
	return v;
}
