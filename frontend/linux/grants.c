// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages that another domain may see.
 *
 * They are dedicated to that from the first to the last: nothing else of the
 * kernel is ever in them. A grant cannot be revoked, so a page that the other
 * side still has mapped must not be used for anything else. The kernel keeps a
 * list of such pages and tries again until they are free
 * (drivers/xen/grant-table.c:gnttab_add_deferred()); we only count them.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <xen/page.h>

#include "front.h"

static void free_arrays(struct granted *g)
{
	kvfree(g->pages);
	kvfree(g->va);
	kvfree(g->refs);
	memset(g, 0, sizeof(*g));
}

static int alloc_row(struct granted *g)
{
	u8 *va = alloc_pages_exact((size_t)g->nr * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	unsigned int i;

	if (!va)
		return -ENOMEM;
	for (i = 0; i < g->nr; i++) {
		g->va[i] = va + (size_t)i * PAGE_SIZE;
		g->pages[i] = virt_to_page(g->va[i]);
	}
	return 0;
}

static int alloc_single(struct granted *g)
{
	unsigned int i;

	for (i = 0; i < g->nr; i++) {
		g->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!g->pages[i])
			break;
		g->va[i] = page_address(g->pages[i]);
	}
	if (i == g->nr)
		return 0;
	while (i--)
		__free_page(g->pages[i]);
	return -ENOMEM;
}

int granted_alloc(struct granted *g, unsigned int nr, bool readonly, bool in_a_row)
{
	int r;

	BUILD_BUG_ON(PAGE_SIZE != VMSGIF_PAGE_SIZE); /* elsewhere a page holds several grants */
	*g = (struct granted){
		.nr = nr,
		.readonly = readonly,
		.pages = kvcalloc(nr, sizeof(*g->pages), GFP_KERNEL_ACCOUNT),
		.va = kvcalloc(nr, sizeof(*g->va), GFP_KERNEL_ACCOUNT),
		.refs = kvcalloc(nr, sizeof(*g->refs), GFP_KERNEL_ACCOUNT),
	};
	r = -ENOMEM;
	if (g->pages && g->va && g->refs)
		r = in_a_row ? alloc_row(g) : alloc_single(g);
	if (r)
		free_arrays(g);
	return r;
}

int granted_grant(struct granted *g, domid_t domid)
{
	int ref;

	g->domid = domid;
	while (g->nr_granted < g->nr) {
		ref = gnttab_grant_foreign_access(domid, xen_page_to_gfn(g->pages[g->nr_granted]),
						  g->readonly);
		if (ref < 0)
			return ref;
		g->refs[g->nr_granted++] = ref;
	}
	return 0;
}

void granted_again(struct granted *g)
{
	unsigned int i;

	for (i = 0; i < g->nr_granted; i++)
		gnttab_grant_foreign_access_ref(g->refs[i], g->domid, xen_page_to_gfn(g->pages[i]),
						g->readonly);
}

void granted_free(struct vmsg_front *front, struct granted *g)
{
	unsigned int i;

	for (i = 0; i < g->nr; i++) {
		if (i >= g->nr_granted || gnttab_try_end_foreign_access(g->refs[i])) {
			__free_page(g->pages[i]);
			continue;
		}
		atomic_long_inc(&front->busy_grants);
		gnttab_end_foreign_access(g->refs[i], g->pages[i]);
	}
	free_arrays(g);
}
