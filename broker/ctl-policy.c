// SPDX-License-Identifier: GPL-2.0-or-later
/* What xenmsgctl does with policies. See ctl-policy.h. */
#include "broker/ctl-policy.h"

#include "broker/config.h"
#include "broker/ctl-bus.h"
#include "broker/explain.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct config *load(const char *path)
{
	char file[PATH_MAX], text[600];
	struct config *config = NULL;
	struct config_error error;
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(file, sizeof(file), "%s/%s", path, strrchr(CONFIG_PATH, '/') + 1);
		path = file;
	}
	if (config_load(&config, path, &error) == 0)
		return config;
	config_error_text(&error, text, sizeof(text));
	fprintf(stderr, "%s\n", text);
	return NULL;
}

int ctl_policy_check(const char *path)
{
	struct config *config = load(path);

	if (!config)
		return EXIT_FAILURE;
	printf("%s: good: ", config->path);
	explain_size(stdout, config);
	putchar('\n');
	config_free(config);
	return EXIT_SUCCESS;
}

static int explain_by_file(const struct question *q, const char *path)
{
	struct config *config = load(path);

	if (!config)
		return EXIT_FAILURE;
	explain(stdout, config, q);
	config_free(config);
	return EXIT_SUCCESS;
}

/* The answer of the daemon is a text. */
static int print_reply(const char *what, sd_bus_message *reply)
{
	const char *text;
	int r = sd_bus_message_read(reply, "s", &text);

	if (r < 0)
		fprintf(stderr, "xenmsgctl: %s: %s\n", what, strerror(-r));
	else
		fputs(text, stdout);
	sd_bus_message_unref(reply);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int ctl_policy_explain(const char *control, const char *from, const char *to, const char *port,
		       const char *path)
{
	sd_bus_message *reply;
	struct question q;
	const char *why;

	if (question_init(&q, from, to, port, &why) < 0) {
		fprintf(stderr, "xenmsgctl: explain %s %s %s: one of them %s\n", from, to, port,
			why);
		return EXIT_FAILURE;
	}
	if (path)
		return explain_by_file(&q, path);
	if (ctl_call(control, "explain", &reply, "Explain", "sss", from, to, port) < 0)
		return EXIT_FAILURE;
	return print_reply("explain", reply);
}

int ctl_reload(const char *control)
{
	sd_bus_message *reply;

	if (ctl_call(control, "reload", &reply, "Reload", "") < 0)
		return EXIT_FAILURE;
	return print_reply("reload", reply);
}
