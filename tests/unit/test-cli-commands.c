// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The `xenmsg` command in guests of a simulated host: each command is an actor
 * that runs it from its arguments to its exit status.
 *
 * The sources are compiled in here, as they are a program and no library. Every
 * guest gets a lock file of its own, and libnettle's digest is replaced by a
 * sum: what matters is that both ends compare it.
 */
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/system.h"

/* The broker has one of that name, too. */
#define peer_name cli_peer_name

static int open_in_guest(struct xenmsg **out);
#define xenmsg_open(x, options) open_in_guest(x)
#include "frontend/cli/cli.c" // NOLINT(bugprone-suspicious-include)
#undef xenmsg_open
#include "frontend/cli/dest.c"	   // NOLINT(bugprone-suspicious-include)
#include "frontend/cli/incoming.c" // NOLINT(bugprone-suspicious-include)
#include "frontend/cli/progress.c" // NOLINT(bugprone-suspicious-include)
#include "frontend/cli/text.c"	   // NOLINT(bugprone-suspicious-include)

#define take_events out_take_events
#define account	    out_account
#define fill	    out_fill
#include "frontend/cli/outgoing.c" // NOLINT(bugprone-suspicious-include)
#undef take_events
#undef account
#undef fill

#define help	     listen_help
#define parse	     listen_parse
#define parse_option listen_parse_option
#define run	     listen_run
#define take_events  listen_take_events
#define OPT_JSON     OPT_LISTEN_JSON
#include "frontend/cli/listen.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef parse_option
#undef run
#undef take_events
#undef OPT_JSON

#define help	     send_help
#define parse	     send_parse
#define parse_option send_parse_option
#define OPT_JSON     OPT_SEND_JSON
#include "frontend/cli/send.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef parse_option
#undef OPT_JSON

#define help	     ping_help
#define parse	     ping_parse
#define parse_option ping_parse_option
#define run	     ping_run
#define OPT_JSON     OPT_PING_JSON
#include "frontend/cli/ping.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef parse_option
#undef run
#undef OPT_JSON

#define help	 peers_help
#define parse	 peers_parse
#define run	 peers_run
#define show	 peers_show
#define OPT_JSON OPT_PEERS_JSON
#include "frontend/cli/peers.c" // NOLINT(bugprone-suspicious-include)
#undef help
#undef parse
#undef run
#undef show
#undef OPT_JSON

void nettle_sha256_init(struct sha256_ctx *ctx)
{
	memset(ctx, 0, sizeof(*ctx));
	ctx->count = 1;
}

void nettle_sha256_update(struct sha256_ctx *ctx, size_t length, const uint8_t *data)
{
	for (size_t i = 0; i < length; i++)
		ctx->count = ctx->count * 31 + data[i];
}

void nettle_sha256_digest(struct sha256_ctx *ctx, size_t length, uint8_t *digest)
{
	memset(digest, 0, length);
	memcpy(digest, &ctx->count, sizeof(ctx->count));
}

/* ---------------------------------------------------------------------- bed */

static const char config[] = "[devices]\n"
			     "domains = alice bob mallory\n"
			     "[allow a-b]\n"
			     "from = alice bob\n"
			     "to = alice bob\n"
			     "modes = copy map\n";

static struct world w;
static struct vm *alice, *bob, *mallory;
static char out_path[80], in_path[80], text_path[80];

static int open_in_guest(struct xenmsg **out)
{
	struct xenmsg_options o = XENMSG_OPTIONS_INIT;
	char lock[80];

	(void)snprintf(lock, sizeof(lock), "%s/%u", w.dir, sim_process_domid(sim_current()));
	o.lock = lock;
	o.timeout = 500;
	return xenmsg_open(out, &o);
}

/* What commands print goes to a file from here on. */
static void setup(void)
{
	world_init(&w, 1, config);
	alice = vm_new(&w, "alice", SIM_PV);
	bob = vm_new(&w, "bob", SIM_PVH);
	mallory = vm_new(&w, "mallory", SIM_PV);
	ck_assert_int_eq(world_broker_start(&w), 0);
	(void)snprintf(out_path, sizeof(out_path), "%s/out", w.dir);
	(void)snprintf(in_path, sizeof(in_path), "%s/in", w.dir);
	(void)snprintf(text_path, sizeof(text_path), "%s/text", w.dir);
	ck_assert_ptr_nonnull(freopen(text_path, "a", stdout));
	ck_assert_ptr_nonnull(freopen(text_path, "a", stderr));
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stderr, NULL, _IONBF, 0);
}

static void teardown(void)
{
	sim_enter(NULL);
	(void)unlink(out_path);
	(void)unlink(in_path);
	(void)unlink(text_path);
	world_fini(&w);
}

struct command {
	int (*run)(int argc, char **argv);
	char *words;
	char *argv[16];
	int argc;
	struct sim_process *process;
	struct sim_actor *actor;
	bool ended;
	int status;
};

static bool command_step(void *arg)
{
	struct command *c = arg;

	if (c->ended)
		return false;
	optind = 0;
	c->status = c->run(c->argc, c->argv);
	c->ended = true;
	return true;
}

/* @line: the command line from the command's name on, words between spaces. */
static void start(struct command *c, const struct vm *vm, int (*run)(int argc, char **argv),
		  const char *line)
{
	char *save, *word;

	*c = (struct command){ .run = run, .words = strdup(line) };
	for (word = strtok_r(c->words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		c->argv[c->argc++] = word;
	c->process = sim_process_new(vm->domid, c->argv[0]);
	c->actor = sim_actor_new(c->process, command_step, c);
}

static bool ended(void *arg)
{
	return ((struct command *)arg)->ended;
}

static int finish_command(struct command *c)
{
	sim_run(ended, c, 0, 0);
	ck_assert(c->ended);
	sim_process_free(c->process);
	free(c->words);
	return c->status;
}

static char output[65536];

/* Whether the commands printed @arg so far. */
static bool printed(void *arg)
{
	size_t n;
	FILE *f;

	(void)fflush(stdout);
	f = fopen(text_path, "r");
	ck_assert_ptr_nonnull(f);
	n = fread(output, 1, sizeof(output) - 1, f);
	output[n] = '\0';
	(void)fclose(f);
	return strstr(output, arg);
}

#define ck_printed(text) \
	ck_assert_msg(printed((void *)(uintptr_t)(text)), "no '%s' in:\n%s", text, output)

static void start_listener(struct command *c, const char *line)
{
	start(c, bob, cmd_listen, line);
	sim_run(printed, (void *)(uintptr_t) "listening on port", 0, 0);
}

static int run_command(const struct vm *vm, int (*run)(int argc, char **argv), const char *line)
{
	struct command c;

	start(&c, vm, run, line);
	return finish_command(&c);
}

static char byte_at(size_t i)
{
	return (char)(i * 7 + i / 4096);
}

static void write_input(size_t size)
{
	FILE *f = fopen(in_path, "w");

	ck_assert_ptr_nonnull(f);
	for (size_t i = 0; i < size; i++)
		(void)putc(byte_at(i), f);
	ck_assert_int_eq(fclose(f), 0);
}

static void check_output(size_t size)
{
	FILE *f = fopen(out_path, "r");
	size_t i = 0;

	ck_assert_ptr_nonnull(f);
	while (i < size && getc(f) == (byte_at(i) & 0xff))
		i++;
	ck_assert_uint_eq(i, size);
	ck_assert_int_eq(getc(f), EOF);
	(void)fclose(f);
	ck_assert_int_eq(unlink(out_path), 0);
}

/* ----------------------------------------------------------------- messages */

START_TEST(a_message)
{
	struct command listener;

	start_listener(&listener, "listen 11 -c 2");
	ck_assert_int_eq(run_command(alice, cmd_send, "send bob:11 -m hello"), STATUS_OK);
	ck_assert_int_eq(run_command(alice, cmd_send, "send bob:11 --json --message \"\n\""),
			 STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	ck_printed(":0: 5 bytes \"hello\"\n");
	ck_printed("\"\\x22\\x0a\\x22\"");
	ck_printed("{\"to\": \"bob:11\"");
}
END_TEST

START_TEST(a_message_in_json)
{
	struct command listener;

	start_listener(&listener, "listen 11 --service words --json -c 1");
	ck_assert_int_eq(run_command(alice, cmd_send, "send words@bob -m hello"), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	ck_printed("\", \"address\": \"0x");
	ck_printed("\"bytes\": 5, \"mode\": \"copy\", \"data\": \"hello\"}\n");
}
END_TEST

/* -------------------------------------------------------------------- files */

static void file_crosses(size_t size, const char *options)
{
	char line[256];
	struct command listener;

	write_input(size);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s", out_path);
	start_listener(&listener, line);
	(void)snprintf(line, sizeof(line), "send %s bob %s", options, in_path);
	ck_assert_int_eq(run_command(alice, cmd_send, line), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	check_output(size);
}

START_TEST(files)
{
	static const size_t sizes[] = { 0, 1, 4096, 65536, 300001 };

	file_crosses(sizes[_i], "");
	ck_printed("by copy");
}
END_TEST

START_TEST(files_by_map)
{
	static const size_t sizes[] = { 0, 1, 4096, 65536, 2000001 };

	file_crosses(sizes[_i], "--map --progress");
	ck_printed("by map");
	ck_printed("/s");
}
END_TEST

START_TEST(files_otherwise)
{
	static const char *const options[] = { "--chunk 1M --json", "--chunk 33 --lazy",
					       "--map --chunk 1M", "--no-reply --chunk 5K" };

	file_crosses(_i == 1 ? 20000 : 2500000, options[_i]);
	if (_i == 0)
		ck_printed("\"ok\": true, \"mode\": \"copy\", \"bytes\": 2500000, \"messages\": ");
}
END_TEST

/* A pipe that says more now and then, until its end. */
static int feed_fd;

static bool feed(void *arg)
{
	static unsigned int n;
	char bytes[1000];
	size_t i;

	if (feed_fd < 0)
		return false;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = byte_at(n * sizeof(bytes) + i);
	ck_assert_int_eq(write(feed_fd, bytes, sizeof(bytes)), sizeof(bytes));
	if (++n == 50) {
		(void)close(feed_fd);
		feed_fd = -1;
	}
	return true;
}

START_TEST(a_pipe)
{
	struct command listener;
	char line[256];
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	if (fds[0] != STDIN_FILENO) {
		ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
		(void)close(fds[0]);
	}
	feed_fd = fds[1];
	sim_actor_new(NULL, feed, NULL);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s --json", out_path);
	start_listener(&listener, line);
	ck_assert_int_eq(run_command(alice, cmd_send, "send bob -"), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	check_output(50000);
	ck_printed("\"file\": \"standard input\", \"ok\": true, \"bytes\": 50000");
}
END_TEST

START_TEST(a_file_that_cannot_be_stored)
{
	struct command listener;
	char line[256];

	write_input(100000);
	start_listener(&listener, "listen 9 -o /nowhere/at/all");
	(void)snprintf(line, sizeof(line), "send bob:9 %s", in_path);
	ck_assert_int_eq(run_command(alice, cmd_send, line), STATUS_FAILED);
	ck_printed("the receiver could not take");
	sim_process_kill(listener.process);
	sim_process_free(listener.process);
	free(listener.words);
}
END_TEST

/* The sender dies: nothing is left of the file, and the listener says so. */
START_TEST(a_file_that_breaks_off)
{
	struct command listener, sender;
	char line[256], part[100];

	write_input(3000000);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s", out_path);
	start_listener(&listener, line);
	(void)snprintf(line, sizeof(line), "send bob:9 --chunk 100 %s", in_path);
	start(&sender, alice, cmd_send, line);
	(void)snprintf(part, sizeof(part), "%s.part", out_path);
	while (access(part, F_OK))
		sim_run_for(100000);
	sim_domain_destroy(alice->domid);
	alice->destroyed = true;
	ck_assert_int_eq(finish_command(&listener), STATUS_FAILED);
	ck_assert_int_ne(access(part, F_OK), 0);
	ck_assert_int_ne(access(out_path, F_OK), 0);
	ck_printed("the peer went down");
	sim_process_free(sender.process);
	free(sender.words);
}
END_TEST

static bool stored(void *arg)
{
	return access(out_path, F_OK) == 0;
}

/* The receiver stores the file, says so, and ends, all before the sender looks. */
START_TEST(a_receiver_that_is_gone_at_once)
{
	struct command listener, sender;
	char line[256];

	write_input(50000);
	(void)snprintf(line, sizeof(line), "listen 9 -o %s", out_path);
	start_listener(&listener, line);
	(void)snprintf(line, sizeof(line), "send bob:9 %s%s", _i ? "--map " : "", in_path);
	start(&sender, alice, cmd_send, line);
	sim_run(stored, NULL, 0, 0);
	sim_actor_stall(sender.actor, true);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	sim_run_for(10000000);
	ck_assert(!sender.ended);
	sim_actor_stall(sender.actor, false);
	ck_assert_int_eq(finish_command(&sender), STATUS_OK);
	check_output(50000);
}
END_TEST

START_TEST(a_receiver_that_dies)
{
	struct command listener, sender;
	char line[256];

	write_input(3000000);
	start_listener(&listener, "listen 9");
	(void)snprintf(line, sizeof(line), "send bob:9 --chunk 50 %s", in_path);
	start(&sender, alice, cmd_send, line);
	sim_run_for(1000000);
	sim_domain_destroy(bob->domid);
	bob->destroyed = true;
	ck_assert_int_eq(finish_command(&sender), STATUS_FAILED);
	ck_printed("the peer went down");
	sim_process_free(listener.process);
	free(listener.words);
}
END_TEST

/* --------------------------------------------------------------------- ping */

START_TEST(pings)
{
	struct command listener;

	start_listener(&listener, "listen 7 --echo -q -c 12");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob -c 3 -i 0.1"), STATUS_OK);
	ck_printed("56 bytes from bob (0x");
	ck_printed("3 sent, 3 received, 0 lost\nround trip min/avg/max ");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob:7 -c 4 -i 0 -s 70000 --json"),
			 STATUS_OK);
	ck_printed("\"size\": 70000, \"sent\": 4, \"received\": 4, \"min_us\": ");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob -c 5 -i 0 -s 0 -q"), STATUS_OK);
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
}
END_TEST

START_TEST(pings_into_the_void)
{
	struct command listener;

	ck_assert_int_eq(run_command(alice, cmd_ping, "ping nobody -c 1"), STATUS_REFUSED);
	start_listener(&listener, "listen 12 -c 1 -q");
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob -c 1"), STATUS_FAILED);
	ck_printed("nobody listens on that port (ECONNREFUSED)");
	/* It does not echo. */
	ck_assert_int_eq(run_command(alice, cmd_ping, "ping bob:12 -c 1 -W 0.5"), STATUS_FAILED);
	ck_printed("1 sent, 0 received, 1 lost");
	ck_assert_int_eq(finish_command(&listener), STATUS_OK);
	ck_assert_int_eq(run_command(mallory, cmd_ping, "ping bob -c 1"), STATUS_REFUSED);
	ck_printed("refused by the host's policy (EACCES)");
}
END_TEST

/* -------------------------------------------------------------------- peers */

START_TEST(peers)
{
	struct command listener, watcher;

	start_listener(&listener, "listen 7 --service echo --echo");
	ck_assert_int_eq(run_command(alice, cmd_peers, "peers bob echo@bob --json"), STATUS_OK);
	ck_printed("{\"name\": \"alice\", \"state\": \"self\", \"address\": \"0x");
	ck_printed("{\"name\": \"bob\", \"state\": \"up\", \"address\": \"0x");
	ck_printed("\"port\": 7}");
	start(&watcher, alice, cmd_peers, "peers --watch bob");
	sim_run(printed, (void *)(uintptr_t) "bob                      up", 0, 0);
	sim_process_kill(listener.process);
	sim_process_free(listener.process);
	free(listener.words);
	/* Who comes next finds the device as it was left, and that is the end of the other one. */
	start(&listener, bob, cmd_listen, "listen 8 --json");
	sim_run(printed, (void *)(uintptr_t) "bob                      down", 0, 0);
	sim_process_kill(watcher.process);
	sim_process_free(watcher.process);
	free(watcher.words);
	sim_process_kill(listener.process);
	sim_process_free(listener.process);
	free(listener.words);
}
END_TEST

/* -------------------------------------------------------------- no device, usage */

START_TEST(no_broker)
{
	world_run(&w, 1);
	world_broker_kill(&w);
	ck_assert_int_eq(run_command(alice, cmd_peers, "peers"), STATUS_DEVICE);
	ck_printed("the broker does not answer");
}
END_TEST

START_TEST(usage)
{
	static const struct {
		int (*run)(int argc, char **argv);
		const char *line;
		int status;
	} cases[] = {
		{ cmd_listen, "listen", STATUS_USAGE },
		{ cmd_listen, "listen 0", STATUS_USAGE },
		{ cmd_listen, "listen 4294967296", STATUS_USAGE },
		{ cmd_listen, "listen 1 2", STATUS_USAGE },
		{ cmd_listen, "listen -c 0 1", STATUS_USAGE },
		{ cmd_listen, "listen --what 1", STATUS_USAGE },
		{ cmd_listen, "listen --help", STATUS_OK },
		{ cmd_send, "send", STATUS_USAGE },
		{ cmd_send, "send bob: x", STATUS_USAGE },
		{ cmd_send, "send a b c", STATUS_USAGE },
		{ cmd_send, "send bob -m x y", STATUS_USAGE },
		{ cmd_send, "send --chunk 0 bob x", STATUS_USAGE },
		{ cmd_send, "send --chunk 2M bob x", STATUS_USAGE },
		{ cmd_send, "send --timeout 0 bob x", STATUS_USAGE },
		{ cmd_send, "send --help", STATUS_OK },
		{ cmd_ping, "ping", STATUS_USAGE },
		{ cmd_ping, "ping -i 1.2345 bob", STATUS_USAGE },
		{ cmd_ping, "ping -W 0 bob", STATUS_USAGE },
		{ cmd_ping, "ping -s 2M bob", STATUS_USAGE },
		{ cmd_ping, "ping -c x bob", STATUS_USAGE },
		{ cmd_ping, "ping --help", STATUS_OK },
		{ cmd_peers, "peers --watch", STATUS_USAGE },
		{ cmd_peers, "peers --what", STATUS_USAGE },
		{ cmd_peers, "peers --help", STATUS_OK },
	};

	ck_assert_int_eq(run_command(alice, cases[_i].run, cases[_i].line), cases[_i].status);
}
END_TEST

START_TEST(destinations)
{
	struct dest d;

	ck_assert(dest_parse("bob", 9, &d));
	ck_assert_str_eq(d.name, "bob");
	ck_assert_uint_eq(d.port, 9);
	ck_assert(dest_parse("bob:17", 9, &d));
	ck_assert_uint_eq(d.port, 17);
	ck_assert(dest_parse("0x20003:5", 9, &d));
	ck_assert_str_eq(d.name, "");
	ck_assert_uint_eq(d.addr, 0x20003);
	ck_assert(dest_parse("clock@bob", 9, &d));
	ck_assert_uint_eq(d.port, 0);
	ck_assert(!dest_parse("clock@bob:3", 9, &d));
	ck_assert(!dest_parse("", 9, &d));
	ck_assert(!dest_parse(":3", 9, &d));
	ck_assert(!dest_parse("bob:0", 9, &d));
	ck_assert(!dest_parse("bob:03", 9, &d));
	ck_assert(!dest_parse("bob", 0, &d));
	/* No number: then it is a name. */
	ck_assert(dest_parse("0xyz", 9, &d));
	ck_assert_str_eq(d.name, "0xyz");
}
END_TEST

static void ck_json(const char *bytes, size_t len, const char *json)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	json_bytes(f, bytes, len);
	(void)fclose(f);
	ck_assert_str_eq(text, json);
	free(text);
}

START_TEST(json)
{
	ck_json("", 0, "\"\"");
	ck_json("a\"b\\c\n", 6, "\"a\\\"b\\\\c\\u000a\"");
	ck_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9,
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
	ck_json("\xff", 1, "{\"base64\": \"/w==\"}");
	ck_json("\xc3", 1, "{\"base64\": \"ww==\"}");
	ck_json("\xc0\x80", 2, "{\"base64\": \"wIA=\"}");
	ck_json("\xed\xa0\x80", 3, "{\"base64\": \"7aCA\"}");
	ck_json("\xf5xyz", 4, "{\"base64\": \"9Xh5eg==\"}");
}
END_TEST

static TCase *cases(void)
{
	TCase *c = tcase_create("commands");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_message);
	tcase_add_test(c, a_message_in_json);
	tcase_add_loop_test(c, files, 0, 5);
	tcase_add_loop_test(c, files_by_map, 0, 5);
	tcase_add_loop_test(c, files_otherwise, 0, 4);
	tcase_add_test(c, a_pipe);
	tcase_add_test(c, a_file_that_cannot_be_stored);
	tcase_add_test(c, a_file_that_breaks_off);
	tcase_add_loop_test(c, a_receiver_that_is_gone_at_once, 0, 2);
	tcase_add_test(c, a_receiver_that_dies);
	tcase_add_test(c, pings);
	tcase_add_test(c, pings_into_the_void);
	tcase_add_test(c, peers);
	tcase_add_test(c, no_broker);
	tcase_add_loop_test(c, usage, 0, 24);
	return c;
}

int main(void)
{
	Suite *suite = suite_create("cli-commands");
	TCase *text = tcase_create("text");
	SRunner *runner;
	int failed;

	suite_add_tcase(suite, cases());
	tcase_add_test(text, destinations);
	tcase_add_test(text, json);
	suite_add_tcase(suite, text);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
