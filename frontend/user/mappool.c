// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pools of other domains, which the engine has mapped here for map mode; see foreign.h. */
#include <errno.h>

#include "device.h"

static void pool_map(struct vmsg *v, struct vmsg_port *port, unsigned int slot, uint32_t addr,
		     uint32_t ref, uint32_t nr_pages)
{
	struct user *user = vmsg_priv(v);
	struct foreign *f = &user->foreign[slot];
	int domid = user_domid_of(user, addr);
	int r = -EFAULT;

	if (domid < 0)
		r = domid;
	else if (!f->va)
		r = foreign_map(f, &user->quiet, (uint32_t)domid, ref, nr_pages);
	vmsg_pool_mapped(v, slot, r, f->va);
}

static void pool_unmap(struct vmsg *v, unsigned int slot, bool keep)
{
	struct user *user = vmsg_priv(v);

	if (keep) {
		foreign_detach(&user->foreign[slot]);
		return;
	}
	foreign_unmap(&user->foreign[slot]);
	vmsg_pool_unmapped(v, slot);
}

static void pool_release(struct vmsg *v, unsigned int slot)
{
	struct user *user = vmsg_priv(v);

	foreign_unmap(&user->foreign[slot]);
}

void mappool_ops(struct vmsg_ops *ops)
{
	ops->pool_map = pool_map;
	ops->pool_unmap = pool_unmap;
	ops->pool_free = pool_release;
}

void mappool_free_all(struct user *user)
{
	unsigned int i;

	for (i = 0; i < USER_MAP_SLOTS; i++)
		foreign_unmap(&user->foreign[i]);
}
