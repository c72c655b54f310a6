// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Validation of names.
 */
#include "backend/guest/request.h"

static enum verdict refuse(struct reject *why, const char *reason)
{
	*why = (struct reject){ .status = VMSGIF_EINVAL, .reason = reason };
	return VERDICT_REFUSE;
}

static bool is_name_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

enum verdict request_check_name(const char *name, uint32_t len, bool service, struct reject *why)
{
	uint32_t ats = 0;

	if (len == 0 || len > VMSGIF_NAME_MAX)
		return refuse(why, "name is empty or has more than 128 bytes");
	for (uint32_t i = 0; i < len; i++) {
		if (is_name_char(name[i]))
			continue;
		if (name[i] != '@')
			return refuse(why, "name with other than [A-Za-z0-9._-]");
		if (!service || ++ats > 1 || i == 0 || i == len - 1)
			return refuse(why, "name with a misplaced '@'");
	}
	return VERDICT_OK;
}
