/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Windows and last numbers of flows; see flow.h. */
#include "frontend/core/flow.h"

struct vmsg_window *vmsg_window_get(struct vmsg *v, uint32_t addr, uint32_t port)
{
	struct vmsg_hash *hash = &v->t.windows;
	uint64_t key = vmsg_key(addr, port);
	struct vmsg_window *window = (struct vmsg_window *)vmsg_hash_find(hash, key);

	if (window)
		return window;
	/* There are more entries than shadows, so one has nothing unanswered. */
	do {
		window = (struct vmsg_window *)vmsg_hash_next(hash);
	} while (window->count);
	vmsg_hash_replace(hash, &window->entry, key);
	return window;
}

struct vmsg_flow *vmsg_flow_get(struct vmsg *v, uint32_t addr, uint32_t port)
{
	struct vmsg_hash *hash = &v->t.flows;
	uint64_t key = vmsg_key(addr, port);
	struct vmsg_flow *flow = (struct vmsg_flow *)vmsg_hash_find(hash, key);

	if (flow)
		return flow;
	/* Second chance: an entry that was used since the hand came by last is passed over. */
	for (;;) {
		flow = (struct vmsg_flow *)vmsg_hash_next(hash);
		if (!flow->entry.key || !flow->used)
			break;
		flow->used = false;
	}
	if (flow->entry.key)
		v->stats.flows_forgotten++;
	vmsg_hash_replace(hash, &flow->entry, key);
	flow->seq = 0;
	return flow;
}

void vmsg_flow_forget(struct vmsg *v, uint32_t addr)
{
	struct vmsg_hash *hash = &v->t.flows;
	uint32_t i;

	for (i = 0; i < hash->nr; i++) {
		struct vmsg_entry *entry = vmsg_hash_at(hash, i);

		if (entry->key && (uint32_t)entry->key == addr)
			vmsg_hash_remove(hash, entry);
	}
}
