/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of guests: mapping them, and copying to and from them.
 *
 * One budget for all mapped pages, because Xen's map-track table is one for
 * the domain (1024 frames, 262144 handles; a PV userspace mapping takes two
 * handles a page: xen/common/grant_table.c, drivers/xen/gntdev.c).
 */
#ifndef XENMSG_BACKEND_GRANTS_H
#define XENMSG_BACKEND_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

struct grants;
struct backend_stats;

/* @budget: pages. @stats: counted into; outlives the grants. */
int grants_new(struct grants **out, unsigned int budget, struct backend_stats *stats);
void grants_free(struct grants *g);

/* True if @pages more are within the budget. */
bool grants_have_room(const struct grants *g, unsigned int pages);

/*
 * Maps @nr pages of @domid in a row, all or nothing. It does not ask for room:
 * rings are mapped in any case, and count. 0 or a negative errno. (@refs is
 * only read, but the library's parameter is not const.)
 */
int grants_map(struct grants *g, uint16_t domid, uint32_t *refs, unsigned int nr, bool writable,
	       void **addr);
/* Unmaps what one grants_map() mapped. */
void grants_unmap(struct grants *g, void *addr, unsigned int nr);

/* One end of a copy in a page of a guest. */
struct grant_page {
	uint32_t ref;
	uint16_t domid;
	uint16_t offset;
};

/* At most one end is in our memory: ordinary memory, not a mapping. */
struct grant_copy_op {
	struct grant_page src; /* unless @from */
	struct grant_page dst; /* unless @to */
	const void *from;
	void *to;
	uint16_t len; /* not 0; both ends stay within their page */
	bool ok;      /* out */
};

/* Operations that one call takes. */
#define GRANT_COPY_MAX 2048u

/*
 * Copies; each operation says for itself whether it worked. A negative errno:
 * the call failed, and whatever the operations say means nothing: some may have
 * been done and some not, even among those reported as done (gntdev_copy()).
 */
int grants_copy(struct grants *g, struct grant_copy_op *ops, unsigned int nr);

/* Copies @len bytes of a guest's page into @buf. 0, or -EFAULT: not readable. */
int grants_read(struct grants *g, struct grant_page from, void *buf, uint16_t len);
/* The other way round. */
int grants_write(struct grants *g, struct grant_page to, const void *buf, uint16_t len);

#endif
