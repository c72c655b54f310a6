/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */
/* Names as payload of control requests; see name.h. */
#include "frontend/core/name.h"

static bool name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

bool vmsg_name_valid(const void *name, unsigned int len, bool service)
{
	const uint8_t *bytes = name;
	unsigned int part = 0; /* bytes since the begin or the '@' */
	unsigned int i;

	if (len > VMSGIF_NAME_MAX)
		return false;
	for (i = 0; i < len; i++) {
		if (bytes[i] == '@' && service && part) {
			service = false;
			part = 0;
		} else if (name_byte(bytes[i])) {
			part++;
		} else {
			return false;
		}
	}
	return part != 0;
}

bool vmsg_name_room(const struct vmsg *v, unsigned int len, unsigned int keep)
{
	return len <= VMSGIF_INLINE_MAX || v->nr_cells > keep;
}

void vmsg_name_set(struct vmsg *v, struct vmsg_shadow *s, const void *name, unsigned int len)
{
	struct vmsgif_tx_request *req = &s->req;
	unsigned int page = v->params.nr_tx_pages - 1;
	unsigned int cell;

	req->len = len;
	if (len <= VMSGIF_INLINE_MAX) {
		req->flags |= VMSGIF_TXF_INLINE;
		memcpy(req->u.data, name, len);
		return;
	}
	cell = (unsigned int)__builtin_ctz(v->cells);
	v->cells &= ~(1u << cell);
	v->nr_cells--;
	s->tag.cell = (uint8_t)(cell + 1);
	memcpy((uint8_t *)v->params.tx_pages[page] + cell * VMSGIF_NAME_MAX, name, len);
	req->nr_segs = 1;
	req->u.seg[0].ref = page;
	req->u.seg[0].offset = (uint16_t)(cell * VMSGIF_NAME_MAX);
	req->u.seg[0].len = (uint16_t)len;
}

void vmsg_name_put(struct vmsg *v, struct vmsg_shadow *s)
{
	if (!s->tag.cell)
		return;
	v->cells |= 1u << (s->tag.cell - 1);
	v->nr_cells++;
	s->tag.cell = 0;
}
