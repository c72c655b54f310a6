// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From files to a struct config. See config.h; config-parse.h says where a
 * single file is read.
 */
#include "broker/config.h"

#include "broker/config-parse.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	policy_init(&config->policy);
	config->limits = (struct backend_limits){
		.max_ring_order = VMSGIF_MAX_RING_ORDER,
		.flow_window = VMSGIF_FLOW_WINDOW,
		.max_message = VMSGIF_MESSAGE_MAX,
		.max_pool_pages = 512,
		.max_maps = 64,
		.feature_map = true,
		/* Two of Xen's 262144 map-track handles a page where dom0 is PV. */
		.map_budget = 65536,
	};
	config->max_ports = 1024;
	config->max_subscriptions = 256;
	return config;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	pattern_free(config->devices);
	policy_deinit(&config->policy);
	free(config->path);
	free(config);
}

/* ---------------------------------------------------------------------- errors */

static int file_error(struct config_error *error, const char *file, int result)
{
	*error = (struct config_error){ 0 };
	snprintf(error->file, sizeof(error->file), "%s", file);
	snprintf(error->reason, sizeof(error->reason), "%s",
		 result == -ENOMEM ? "out of memory" : strerror(-result));
	return result;
}

void config_error_text(const struct config_error *error, char *out, size_t size)
{
	if (error->line)
		snprintf(out, size, "%s:%u: %s", error->file, error->line, error->reason);
	else
		snprintf(out, size, "%s: %s", error->file, error->reason);
}

/* ----------------------------------------------------------------------- files */

static int read_file(struct config *config, const char *path, bool fragment,
		     struct config_error *error)
{
	FILE *stream = fopen(path, "re");
	int r;

	if (!stream)
		return file_error(error, path, -errno);
	r = parse_file(config, stream, path, fragment, error);
	fclose(stream);
	return r;
}

static int is_policy(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

/* Not alphasort(): the order must not depend on the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* All of policy.d beside the main file @path, which need not be there. */
static int read_folder(struct config *config, const char *path, struct config_error *error)
{
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path + 1) : 0;
	char folder[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries;
	int nr, r = 0;

	snprintf(folder, sizeof(folder), "%.*s%s", dir_len, path, CONFIG_POLICY);
	nr = scandir(folder, &entries, is_policy, by_bytes);
	if (nr < 0)
		return errno == ENOENT ? 0 : file_error(error, folder, -errno);
	for (int i = 0; i < nr; i++) {
		snprintf(file, sizeof(file), "%s/%s", folder, entries[i]->d_name);
		if (r == 0)
			r = read_file(config, file, true, error);
		free(entries[i]);
	}
	free(entries);
	return r;
}

/* Now that all is read: labels that are used must be there. */
static int resolve(struct config *config, struct config_error *error)
{
	struct place place;
	const char *name;
	int r;

	r = pattern_resolve(config->devices, &config->policy.labels, &name, &place);
	if (r == 0)
		r = policy_resolve(&config->policy, &name, &place);
	if (r == 0)
		return 0;
	*error = (struct config_error){ .line = place.line };
	snprintf(error->file, sizeof(error->file), "%s", place.file);
	snprintf(error->reason, sizeof(error->reason), "'%s': there is no [label %s]", name,
		 name + 1);
	return -EINVAL;
}

int config_read(struct config **out, FILE *stream, const char *name, struct config_error *error)
{
	struct config *config = config_new();
	int r;

	if (!config)
		return file_error(error, name, -ENOMEM);
	r = parse_file(config, stream, name, false, error);
	if (r == 0)
		r = resolve(config, error);
	if (r < 0) {
		config_free(config);
		return r;
	}
	*out = config;
	return 0;
}

int config_load(struct config **out, const char *path, struct config_error *error)
{
	struct config *config = config_new();
	int r;

	if (!config)
		return file_error(error, path, -ENOMEM);
	r = read_file(config, path, false, error);
	if (r == 0)
		r = read_folder(config, path, error);
	if (r == 0)
		r = resolve(config, error);
	if (r == 0) {
		config->path = strdup(path);
		if (!config->path)
			r = file_error(error, path, -ENOMEM);
	}
	if (r < 0) {
		config_free(config);
		return r;
	}
	*out = config;
	return 0;
}
