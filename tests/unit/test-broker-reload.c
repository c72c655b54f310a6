// SPDX-License-Identifier: GPL-2.0-or-later
/* A new configuration while the broker runs: what is decided anew, and that a bad one is nothing. */
#include "tests/unit/fake-guests.h"

#include "broker/reload.h"
#include "common/macros.h"

#include <sys/stat.h>
#include <unistd.h>

static struct device *alice, *bob;

static void setup(void)
{
	fake_init(FAKE_OPEN);
	alice = fake_guest(1, "alice", 64);
	bob = fake_guest(2, "bob", 64);
	fake_clear();
}

static void teardown(void)
{
	fake_fini();
}

static void reconfigure(const char *text)
{
	ck_assert_int_eq(broker_reconfigure(fake.broker, fake_config(text)), 0);
	fake_turns();
}

#define DEVICES	 "[devices]\ndomains = *\n"
#define ONLY_LOW DEVICES "[allow low]\nfrom = *\nto = *\nports = 1-6\n"

static int send_status(struct device *from, struct device *to, uint32_t port)
{
	uint16_t id = fake_send(from, to, port, "x");

	fake_turns();
	return fake_status(from, id);
}

/* ----------------------------------------------------------------------- flows */

START_TEST(flows_are_decided_anew)
{
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
	reconfigure(ONLY_LOW);
	ck_assert_int_eq(send_status(alice, bob, 7), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"default\""));
	ck_assert_uint_eq(fake.broker->config->policy.default_refused, 1);
	reconfigure(FAKE_OPEN);
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
	reconfigure(DEVICES "[deny seven]\nfrom = alice\nto = *\nports = 7\n"
			    "[allow all]\nfrom = *\nto = *\n");
	ck_assert_int_eq(send_status(alice, bob, 7), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"seven\""));
	ck_assert_int_eq(send_status(bob, alice, 7), 0);
}
END_TEST

/* What waits in a queue and may not go any more fails; the rest goes. */
START_TEST(queued_messages)
{
	uint16_t denied[3], allowed[3];

	fake_bind(bob, 5, 0, NULL);
	fake_bind(bob, 8, 0, NULL);
	fake_turns();
	for (unsigned int i = 0; i < 3; i++) {
		denied[i] = fake_send(alice, bob, 8, "x");
		allowed[i] = fake_send(alice, bob, 5, "x");
	}
	fake_turns();
	reconfigure(ONLY_LOW);
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(fake_status(alice, denied[i]), VMSGIF_EACCES);
		ck_assert_int_eq(fake_status(alice, allowed[i]), FAKE_UNANSWERED);
	}
	ck_assert_uint_eq(fake_peer(bob)->queue.messages, 3);
	fake_port_op(bob, VMSGIF_OP_CREDIT, 5, 10000);
	fake_port_op(bob, VMSGIF_OP_CREDIT, 8, 10000);
	fake_turns();
	for (unsigned int i = 0; i < 3; i++)
		ck_assert_int_eq(fake_status(alice, allowed[i]), 0);
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_MESSAGE), 3);
	ck_assert_uint_eq(fake_peer(alice)->count.failed, 3);
}
END_TEST

/* Orphans: their receiver has not said READY. */
START_TEST(orphans)
{
	struct device *carol = fake_device(3, "carol");
	uint16_t low, high;

	fake_connect(carol);
	low = fake_send(alice, carol, 5, "x");
	high = fake_send(alice, carol, 7, "x");
	fake_turns();
	ck_assert_int_eq(fake_status(alice, high), FAKE_UNANSWERED);
	reconfigure(ONLY_LOW);
	ck_assert_int_eq(fake_status(alice, high), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, low), FAKE_UNANSWERED);
	fake_bind(carol, 5, 10000, NULL);
	fake_ready(carol);
	fake_post(carol, 20);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, low), 0);
}
END_TEST

/* Decisions kept for flows without messages do not outlive the rules that they name. */
START_TEST(idle_flows_are_forgotten)
{
	for (uint32_t port = 20; port < 50; port++)
		fake_bind(bob, port, 10000, NULL);
	fake_turns();
	for (uint32_t port = 20; port < 50; port++)
		ck_assert_int_eq(send_status(alice, bob, port), 0);
	ck_assert_uint_eq(fake_peer(alice)->nr_flows, 30);
	reconfigure(FAKE_OPEN);
	ck_assert_uint_eq(fake_peer(alice)->nr_flows, 0);
	ck_assert_int_eq(send_status(alice, bob, 30), 0);
}
END_TEST

/* ------------------------------------------------------------------------ maps */

static uint16_t share(void)
{
	uint16_t id = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);

	fake_turns();
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	return id;
}

START_TEST(map_is_forbidden)
{
	uint16_t add = share(), held, queued;
	uint64_t seq;

	ck_assert_int_eq(fake_status(alice, add), 0);
	held = fake_send_map(alice, bob, 7, 3, 0, 100);
	seq = alice->seq;
	fake_turns();
	/* Without pages it stays in the queue. */
	bob->posted_first = bob->answered = bob->posted_end;
	queued = fake_send_map(alice, bob, 7, 3, 0, 100);
	fake_turns();
	reconfigure(DEVICES "[allow copy]\nfrom = *\nto = *\n");
	ck_assert_int_eq(fake_status(alice, queued), VMSGIF_EACCES);
	ck_assert_int_eq(fake_status(alice, held), FAKE_UNANSWERED);
	fake_post(bob, 10);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_DEL), 1);
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
	fake_release(bob, alice->addr, 7, seq);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, held), 0);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_POOL_GONE), 1);
}
END_TEST

/* The receiver is mapping it just then. */
START_TEST(map_is_forbidden_while_it_is_offered)
{
	uint16_t add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);

	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_ADD), 1);
	reconfigure(DEVICES "[allow copy]\nfrom = *\nto = *\n");
	ck_assert_int_eq(fake_status(alice, add), FAKE_UNANSWERED);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_DEL), 1);
	fake_ack(bob, alice->addr, 3, 0);
	fake_turns();
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_EACCES);
}
END_TEST

START_TEST(map_is_forbidden_before_it_is_offered)
{
	uint16_t add;

	bob->posted_first = bob->answered = bob->posted_end;
	add = fake_pool(alice, VMSGIF_OP_POOL_ADD, VMSGIF_POOL_MAP, 3, bob, 7);
	fake_turns();
	reconfigure(DEVICES "[allow copy]\nfrom = *\nto = *\n");
	ck_assert_int_eq(fake_status(alice, add), VMSGIF_EACCES);
	fake_post(bob, 10);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(bob, VMSGIF_RX_POOL_ADD), 0);
}
END_TEST

/* -------------------------------------------------------------- names, services */

#define BY_SERVICE DEVICES "[allow log]\nfrom = *\nto = bob\nports = log\n"

static int bind_status(struct device *dev, uint32_t port, const char *service)
{
	uint16_t id = fake_bind(dev, port, 10000, service);

	fake_turns();
	return fake_status(dev, id);
}

static int resolve_status(struct device *dev, const char *name)
{
	uint16_t id = fake_name_op(dev, VMSGIF_OP_RESOLVE, name);

	fake_turns();
	return fake_status(dev, id);
}

START_TEST(offers)
{
	reconfigure(BY_SERVICE);
	ck_assert_int_eq(bind_status(bob, 30, "log"), 0);
	ck_assert_int_eq(send_status(alice, bob, 30), 0);
	ck_assert_int_eq(resolve_status(alice, "log@bob"), 0);
	/* It is not his any more: as if nobody had bound it. */
	reconfigure(BY_SERVICE "[offer db]\ndomains = bob\nservices = db-*\n");
	ck_assert_int_eq(send_status(alice, bob, 30), VMSGIF_EACCES);
	ck_assert_int_eq(resolve_status(alice, "log@bob"), VMSGIF_EHOSTUNREACH);
	ck_assert_int_eq(bind_status(bob, 31, "log"), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"offers\" refused domain=bob(2) port=31 "
						 "service=log"));
	ck_assert_uint_eq(fake.broker->config->policy.offers_refused, 1);
	ck_assert_int_eq(bind_status(bob, 32, "db-1"), 0);
	ck_assert_int_eq(bind_status(bob, 33, NULL), 0);
	ck_assert_int_eq(bind_status(alice, 32, "db-1"), VMSGIF_EACCES);
	/* And is it again. */
	reconfigure(BY_SERVICE "[offer log]\ndomains = *\nservices = log\n");
	ck_assert_int_eq(send_status(alice, bob, 30), 0);
	ck_assert_int_eq(resolve_status(alice, "log@bob"), 0);
}
END_TEST

START_TEST(resolve_follows)
{
	ck_assert_int_eq(resolve_status(alice, "bob"), 0);
	reconfigure(DEVICES "[allow back]\nfrom = bob\nto = alice\n");
	ck_assert_int_eq(resolve_status(alice, "bob"), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(
		strstr(fake.lines, "rule=\"default\" refused from=alice(1) name=bob"));
	ck_assert_int_eq(resolve_status(bob, "alice"), 0);
	reconfigure(DEVICES "[deny alice]\nfrom = alice\nto = *\n[allow all]\nfrom = *\nto = *\n");
	ck_assert_int_eq(resolve_status(alice, "bob"), VMSGIF_EACCES);
	ck_assert_ptr_nonnull(strstr(fake.lines, "rule=\"alice\" refused from=alice(1) name=bob"));
	ck_assert_uint_eq(policy_rule(&fake.broker->config->policy, "alice")->refused, 1);
	reconfigure(DEVICES "[deny log]\nfrom = alice\nto = *\nports = log\n"
			    "[allow all]\nfrom = *\nto = *\n");
	ck_assert_int_eq(resolve_status(alice, "bob"), 0);
	ck_assert_int_eq(resolve_status(alice, "log@bob"), VMSGIF_EACCES);
	ck_assert_int_eq(bind_status(bob, 40, "log"), 0);
	ck_assert_int_eq(resolve_status(alice, "log@bob"), VMSGIF_EACCES);
	ck_assert_uint_eq(policy_rule(&fake.broker->config->policy, "log")->refused, 2);
}
END_TEST

START_TEST(subscriptions)
{
	struct device *carol;

	fake_name_op(alice, VMSGIF_OP_SUBSCRIBE, "bob");
	fake_name_op(alice, VMSGIF_OP_SUBSCRIBE, "carol");
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 1);
	reconfigure(DEVICES);
	carol = fake_guest(3, "carol", 10);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 1);
	/* She knew bob, and hears that he died; she never knew carol. */
	fake_down(bob);
	fake_down(carol);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 1);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_DOWN, 0)->addr,
			  fake_rx(alice, VMSGIF_RX_PEER_UP, 0)->addr);
	fake_connect(carol);
	fake_ready(carol);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 1);
	reconfigure(FAKE_OPEN);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 2);
	ck_assert_uint_eq(fake_rx(alice, VMSGIF_RX_PEER_UP, 1)->addr, carol->addr);
	/* Once is enough. */
	reconfigure(FAKE_OPEN);
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 2);
}
END_TEST

/* Not told yet, and not to be told. */
START_TEST(pending_subscription)
{
	alice->posted_first = alice->answered = alice->posted_end;
	fake_name_op(alice, VMSGIF_OP_SUBSCRIBE, "bob");
	fake_turns();
	reconfigure(DEVICES);
	fake_post(alice, 20);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_UP), 0);
	fake_down(bob);
	fake_turns();
	ck_assert_uint_eq(fake_rx_count(alice, VMSGIF_RX_PEER_DOWN), 0);
}
END_TEST

/* --------------------------------------------------------------------- devices */

START_TEST(devices)
{
	unsigned int rescans = fake.rescans;

	reconfigure("[devices]\ndomains = a*\n[allow any]\nfrom = *\nto = *\n");
	ck_assert_uint_eq(fake.rescans, rescans + 1);
	/* He comes back before anybody has taken the device away. */
	fake_down(bob);
	fake_connect(bob);
	ck_assert(bob->frozen);
	ck_assert_str_eq(bob->failure, BROKER_NO_DEVICE);
	ck_assert(!alice->frozen);
	ck_assert_int_eq(send_status(alice, alice, 7), 0);
	reconfigure(FAKE_OPEN);
	ck_assert_uint_eq(fake.rescans, rescans + 2);
	fake_down(bob);
	fake_connect(bob);
	ck_assert(!bob->frozen);
	fake_bind(bob, 7, 10000, NULL);
	fake_ready(bob);
	fake_post(bob, 10);
	fake_turns();
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
}
END_TEST

/* ----------------------------------------------------------------------- files */

static char folder[64], path[96];

static void put_file(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void file_setup(void)
{
	struct config_error error;
	struct config *config;

	snprintf(folder, sizeof(folder), "/tmp/test-broker-reload-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/xenmsgd.conf", folder);
	put_file(FAKE_OPEN);
	setup();
	ck_assert_int_eq(config_load(&config, path, &error), 0);
	ck_assert_int_eq(broker_reconfigure(fake.broker, config), 0);
}

static void file_teardown(void)
{
	teardown();
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

START_TEST(bad_file_changes_nothing)
{
	struct config *config = fake.broker->config;
	char text[600], expected[200];

	put_file("[devices]\ndomains = nobody\n[allow all]\nfrom = *\n");
	ck_assert_int_eq(broker_reload(fake.broker, text, sizeof(text)), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:3: [allow all] does not say 'to'", path);
	ck_assert_str_eq(text, expected);
	ck_assert_ptr_nonnull(strstr(fake.lines, expected));
	ck_assert_ptr_eq(fake.broker->config, config);
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
	ck_assert(!alice->frozen);
	ck_assert_uint_eq(fake.rescans, 1);
	unlink(path);
	ck_assert_int_eq(broker_reload(fake.broker, text, sizeof(text)), -ENOENT);
	ck_assert_ptr_nonnull(strstr(text, "No such file"));
	ck_assert_ptr_eq(fake.broker->config, config);
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
}
END_TEST

/* Each kind of mistake, in a file that allows nothing otherwise. */
static const struct {
	const char *text;
	unsigned int line;
} bad_files[] = {
	{ "[devices]\ndomains = a/b\n", 2 },
	{ "[devices]\ndomain = a\n", 2 },
	{ "[devices]\ndomains =\n", 2 },
	{ "[devices\n", 1 },
	{ "[device]\n", 1 },
	{ "domains = a\n", 1 },
	{ "[devices]\nnonsense\n", 2 },
	{ "[daemon]\nflow-window = 0\n", 2 },
	{ "[daemon]\nmap = perhaps\n", 2 },
	{ "[daemon]\nmap = no\nmap = no\n", 3 },
	{ "[daemon]\npools = no\nmax-pool-pages = 1\n", 3 },
	{ "[daemon]\ncolour = red\n", 2 },
	{ "[label a]\n", 1 },
	{ "[label a]\ndomains = @b\n", 2 },
	{ "[label a]\ndomains = b\n[label a]\ndomains = b\n", 3 },
	{ "[allow a]\nfrom = @b\nto = c\n", 2 },
	{ "[allow a]\nfrom = b\n", 1 },
	{ "[allow]\n", 1 },
	{ "[allow default]\n", 1 },
	{ "[allow a]\nfrom = b\nto = c\nports = 0\n", 4 },
	{ "[allow a]\nfrom = b\nto = c\nports = 9-1\n", 4 },
	{ "[allow a]\nfrom = b\nto = c\nmodes = pools\n", 4 },
	{ "[allow a]\nfrom = b\nto = c\nmessages-per-second = -1\n", 4 },
	{ "[allow a]\nfrom = b\nto = c\nbytes-burst = 1\n", 1 },
	{ "[allow a]\nfrom = b\nto = c\n[deny a]\n", 4 },
	{ "[deny a]\nfrom = b\nto = c\nmodes = map\n", 4 },
	{ "[offer a]\ndomains = b\n", 1 },
	{ "[limits a]\ndomains = b\nweight = 100\n", 3 },
	{ "[limits a]\nweight = 1\n", 1 },
};

START_TEST(each_mistake)
{
	struct config *config = fake.broker->config;
	char text[600], expected[200];

	put_file(bad_files[_i].text);
	ck_assert_int_eq(broker_reload(fake.broker, text, sizeof(text)), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:%u: ", path, bad_files[_i].line);
	ck_assert_msg(!strncmp(text, expected, strlen(expected)), "%s", text);
	ck_assert_uint_gt(strlen(text), strlen(expected) + 10);
	ck_assert_ptr_eq(fake.broker->config, config);
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
	ck_assert(!alice->frozen && !bob->frozen);
}
END_TEST

START_TEST(good_file)
{
	char text[600];

	put_file("[daemon]\nflow-window = 5\nmax-ports = 7\nmap = no\n" ONLY_LOW);
	ck_assert_int_eq(broker_reload(fake.broker, text, sizeof(text)), 0);
	ck_assert_ptr_nonnull(strstr(text, "1 rules"));
	ck_assert_ptr_nonnull(strstr(text, "not before the daemon starts again: flow-window, map"));
	ck_assert_ptr_null(strstr(text, "max-ports"));
	ck_assert_uint_eq(fake.broker->config->limits.flow_window, VMSGIF_FLOW_WINDOW);
	ck_assert(fake.broker->config->limits.feature_map);
	ck_assert_uint_eq(fake.broker->config->max_ports, 7);
	ck_assert_int_eq(send_status(alice, bob, 7), VMSGIF_EACCES);
	put_file(FAKE_OPEN);
	ck_assert_int_eq(broker_reload(fake.broker, text, sizeof(text)), 0);
	ck_assert_ptr_null(strstr(text, "starts again"));
	/* Cut where there is no room. */
	memset(text, 'x', sizeof(text));
	ck_assert_int_eq(broker_reload(fake.broker, text, 20), 0);
	ck_assert_uint_le(strlen(text), 19);
	ck_assert_uint_ge(strlen(text), 18);
	ck_assert_int_eq(send_status(alice, bob, 7), 0);
}
END_TEST

START_TEST(no_file)
{
	char text[100];

	reconfigure(FAKE_OPEN);
	ck_assert_int_eq(broker_reload(fake.broker, text, sizeof(text)), -ENOENT);
	ck_assert_ptr_nonnull(strstr(text, "not from a file"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("broker-reload");
	TCase *t = tcase_create("reload");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, flows_are_decided_anew);
	tcase_add_test(t, queued_messages);
	tcase_add_test(t, orphans);
	tcase_add_test(t, idle_flows_are_forgotten);
	tcase_add_test(t, map_is_forbidden);
	tcase_add_test(t, map_is_forbidden_while_it_is_offered);
	tcase_add_test(t, map_is_forbidden_before_it_is_offered);
	tcase_add_test(t, offers);
	tcase_add_test(t, resolve_follows);
	tcase_add_test(t, subscriptions);
	tcase_add_test(t, pending_subscription);
	tcase_add_test(t, devices);
	suite_add_tcase(s, t);

	t = tcase_create("files");
	tcase_add_checked_fixture(t, file_setup, file_teardown);
	tcase_add_test(t, bad_file_changes_nothing);
	tcase_add_loop_test(t, each_mistake, 0, ARRAY_LEN(bad_files));
	tcase_add_test(t, good_file);
	tcase_add_test(t, no_file);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return fake_run(suite());
}
