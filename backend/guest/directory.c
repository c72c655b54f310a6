// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Validation of a pool's directory.
 *
 * A page that is twice in a pool would let one frontend slot overwrite another
 * one's data, and makes gntdev map it twice; so references are unique. The
 * check must cost the same whatever the guest writes, hence a sort without a
 * worst case, in memory of the caller.
 */
#include "backend/guest/request.h"

static enum verdict refuse(struct reject *why, const char *reason)
{
	*why = (struct reject){ .status = VMSGIF_EINVAL, .reason = reason };
	return VERDICT_REFUSE;
}

static void sift_down(uint32_t *heap, unsigned int root, unsigned int end)
{
	uint32_t value = heap[root];
	unsigned int child;

	while ((child = 2 * root + 1) < end) {
		if (child + 1 < end && heap[child + 1] > heap[child])
			child++;
		if (heap[child] <= value)
			break;
		heap[root] = heap[child];
		root = child;
	}
	heap[root] = value;
}

/* Heap sort: no recursion, no bad case that a guest could look for. */
static void sort_refs(uint32_t *refs, unsigned int nr)
{
	uint32_t top;

	for (unsigned int i = nr / 2; i-- > 0;)
		sift_down(refs, i, nr);
	for (unsigned int end = nr; end-- > 1;) {
		top = refs[0];
		refs[0] = refs[end];
		refs[end] = top;
		sift_down(refs, 0, end);
	}
}

enum verdict directory_check(const uint32_t *refs, unsigned int nr, uint32_t *scratch,
			     struct reject *why)
{
	if (nr == 0 || nr > VMSGIF_POOL_PAGES_MAX)
		return refuse(why, "number of pages of a pool out of range");
	for (unsigned int i = nr; i < VMSGIF_POOL_PAGES_MAX; i++) {
		if (refs[i] != 0)
			return refuse(why, "directory has more references than pages");
	}
	memcpy(scratch, refs, nr * sizeof(*refs));
	sort_refs(scratch, nr);
	for (unsigned int i = 1; i < nr; i++) {
		if (scratch[i] == scratch[i - 1])
			return refuse(why, "directory names a page twice");
	}
	return VERDICT_OK;
}
