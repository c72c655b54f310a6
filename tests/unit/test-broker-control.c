// SPDX-License-Identifier: GPL-2.0-or-later
/* The control socket and what Status says. */
#include "tests/unit/control-bed.h"

#include "broker/reload.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* The next array of the reply as text: "name=value ". */
static void read_counters(sd_bus_message *m, const char *type, char *out, size_t size)
{
	const char *name;
	uint64_t value;
	size_t at = 0;

	ck_assert_int_ge(sd_bus_message_enter_container(m, 'a', type), 0);
	while (sd_bus_message_read(m, type, &name, &value) > 0)
		at += (size_t)snprintf(out + at, size - at, "%s=%u ", name, (unsigned int)value);
	ck_assert_int_ge(sd_bus_message_exit_container(m), 0);
}

START_TEST(status)
{
	static char text[65536];
	sd_bus_message *reply;
	const char *s, *name, *state;
	sd_bus *bus = open_bus();
	uint16_t domid;
	uint32_t addr;

	fake_send(alice, bob, 7, "hello");
	fake_send_pages(alice, bob, 7, 0, 5000);
	fake_send(alice, bob, 8, "refused");
	fake_turns();
	reply = call(bus, "Status");
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "starting"));
	sd_bus_message_unref(reply);
	control_serve(control, fake.broker);
	reply = call(bus, "Status");
	ck_assert_str_eq(sd_bus_message_get_signature(reply, 1), "sa{st}a(qussa{st})a(st)");
	ck_assert_int_ge(sd_bus_message_read(reply, "s", &s), 0);
	ck_assert_str_eq(s, XENMSG_VERSION);
	read_counters(reply, "{st}", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "delivered-inline-bytes=5 "));
	ck_assert_ptr_nonnull(strstr(text, "delivered-grant-copy-messages=1 "));
	ck_assert_ptr_nonnull(strstr(text, "delivered-messages=2 "));
	ck_assert_ptr_nonnull(strstr(text, "hypercalls=7 "));
	ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(qussa{st})"), 0);
	ck_assert_int_ge(sd_bus_message_enter_container(reply, 'r', "qussa{st}"), 0);
	ck_assert_int_ge(sd_bus_message_read(reply, "quss", &domid, &addr, &name, &state), 0);
	ck_assert_uint_eq(domid, 1);
	ck_assert_uint_eq(addr, alice->addr);
	ck_assert_str_eq(name, "alice");
	ck_assert_str_eq(state, "ready");
	read_counters(reply, "{st}", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "sent-bytes=5005 "));
	ck_assert_ptr_nonnull(strstr(text, "refused=1 "));
	ck_assert_ptr_nonnull(strstr(text, "ports=1 "));
	sd_bus_message_exit_container(reply);
	sd_bus_message_skip(reply, "(qussa{st})");
	sd_bus_message_exit_container(reply);
	read_counters(reply, "(st)", text, sizeof(text));
	ck_assert_str_eq(text, "any=0 default=0 ");
	sd_bus_message_unref(reply);

	reply = call(bus, "Nonsense");
	ck_assert_ptr_nonnull(sd_bus_message_get_error(reply));
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(bus);
}
END_TEST

static void check_explain(sd_bus *bus, const char *port, const char *const *lines)
{
	sd_bus_message *reply = call_with(bus, "Explain", "sss", "alice", "bob", port);
	const char *text;

	ck_assert_int_ge(sd_bus_message_read(reply, "s", &text), 0);
	for (; *lines; lines++)
		ck_assert_msg(strstr(text, *lines) != NULL, "%s\nnot in\n%s", *lines, text);
	sd_bus_message_unref(reply);
}

/* With what is bound now. */
START_TEST(explanations)
{
	sd_bus *bus = open_bus();
	sd_bus_message *reply = call_with(bus, "Explain", "sss", "alice", "bob", "7");

	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "starting"));
	sd_bus_message_unref(reply);
	control_serve(control, fake.broker);
	broker_reconfigure(fake.broker, fake_config("[devices]\ndomains = alice bob\n"
						    "[allow log]\nfrom = *\nto = bob\nports = log\n"
						    "messages-per-second = 5\n"
						    "[deny rest]\nfrom = *\nto = bob\n"
						    "ports = 1-20\n"));
	fake_bind(bob, 8, 100, "log");
	fake_turns();
	check_explain(bus, "8",
		      (const char *[]){ "port 8, which is service log",
					"[allow log] in test.conf:3 matches",
					"5 messages/s (burst 5)", "modes: copy\n", NULL });
	check_explain(bus, "log",
		      (const char *[]){ "port 8, which is service log", "allowed by [allow log]",
					NULL });
	check_explain(bus, "9",
		      (const char *[]){ "port 9, which is no service",
					"[allow log] in test.conf:3 does not match: "
					"ports = log\n",
					"refused by [deny rest]", NULL });
	check_explain(bus, "21",
		      (const char *[]){ "[deny rest] in test.conf:8 does not match: "
					"ports = 1-20\n",
					"refused by \"default\": no rule allows it", NULL });
	check_explain(bus, "db", (const char *[]){ "service db, which nobody has bound", NULL });
	reply = call_with(bus, "Explain", "sss", "alice", "bob", "l*");
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "pattern"));
	sd_bus_message_unref(reply);
	reply = call_with(bus, "Explain", "sss", "alice", "bob", "0");
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "neither a port"));
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(bus);
}
END_TEST

/* By rule, rate, limits and offers. */
START_TEST(refusals)
{
	static char text[65536];
	sd_bus_message *reply;
	sd_bus *bus = open_bus();

	control_serve(control, fake.broker);
	ck_assert_int_eq(
		broker_reconfigure(fake.broker,
				   fake_config("[devices]\ndomains = *\n"
					       "[deny low]\nfrom = *\nto = *\nports = 1-6\n"
					       "[allow seven]\nfrom = *\nto = *\nports = 7\n"
					       "messages-per-second = 1\n"
					       "[offer log]\ndomains = x\nservices = log\n"
					       "[limits bob]\ndomains = bob\nweight = 3\n"
					       "queued-messages = 1\n")),
		0);
	fake_send(alice, bob, 3, "x");
	for (unsigned int i = 0; i < 3; i++)
		fake_send(alice, bob, 7, "x");
	fake_send(alice, bob, 8, "x");
	fake_bind(alice, 9, 0, "log");
	alice->posted_first = alice->answered = alice->posted_end;
	for (unsigned int i = 0; i < 5; i++)
		fake_send(bob, alice, 7, "x");
	fake_turns();
	reply = call(bus, "Status");
	ck_assert_int_ge(sd_bus_message_skip(reply, "sa{st}"), 0);
	ck_assert_int_ge(sd_bus_message_enter_container(reply, 'a', "(qussa{st})"), 0);
	sd_bus_message_skip(reply, "(qussa{st})");
	ck_assert_int_ge(sd_bus_message_enter_container(reply, 'r', "qussa{st}"), 0);
	ck_assert_int_ge(sd_bus_message_skip(reply, "quss"), 0);
	read_counters(reply, "{st}", text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "weight=3 domain-queued=1 domain-maps=0 "));
	sd_bus_message_exit_container(reply);
	sd_bus_message_exit_container(reply);
	read_counters(reply, "(st)", text, sizeof(text));
	ck_assert_str_eq(text, "low=1 seven=0 seven, rates=2 limits bob=4 offers=1 default=1 ");
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(bus);
}
END_TEST

START_TEST(reload)
{
	sd_bus *bus = open_bus();
	struct config_error error;
	struct config *config;
	sd_bus_message *reply;
	char file[128];
	const char *text;
	FILE *f;

	snprintf(file, sizeof(file), "%s/xenmsgd.conf", folder);
	f = fopen(file, "w");
	fputs(FAKE_OPEN, f);
	fclose(f);
	reply = call(bus, "Reload");
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message, "starting"));
	sd_bus_message_unref(reply);
	ck_assert_int_eq(config_load(&config, file, &error), 0);
	broker_reconfigure(fake.broker, config);
	control_serve(control, fake.broker);
	reply = call(bus, "Reload");
	ck_assert_int_ge(sd_bus_message_read(reply, "s", &text), 0);
	ck_assert_ptr_nonnull(strstr(text, "1 rules"));
	sd_bus_message_unref(reply);
	f = fopen(file, "a");
	fputs("modes = fly\n", f);
	fclose(f);
	reply = call(bus, "Reload");
	ck_assert_ptr_nonnull(strstr(sd_bus_message_get_error(reply)->message,
				     "xenmsgd.conf:7: 'modes': 'fly' is not a mode"));
	sd_bus_message_unref(reply);
	sd_bus_flush_close_unref(bus);
	unlink(file);
}
END_TEST

START_TEST(connections_come_and_go)
{
	struct stat st;

	control_serve(control, fake.broker);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	for (unsigned int i = 0; i < 3 * CONTROL_CONNECTIONS; i++) {
		sd_bus *bus = open_bus();

		sd_bus_message_unref(call(bus, "Status"));
		sd_bus_detach_event(bus);
		sd_bus_flush_close_unref(bus);
	}
}
END_TEST

/* Silent ones take all places: the next one waits until one of them goes. */
START_TEST(silent_connections)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fds[CONTROL_CONNECTIONS];
	sd_bus *bus;

	control_serve(control, fake.broker);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	for (unsigned int i = 0; i < CONTROL_CONNECTIONS; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
		ck_assert_int_eq(connect(fds[i], (struct sockaddr *)&addr, sizeof(addr)), 0);
		ck_assert_int_ge(sd_event_run(fake.event, 1000000), 0);
	}
	bus = open_bus();
	for (unsigned int i = 0; i < 10; i++)
		ck_assert_int_ge(sd_event_run(fake.event, 0), 0);
	close(fds[3]);
	sd_bus_message_unref(call(bus, "Status"));
	sd_bus_flush_close_unref(bus);
	for (unsigned int i = 0; i < CONTROL_CONNECTIONS; i++)
		if (i != 3)
			close(fds[i]);
}
END_TEST

START_TEST(bad_paths)
{
	char name[200];

	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(listen_at(name, SOCK_STREAM, 0600), -ENAMETOOLONG);
	ck_assert_int_eq(listen_at("/nowhere/at/all", SOCK_STREAM, 0600), -ENOENT);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-control");
	TCase *t = tcase_create("control");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, status);
	tcase_add_test(t, explanations);
	tcase_add_test(t, refusals);
	tcase_add_test(t, reload);
	tcase_add_test(t, connections_come_and_go);
	tcase_add_test(t, silent_connections);
	tcase_add_test(t, bad_paths);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
