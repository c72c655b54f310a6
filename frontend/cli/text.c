// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading arguments, writing output. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "common/num.h"

bool cli_number(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	return !num_parse_u32(text, strlen(text), min, max, out);
}

bool cli_size(const char *text, size_t min, size_t max, size_t *out)
{
	size_t len = strlen(text);
	unsigned int shift = 0;
	uint64_t value;

	if (len && (text[len - 1] == 'K' || text[len - 1] == 'k'))
		shift = 10;
	else if (len && (text[len - 1] == 'M' || text[len - 1] == 'm'))
		shift = 20;
	if (num_parse_u64(text, len - !!shift, 0, UINT32_MAX, &value))
		return false;
	value <<= shift;
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

void human_bytes(uint64_t bytes, char text[16])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned int i = 0;

	while (value >= 1000 && i < 4) {
		value /= 1024;
		i++;
	}
	snprintf(text, 16, i ? "%.1f %s" : "%.0f %s", value, units[i]);
}

/* Bytes of the UTF-8 character at @p, 0 if there is none. */
static size_t utf8_len(const uint8_t *p, size_t len)
{
	size_t n, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] < 0xe0)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] < 0xf0)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] < 0xf5)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	for (i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Too long a form, surrogates, beyond Unicode. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static bool is_utf8(const uint8_t *p, size_t len)
{
	size_t n;

	for (; len; p += n, len -= n) {
		n = utf8_len(p, len);
		if (!n)
			return false;
	}
	return true;
}

static void base64(FILE *file, const uint8_t *p, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits;
	size_t i;

	for (i = 0; i < len; i += 3) {
		bits = (uint32_t)p[i] << 16;
		if (i + 1 < len)
			bits |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < len)
			bits |= p[i + 2];
		fputc(digits[bits >> 18], file);
		fputc(digits[bits >> 12 & 63], file);
		fputc(i + 1 < len ? digits[bits >> 6 & 63] : '=', file);
		fputc(i + 2 < len ? digits[bits & 63] : '=', file);
	}
}

void json_bytes(FILE *file, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	size_t i;

	if (!is_utf8(p, len)) {
		fputs("{\"base64\": \"", file);
		base64(file, p, len);
		fputs("\"}", file);
		return;
	}
	fputc('"', file);
	for (i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\')
			fprintf(file, "\\%c", p[i]);
		else if (p[i] < 0x20 || p[i] == 0x7f)
			fprintf(file, "\\u%04x", p[i]);
		else
			fputc(p[i], file);
	}
	fputc('"', file);
}

void json_text(FILE *file, const char *text)
{
	json_bytes(file, text, strlen(text));
}

void cli_sha256_text(const uint8_t digest[32], char text[CLI_SHA256_TEXT])
{
	unsigned int i;

	for (i = 0; i < 32; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
}
