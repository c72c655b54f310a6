/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/*
 * Names, and the TX page for those that do not fit in a slot. The last TX page
 * is cut in cells of VMSGIF_NAME_MAX bytes, one per request with a long name.
 */
#ifndef XENMSG_CORE_NAME_H
#define XENMSG_CORE_NAME_H

#include "frontend/core/state.h"

#define VMSG_CELLS (VMSGIF_PAGE_SIZE / VMSGIF_NAME_MAX)

_Static_assert(VMSG_CELLS == 32, "vmsg.cells has a bit for each");

/* Length and bytes; @service: may be "service@domain". */
bool vmsg_name_valid(const void *name, unsigned int len, bool service);
/* Whether vmsg_name_set() would find a cell, leaving @keep free. */
bool vmsg_name_room(const struct vmsg *v, unsigned int len, unsigned int keep);
/* Makes the name the payload of @s. */
void vmsg_name_set(struct vmsg *v, struct vmsg_shadow *s, const void *name, unsigned int len);
/* Gives back the cell of @s, if it has one. */
void vmsg_name_put(struct vmsg *v, struct vmsg_shadow *s);

#endif /* XENMSG_CORE_NAME_H */
