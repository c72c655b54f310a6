// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes of the backend's own domain: handshake, limits, events, copies to
 * and from guests, what they may spoil and what not, and the next broker.
 */
#include "backend/spurious.h"
#include "tests/unit/backend-guest.h"
#include "tests/unit/local-raw.h"

#include "common/listen.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOCAL(slot)	      (0x8000u + (slot))
#define PATIENCE	      (6 * SIM_NSEC_PER_SEC)
#define SLOT_NODE(slot, name) "/local/domain/0/xenmsg/local/" slot "/" name

static struct bed bed;
static char dir[32], path[48];
static struct raw a, b;

static void listen_here(void)
{
	int fd = listen_at(path, SOCK_SEQPACKET, 0660);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(backend_local_listen(bed.b, fd), 0);
	bed_run(&bed);
}

static void setup(void)
{
	bed_init(&bed);
	strcpy(dir, "/tmp/xenmsg-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/local", dir);
	bed_start(&bed);
	listen_here();
	a.fd = b.fd = a.memory = b.memory = -1;
}

static void teardown(void)
{
	raw_close(&a);
	raw_close(&b);
	bed_run(&bed);
	bed_fini(&bed);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void hello(struct raw *r)
{
	const struct local_hello h = raw_hello(r);

	ck_assert(raw_send(r, &h, sizeof(h), -1));
	bed_run(&bed);
}

static void start(struct raw *r)
{
	ck_assert(raw_say(r, LOCAL_START));
	bed_run(&bed);
}

static void up(struct raw *r)
{
	raw_connect(r, path);
	hello(r);
	raw_welcome(r);
	start(r);
}

static struct device *dev_of(const struct raw *r)
{
	return bed.dev[VMSGIF_ADDR_DOMID(r->welcome.addr)];
}

static void kick(struct raw *r)
{
	ck_assert(raw_say(r, LOCAL_BELL));
	bed_run(&bed);
}

static void expect_end(struct raw *r, enum local_type type, int status, const char *text)
{
	const char *reason;
	char byte = 0;

	bed_run(&bed);
	ck_assert_int_eq(raw_end(r, type, &reason), status);
	ck_assert_msg(strstr(reason, text) != NULL, "the reason is: %s", reason);
	ck_assert_int_eq(raw_recv(r, &byte, 1, NULL), 0);
}

/* -------------------------------------------------------------- handshake */

START_TEST(comes_up)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_READY, .id = 3 };
	struct vmsgif_tx_response rsp;
	const struct vmsgif_segment *segs;
	struct request got;
	const char *name;

	up(&a);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 ");
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(a.welcome.addr), LOCAL(0));
	ck_assert_uint_ne(VMSGIF_ADDR_GEN(a.welcome.addr), 0);
	ck_assert_uint_eq(a.welcome.flow_window, bed.limits.flow_window);
	ck_assert_uint_eq(a.welcome.max_message, bed.limits.max_message);
	ck_assert_uint_eq(a.welcome.max_pool_pages, bed.limits.max_pool_pages);
	ck_assert_uint_eq(device_address(dev_of(&a)), a.welcome.addr);
	ck_assert_str_eq(device_name(dev_of(&a)), "Domain-0");
	ck_assert_uint_eq(device_ring_slots(dev_of(&a)), 32);
	/* What survives a broker. */
	ck_assert_uint_eq(strtoull(sim_xs_get(SLOT_NODE("0", "address")), NULL, 10),
			  a.welcome.addr);
	ck_assert_uint_eq(strtoull(sim_xs_get(SLOT_NODE("0", "instance")), NULL, 10), a.instance);
	ck_assert_uint_eq(strtoull(sim_xs_get(SLOT_NODE("0", "uid")), NULL, 10), getuid());

	bed.kicks = 0;
	raw_tx(&a, &req);
	kick(&a);
	ck_assert_uint_eq(bed.kicks, 1);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
	ck_assert_uint_eq(got.op, VMSGIF_OP_READY);
	device_complete(dev_of(&a), got.id, got.op, 0, 0, 0);
	a.tx->rsp_event = 1;
	device_publish_tx(dev_of(&a), false);
	(void)device_notify(dev_of(&a), false);
	ck_assert_uint_eq(raw_bells(&a), 1);
	ck_assert(raw_tx_rsp(&a, &rsp));
	ck_assert_uint_eq(rsp.id, 3);
	ck_assert_int_eq(rsp.status, 0);

	raw_close(&a);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

START_TEST(says_who_it_is)
{
	char label[64];

	up(&a);
	(void)snprintf(label, sizeof(label), "Domain-0[pid %d uid %u]", (int)getpid(),
		       (unsigned int)getuid());
	ck_assert_str_eq(device_label(dev_of(&a)), label);
}
END_TEST

/* The size of the memory cannot be changed by whoever has it. */
START_TEST(memory_is_sealed)
{
	up(&a);
	ck_assert_int_eq(fcntl(a.memory, F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
			 F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	ck_assert_int_eq(ftruncate(a.memory, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(a.memory, 1 << 30), -1);
	ck_assert_int_eq(fcntl(a.memory, F_ADD_SEALS, F_SEAL_WRITE), -1);
	/* A hole in it is no fault for the backend. */
	ck_assert_int_eq(fallocate(a.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				   (off_t)a.l.nr_pages * VMSGIF_PAGE_SIZE),
			 0);
	kick(&a);
	ck_assert(device_is_up(dev_of(&a)));
}
END_TEST

START_TEST(rings_as_large_as_they_may_be)
{
	struct local_hello h;

	bed_stop(&bed, false);
	bed.limits.max_ring_order = 2;
	bed_start(&bed);
	listen_here();
	raw_connect(&a, path);
	h = raw_hello(&a);
	h.ring_order = 4;
	ck_assert(raw_send(&a, &h, sizeof(h), -1));
	bed_run(&bed);
	raw_welcome(&a);
	ck_assert_uint_eq(a.welcome.ring_order, 2);
	start(&a);
	ck_assert_uint_eq(device_ring_slots(dev_of(&a)), VMSGIF_RING_SLOTS(2));
}
END_TEST

static const struct {
	unsigned int offset, size;
	uint64_t value;
	const char *reason;
} bad_hellos[] = {
	{ offsetof(struct local_hello, type), 4, LOCAL_START, "no HELLO" },
	{ offsetof(struct local_hello, type), 4, 0, "no HELLO" },
	{ offsetof(struct local_hello, version), 4, 0, "version" },
	{ offsetof(struct local_hello, instance), 8, 0, "instance" },
	{ offsetof(struct local_hello, reserved), 4, 1, "reserved" },
	{ offsetof(struct local_hello, ring_order), 4, 6, "ring order" },
	{ offsetof(struct local_hello, ring_order), 4, UINT32_MAX, "ring order" },
	{ offsetof(struct local_hello, tx_pages), 4, 0, "pages" },
	{ offsetof(struct local_hello, tx_pages), 4, 1025, "pages" },
	{ offsetof(struct local_hello, rx_pages), 4, 0, "pages" },
	{ offsetof(struct local_hello, rx_pages), 4, UINT32_MAX, "pages" },
};

START_TEST(bad_hello)
{
	struct local_hello h;

	raw_connect(&a, path);
	h = raw_hello(&a);
	memcpy((char *)&h + bad_hellos[_i].offset, &bad_hellos[_i].value, bad_hellos[_i].size);
	ck_assert(raw_send(&a, &h, sizeof(h), -1));
	expect_end(&a, LOCAL_REFUSED, -EPROTO, bad_hellos[_i].reason);
	ck_assert_str_eq(bed_calls(&bed), "");
	/* Others do not notice. */
	up(&b);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 ");
}
END_TEST

START_TEST(hello_of_another_length)
{
	char bytes[4096] = { LOCAL_HELLO };
	struct local_hello h;

	raw_connect(&a, path);
	h = raw_hello(&a);
	memcpy(bytes, &h, sizeof(h));
	ck_assert(raw_send(&a, bytes, _i ? sizeof(bytes) : sizeof(h) - 1, -1));
	expect_end(&a, LOCAL_REFUSED, -EPROTO, "no HELLO");
}
END_TEST

START_TEST(newer_client)
{
	struct local_hello h;

	raw_connect(&a, path);
	h = raw_hello(&a);
	h.version = 99;
	ck_assert(raw_send(&a, &h, sizeof(h), -1));
	bed_run(&bed);
	raw_welcome(&a);
	ck_assert_uint_eq(a.welcome.version, LOCAL_VERSION);
}
END_TEST

static unsigned int open_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Whatever descriptors a client sends, the backend takes none. */
START_TEST(descriptors_are_not_taken)
{
	struct local_hello h;
	unsigned int files;
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	raw_connect(&a, path);
	bed_run(&bed);
	h = raw_hello(&a);
	files = open_files();
	ck_assert(raw_send(&a, &h, sizeof(h), fd));
	bed_run(&bed);
	ck_assert_uint_eq(open_files(), files);
	raw_welcome(&a);
	ck_assert_uint_eq(open_files(), files + 1);
	start(&a);
	for (unsigned int i = 0; i < 5; i++) {
		const struct local_word bell = { LOCAL_BELL };

		ck_assert(raw_send(&a, &bell, sizeof(bell), fd));
		bed_run(&bed);
	}
	ck_assert_uint_eq(open_files(), files + 1);
	ck_assert(device_is_up(dev_of(&a)));
	(void)close(fd);
}
END_TEST

START_TEST(silence)
{
	raw_connect(&a, path);
	bed_run(&bed);
	raw_connect(&b, path);
	hello(&b);
	bed_wait(&bed, PATIENCE);
	expect_end(&a, LOCAL_REFUSED, -ETIMEDOUT, "HELLO did not come");
	raw_welcome(&b);
	expect_end(&b, LOCAL_CLOSED, -EPROTO, "START did not come");
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

START_TEST(ends_in_between)
{
	raw_connect(&a, path);
	raw_close(&a);
	bed_run(&bed);
	raw_connect(&a, path);
	bed_run(&bed);
	raw_close(&a);
	bed_run(&bed);
	raw_connect(&a, path);
	hello(&a);
	raw_close(&a);
	bed_run(&bed);
	ck_assert_str_eq(bed_calls(&bed), "");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

static const struct {
	bool early;
	unsigned int type, len;
} out_of_place[] = {
	{ true, LOCAL_BELL, 4 },   { true, LOCAL_HELLO, 4 },	 { false, LOCAL_START, 4 },
	{ false, LOCAL_HELLO, 4 }, { false, LOCAL_BELL, 3 },	 { false, LOCAL_BELL, 5 },
	{ false, 99, 4 },	   { false, LOCAL_WELCOME, 40 },
};

START_TEST(packets_out_of_place)
{
	char bytes[64] = { (char)out_of_place[_i].type };

	if (out_of_place[_i].early) {
		raw_connect(&a, path);
		hello(&a);
		raw_welcome(&a);
	} else {
		up(&a);
	}
	(void)bed_calls(&bed);
	ck_assert(raw_send(&a, bytes, out_of_place[_i].len, -1));
	expect_end(&a, LOCAL_CLOSED, -EPROTO, "out of place");
	ck_assert_str_eq(bed_calls(&bed), out_of_place[_i].early ? "" : "down:32768 gone:32768 ");
}
END_TEST

/* ----------------------------------------------------------------- limits */

static struct raw many[200];

static void close_many(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		raw_close(&many[i]);
	bed_run(&bed);
}

START_TEST(clients_of_a_user)
{
	for (unsigned int i = 0; i < 64; i++)
		up(&many[i]);
	raw_connect(&a, path);
	hello(&a);
	expect_end(&a, LOCAL_REFUSED, -EUSERS, "of this user");
	raw_close(&a);
	raw_close(&many[10]);
	bed_run(&bed);
	up(&a);
	/* Slots go round. */
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(a.welcome.addr), LOCAL(64));
	close_many(64);
}
END_TEST

START_TEST(silent_connections_of_a_user)
{
	for (unsigned int i = 0; i < 64; i++)
		raw_connect(&many[i], path);
	bed_run(&bed);
	raw_connect(&a, path);
	expect_end(&a, LOCAL_REFUSED, -EAGAIN, "say nothing");
	hello(&many[5]);
	up(&b);
	close_many(64);
}
END_TEST

START_TEST(connects_too_often)
{
	unsigned int i;

	for (i = 0; i < 256; i++) {
		up(&a);
		raw_close(&a);
		bed_run(&bed);
		(void)bed_calls(&bed);
	}
	raw_connect(&a, path);
	expect_end(&a, LOCAL_REFUSED, -EAGAIN, "too often");
	raw_close(&a);
	bed_wait(&bed, SIM_NSEC_PER_SEC / 16);
	up(&a);
}
END_TEST

START_TEST(pages_of_a_user)
{
	struct local_hello h;
	unsigned int n = 0;

	for (;; n++) {
		raw_connect(&many[n], path);
		h = raw_hello(&many[n]);
		h.tx_pages = h.rx_pages = 1024;
		h.ring_order = 4;
		ck_assert(raw_send(&many[n], &h, sizeof(h), -1));
		bed_run(&bed);
		if (bed_logged(&bed, "too many pages"))
			break;
		raw_welcome(&many[n]);
	}
	expect_end(&many[n], LOCAL_REFUSED, -ENOSPC, "of this user have too many pages");
	ck_assert_uint_eq(n, 48 * 1024 / (2048 + 32 + 2));
	close_many(n + 1);
	up(&a);
}
END_TEST

START_TEST(storm_of_bells)
{
	up(&a);
	bed.kicks = 0;
	/* Nothing arms the device: it is not looked at again before that. */
	for (unsigned int i = 0; i < 100; i++)
		kick(&a);
	ck_assert_uint_eq(bed.kicks, 1);
	(void)device_arm(dev_of(&a));
	bed_run(&bed);
	ck_assert_uint_eq(bed.kicks, 2);
}
END_TEST

static void arm(struct bed *unused, struct device *dev)
{
	(void)device_arm(dev);
}

/* Bells without requests have a budget; beyond it they are heard late. */
START_TEST(spurious_bells)
{
	up(&a);
	bed.on_kick = arm;
	bed.kicks = 0;
	/* When it is not listened to, its socket fills up. */
	for (unsigned int i = 0; i < 2000; i++) {
		(void)raw_say(&a, LOCAL_BELL);
		bed_run(&bed);
	}
	ck_assert_uint_le(bed.kicks, CHAN_SPURIOUS_BURST + 16);
	bed_wait(&bed, SIM_NSEC_PER_SEC);
	ck_assert(device_is_up(dev_of(&a)));
	bed.kicks = 0;
	kick(&a);
	ck_assert_uint_eq(bed.kicks, 1);
}
END_TEST

/* A client that does not read its bells is none of anybody's problem. */
START_TEST(bells_nobody_reads)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_READY };
	struct vmsgif_tx_response rsp;
	const struct vmsgif_segment *segs;
	struct request got;
	const char *name;

	up(&a);
	for (unsigned int i = 0; i < 2000; i++) {
		req.id = (uint16_t)(i % 32);
		raw_tx(&a, &req);
		kick(&a);
		ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
		device_complete(dev_of(&a), got.id, got.op, 0, 0, 0);
		device_publish_tx(dev_of(&a), false);
		(void)device_notify(dev_of(&a), true);
		(void)device_arm(dev_of(&a));
		ck_assert(raw_tx_rsp(&a, &rsp));
	}
	ck_assert(device_is_up(dev_of(&a)));
	ck_assert_uint_gt(raw_bells(&a), 10);
}
END_TEST

/* --------------------------------------------------- a process of its own */

#define SOMEBODY 12345

/* Connects, says START, and stays until it is killed. */
static void be_a_process(void)
{
	struct local_hello h;
	struct raw r;

	/* Without a privilege, where that can be had. */
	if (geteuid() == 0 && (setgid(SOMEBODY) < 0 || setuid(SOMEBODY) < 0))
		_exit(1);
	if (raw_try_connect(&r, path) < 0)
		_exit(2);
	h = raw_hello(&r);
	if (!raw_send(&r, &h, sizeof(h), -1))
		_exit(3);
	if (fcntl(r.fd, F_SETFL, 0) < 0 || recv(r.fd, &r.welcome, sizeof(r.welcome), 0) <= 0)
		_exit(4);
	if (!raw_say(&r, LOCAL_START))
		_exit(5);
	for (;;)
		(void)pause();
}

/* In real time, which the simulated one knows nothing of. */
static void await_call(const char *what)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (unsigned int i = 0; i < 10000 && !strstr(bed.calls, what); i++) {
		(void)syscall(SYS_nanosleep, &ms, NULL);
		bed_run(&bed);
	}
	ck_assert_ptr_nonnull(strstr(bed_calls(&bed), what));
}

START_TEST(a_process_is_killed)
{
	char label[64];
	int status;
	pid_t pid;

	ck_assert_int_eq(chmod(dir, 0711), 0);
	ck_assert_int_eq(chmod(path, 0666), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		be_a_process();
	await_call("up:32768 ");
	(void)snprintf(label, sizeof(label), "Domain-0[pid %d uid %u]", (int)pid,
		       geteuid() == 0 ? SOMEBODY : (unsigned int)getuid());
	ck_assert_str_eq(device_label(bed.dev[LOCAL(0)]), label);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	await_call("down:32768 gone:32768 ");
}
END_TEST

/* ----------------------------------------------------------------- copies */

static struct copy_batch *batch;

static void fill(uint8_t *to, unsigned int len, unsigned int key)
{
	for (unsigned int i = 0; i < len; i++)
		to[i] = (uint8_t)(i * 7 + key);
}

static void expect_filled(const uint8_t *from, unsigned int len, unsigned int key)
{
	for (unsigned int i = 0; i < len; i++)
		ck_assert_uint_eq(from[i], (uint8_t)(i * 7 + key));
}

static void add_pool(struct raw *r, uint16_t type)
{
	uint32_t directory = type == VMSGIF_POOL_TX ? r->l.tx_directory : r->l.rx_directory;
	uint32_t first = type == VMSGIF_POOL_TX ? r->l.tx_pages : r->l.rx_pages;
	struct vmsgif_pool pool = { .ref = directory, .nr_pages = RAW_PAGES, .type = type };
	uint32_t *refs = raw_page(r, directory);

	for (uint32_t i = 0; i < RAW_PAGES; i++)
		refs[i] = first + i;
	ck_assert_int_eq(device_pool_add(dev_of(r), &pool), 0);
}

/* 6000 bytes in three segments from @src's TX pages to @dst's RX pages. */
static int transfer(struct device *src, const uint32_t refs[3], bool pooled, struct device *dst,
		    const struct rx_page pages[2])
{
	const struct vmsgif_segment segs[] = { { refs[0], 96, 1000 },
					       { refs[1], 0, 4000 },
					       { refs[2], 3096, 1000 } };
	int r;

	copy_batch_reset(batch);
	r = copy_batch_add(batch, 0, src, segs, 3, pooled, dst, pages, 2);
	if (r == COPY_DONE)
		return 0;
	if (r == 0) {
		copy_batch_run(batch);
		r = copy_batch_status(batch, 0);
	}
	return r;
}

static void fill_source(uint8_t *pages[3])
{
	uint8_t all[6000];

	fill(all, sizeof(all), 5);
	memcpy(pages[0] + 96, all, 1000);
	memcpy(pages[1], all + 1000, 4000);
	memcpy(pages[2] + 3096, all + 5000, 1000);
}

static void expect_arrived(uint8_t *pages[2])
{
	uint8_t all[6000];

	memcpy(all, pages[0], 4096);
	memcpy(all + 4096, pages[1], 6000 - 4096);
	expect_filled(all, sizeof(all), 5);
}

struct side {
	struct raw *local; /* or */
	struct guest *guest;
	struct device *dev;
	bool pooled;
	uint32_t refs[3];
	uint8_t *pages[3];
};

/* Three pages of it, as TX or RX pages. */
static void take_side(struct side *s, bool rx)
{
	uint16_t type = rx ? VMSGIF_POOL_RX : VMSGIF_POOL_TX;
	struct vmsgif_pool pool = { .type = type, .nr_pages = 3 };
	void *pages;

	if (s->local) {
		uint32_t first = rx ? s->local->l.rx_pages : s->local->l.tx_pages;

		s->dev = dev_of(s->local);
		if (s->pooled)
			add_pool(s->local, type);
		for (uint32_t i = 0; i < 3; i++) {
			s->refs[i] = s->pooled ? i : first + i;
			s->pages[i] = raw_page(s->local, first + i);
		}
		return;
	}
	s->dev = guest_dev(s->guest);
	if (s->pooled) {
		pool.ref = guest_pool(s->guest, 3, !rx, &pages, NULL);
		ck_assert_int_eq(device_pool_add(s->dev, &pool), 0);
	}
	for (uint32_t i = 0; i < 3; i++) {
		s->refs[i] = i;
		if (s->pooled)
			s->pages[i] = (uint8_t *)pages + i * 4096;
		else
			s->pages[i] = guest_page(s->guest, !rx, &s->refs[i]);
	}
}

/* From a local client to a guest, back, and to another one; pooled or not on each side. */
START_TEST(copies)
{
	struct backend_stats before, after;
	struct rx_page pages[2];
	struct guest g;
	struct side from = { .pooled = _i & 1 }, to = { .pooled = _i & 2 };
	bool by_grant;

	guest_up(&g, &bed, "guest");
	up(&a);
	up(&b);
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	if (_i / 4 == 0) {
		from.local = &a;
		to.local = &b;
	} else if (_i / 4 == 1) {
		from.local = &a;
		to.guest = &g;
	} else {
		from.guest = &g;
		to.local = &a;
	}
	take_side(&from, false);
	take_side(&to, true);
	fill_source(from.pages);
	for (unsigned int i = 0; i < 2; i++)
		pages[i] = (struct rx_page){ (uint16_t)i, to.pooled, to.refs[i] };
	backend_stats_get(bed.b, &before);
	ck_assert_int_eq(transfer(from.dev, from.refs, from.pooled, to.dev, pages), 0);
	backend_stats_get(bed.b, &after);
	expect_arrived(to.pages);
	by_grant = (from.guest && !from.pooled) || (to.guest && !to.pooled);
	ck_assert_int_eq(after.copy_ops > before.copy_ops, by_grant);
	ck_assert_int_eq(after.memcpys > before.memcpys, !by_grant);
	copy_batch_free(batch);
	guest_fini(&g);
}
END_TEST

/* References of a client mean its own memory and nothing else. */
START_TEST(pages_that_are_none)
{
	static const uint32_t bad_refs[] = { 0, 1000000, UINT32_MAX };
	struct vmsgif_pool pool = { .type = VMSGIF_POOL_TX, .nr_pages = 2 };
	struct rx_page pages[2];
	uint32_t refs[3], *directory;

	up(&a);
	up(&b);
	ck_assert_int_eq(copy_batch_new(&batch, bed.b), 0);
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t bad = i < 3 ? bad_refs[i] : a.l.nr_pages + 1;

		refs[0] = refs[1] = a.l.tx_pages;
		refs[2] = bad;
		pages[0] = pages[1] = (struct rx_page){ 0, false, b.l.rx_pages };
		ck_assert_int_eq(transfer(dev_of(&a), refs, false, dev_of(&b), pages),
				 VMSGIF_EFAULT);
		refs[2] = a.l.tx_pages;
		pages[1].ref = bad;
		ck_assert_int_eq(transfer(dev_of(&a), refs, false, dev_of(&b), pages),
				 VMSGIF_EFAULT);
		ck_assert_int_eq(device_write_page(dev_of(&b), &pages[1], "x", 1), VMSGIF_EFAULT);
		pool.ref = bad;
		ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	}
	/* The last page is one. */
	refs[2] = a.l.nr_pages;
	pages[1].ref = b.l.nr_pages;
	ck_assert_int_eq(transfer(dev_of(&a), refs, false, dev_of(&b), pages), 0);
	/* Pools are pages in a row. */
	directory = raw_page(&a, a.l.tx_directory);
	pool.ref = a.l.tx_directory;
	directory[0] = a.l.tx_pages;
	directory[1] = a.l.tx_pages + 2;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	directory[0] = a.l.nr_pages;
	directory[1] = a.l.nr_pages + 1;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	directory[0] = UINT32_MAX;
	directory[1] = 0;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), VMSGIF_EFAULT);
	directory[0] = a.l.nr_pages - 1;
	directory[1] = a.l.nr_pages;
	ck_assert_int_eq(device_pool_add(dev_of(&a), &pool), 0);
	ck_assert_int_eq(device_pool_del(dev_of(&a), VMSGIF_POOL_TX), 0);
	copy_batch_free(batch);
}
END_TEST

/* Lists and names in pages that are in no pool. */
START_TEST(reads_what_requests_refer_to)
{
	struct vmsgif_tx_request req = { .op = VMSGIF_OP_RESOLVE, .id = 1, .len = 9, .nr_segs = 2 };
	const struct vmsgif_segment *segs;
	struct vmsgif_segment *list;
	struct request got;
	const char *name;

	up(&a);
	memcpy(raw_page(&a, a.l.tx_pages), "ser", 3);
	memcpy((char *)raw_page(&a, a.l.tx_pages + 1) + 100, "vice@x", 6);
	req.u.seg[0] = (struct vmsgif_segment){ a.l.tx_pages, 0, 3 };
	req.u.seg[1] = (struct vmsgif_segment){ a.l.tx_pages + 1, 100, 6 };
	raw_tx(&a, &req);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
	ck_assert_str_eq(name, "service@x");

	list = raw_page(&a, a.l.tx_pages + 2);
	for (unsigned int i = 0; i < 6; i++)
		list[i] = (struct vmsgif_segment){ a.l.tx_pages, 0, 10 };
	req = (struct vmsgif_tx_request){
		.op = VMSGIF_OP_SEND,
		.flags = VMSGIF_TXF_INDIRECT,
		.id = 2,
		.addr = 1,
		.port = 1,
		.seq = 1,
		.len = 60,
		.nr_segs = 6,
		.u.indirect.ref = a.l.tx_pages + 2,
	};
	raw_tx(&a, &req);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 1);
	/* It was copied once. */
	memset(list, 0xff, 6 * sizeof(*list));
	ck_assert_uint_eq(segs[5].len, 10);
	req.id = 3;
	req.u.indirect.ref = a.l.nr_pages + 1;
	raw_tx(&a, &req);
	ck_assert_int_eq(device_next_request(dev_of(&a), &got, &segs, &name), 0);
	ck_assert(device_is_up(dev_of(&a)));
}
END_TEST

START_TEST(breaks_the_ring)
{
	up(&a);
	(void)bed_calls(&bed);
	a.tx->req_prod = 5000;
	kick(&a);
	(void)device_arm(dev_of(&a));
	expect_end(&a, LOCAL_CLOSED, -EPROTO, "TX ring");
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert(bed_logged(&bed, "Domain-0[pid"));
}
END_TEST

/* ------------------------------------------------------------ the next broker */

static void resume(struct raw *r, uint64_t instance)
{
	raw_connect(r, path);
	r->instance = instance;
	hello(r);
	raw_welcome(r);
}

START_TEST(comes_back)
{
	uint32_t addr;
	uint64_t instance;

	up(&a);
	addr = a.welcome.addr;
	instance = a.instance;
	if (_i)
		bed_kill(&bed);
	else
		bed_stop(&bed, false);
	ck_assert(sim_xs_exists(SLOT_NODE("0", "address")));
	(void)bed_calls(&bed);
	bed_start(&bed);
	listen_here();
	ck_assert_str_eq(bed_calls(&bed), "awaited:32768 ");
	ck_assert_str_eq(device_state_name(bed.dev[LOCAL(0)]), "awaited");
	raw_close(&a);
	up(&b);
	ck_assert_str_eq(bed_calls(&bed), "up:32769 ");
	resume(&a, instance);
	ck_assert_uint_eq(a.welcome.addr, addr);
	ck_assert_str_eq(bed_calls(&bed), "");
	start(&a);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 ");
	/* It is there now: nobody else can be it. */
	bed_wait(&bed, 20 * SIM_NSEC_PER_SEC);
	ck_assert(device_is_up(dev_of(&a)));
	raw_close(&b);
	resume(&b, instance);
	ck_assert_uint_ne(b.welcome.addr, addr);
	ck_assert(device_is_up(dev_of(&a)));
}
END_TEST

START_TEST(does_not_come_back)
{
	up(&a);
	bed_kill(&bed);
	raw_close(&a);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "up:32768 awaited:32768 ");
	bed_wait(&bed, 9 * SIM_NSEC_PER_SEC);
	ck_assert_str_eq(bed_calls(&bed), "");
	bed_wait(&bed, 2 * SIM_NSEC_PER_SEC);
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
}
END_TEST

/* Another user, or another instance, is another client. */
START_TEST(comes_back_as_somebody_else)
{
	uint32_t addr;
	uint64_t instance;
	char other[16];

	up(&a);
	addr = a.welcome.addr;
	instance = a.instance;
	bed_kill(&bed);
	(void)snprintf(other, sizeof(other), "%u", (unsigned int)getuid() + 1);
	if (_i)
		sim_xs_put(SLOT_NODE("0", "uid"), other);
	else
		instance ^= 1;
	bed_start(&bed);
	listen_here();
	(void)bed_calls(&bed);
	raw_close(&a);
	resume(&a, instance);
	start(&a);
	ck_assert_uint_ne(a.welcome.addr, addr);
	ck_assert_str_eq(bed_calls(&bed), "up:32769 ");
	bed_wait(&bed, 11 * SIM_NSEC_PER_SEC);
	ck_assert_str_eq(bed_calls(&bed), "down:32768 gone:32768 ");
	ck_assert_uint_eq(bed.last_down, addr);
}
END_TEST

/* Nodes that no broker wrote. */
START_TEST(garbage_in_xenstore)
{
	sim_xs_put(SLOT_NODE("7", "address"), "12");
	sim_xs_put(SLOT_NODE("8", "address"), "98312");
	sim_xs_put(SLOT_NODE("8", "instance"), "x");
	sim_xs_put(SLOT_NODE("8", "uid"), "0");
	sim_xs_put(SLOT_NODE("9", "address"), "98313");
	sim_xs_put(SLOT_NODE("9", "instance"), "5");
	sim_xs_put(SLOT_NODE("9", "uid"), "0");
	sim_xs_put(SLOT_NODE("1024", "address"), "98313");
	sim_xs_put(SLOT_NODE("x", "address"), "98313");
	bed_stop(&bed, false);
	bed_start(&bed);
	ck_assert_str_eq(bed_calls(&bed), "awaited:32777 ");
	ck_assert(!sim_xs_exists(SLOT_NODE("7", "address")));
	ck_assert(!sim_xs_exists(SLOT_NODE("8", "address")));
}
END_TEST

/* The last one connected is the last one awaited, whatever the slots. */
START_TEST(order_survives)
{
	sim_xs_put("/local/domain/0/xenmsg/generation", "3");
	sim_xs_put(SLOT_NODE("5", "address"), "98309");
	sim_xs_put(SLOT_NODE("5", "instance"), "5");
	sim_xs_put(SLOT_NODE("5", "uid"), "0");
	sim_xs_put(SLOT_NODE("900", "address"), "4294935428"); /* generation 65535 */
	sim_xs_put(SLOT_NODE("900", "instance"), "5");
	sim_xs_put(SLOT_NODE("900", "uid"), "0");
	sim_xs_put(SLOT_NODE("2", "address"), "163842");
	sim_xs_put(SLOT_NODE("2", "instance"), "5");
	sim_xs_put(SLOT_NODE("2", "uid"), "0");
	bed_kill(&bed);
	bed_start(&bed);
	listen_here();
	ck_assert_str_eq(bed_calls(&bed), "awaited:33668 awaited:32773 awaited:32770 ");
	up(&a);
	ck_assert_uint_eq(VMSGIF_ADDR_DOMID(a.welcome.addr), LOCAL(3));
}
END_TEST

START_TEST(the_broker_stops_for_good)
{
	up(&a);
	bed_stop(&bed, true);
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
	expect_end(&a, LOCAL_CLOSED, 0, "for good");
	bed_start(&bed);
}
END_TEST

/* --------------------------------------------------- failures of the system's */

START_TEST(xenstore_fails)
{
	raw_connect(&a, path);
	bed_run(&bed);
	sim_fail_nth(bed.process, _i ? SIM_CALL_XS_END : SIM_CALL_XS_WRITE, 1, ENOSPC);
	hello(&a);
	expect_end(&a, LOCAL_REFUSED, -EAGAIN, "noted down");
	raw_close(&a);
	up(&a);
	sim_fail_nth(bed.process, SIM_CALL_XS_RM, 1, ENOSPC);
	raw_close(&a);
	bed_run(&bed);
	bed_wait(&bed, 3 * SIM_NSEC_PER_SEC);
	ck_assert(!sim_xs_exists(SLOT_NODE("0", "address")));
	ck_assert(!sim_xs_exists(SLOT_NODE("1", "address")));
}
END_TEST

START_TEST(listens_to_the_right_thing)
{
	char other[64];
	int fd;

	ck_assert_int_eq(backend_local_listen(bed.b, 0), -EALREADY);
	bed_stop(&bed, false);
	bed_start(&bed);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(backend_local_listen(bed.b, fd), -ENOTSOCK);
	(void)close(fd);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(backend_local_listen(bed.b, fd), -EINVAL);
	(void)close(fd);
	(void)snprintf(other, sizeof(other), "%s/nowhere/local", dir);
	ck_assert_int_eq(listen_at(other, SOCK_SEQPACKET, 0600), -ENOENT);
	/* One that would block, as the service manager makes them. */
	fd = listen_at(path, SOCK_SEQPACKET, 0660);
	ck_assert_int_eq(fcntl(fd, F_SETFL, 0), 0);
	ck_assert_int_eq(backend_local_listen(bed.b, fd), 0);
	bed_run(&bed);
	up(&a);
}
END_TEST

START_TEST(socket_has_its_mode)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
}
END_TEST

static Suite *local_suite(void)
{
	Suite *s = suite_create("backend-local");
	TCase *t = tcase_create("local");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, comes_up);
	tcase_add_test(t, says_who_it_is);
	tcase_add_test(t, memory_is_sealed);
	tcase_add_test(t, rings_as_large_as_they_may_be);
	tcase_add_loop_test(t, bad_hello, 0, (int)(sizeof(bad_hellos) / sizeof(bad_hellos[0])));
	tcase_add_loop_test(t, hello_of_another_length, 0, 2);
	tcase_add_test(t, newer_client);
	tcase_add_test(t, descriptors_are_not_taken);
	tcase_add_test(t, silence);
	tcase_add_test(t, ends_in_between);
	tcase_add_loop_test(t, packets_out_of_place, 0,
			    (int)(sizeof(out_of_place) / sizeof(out_of_place[0])));
	tcase_add_test(t, clients_of_a_user);
	tcase_add_test(t, silent_connections_of_a_user);
	tcase_add_test(t, connects_too_often);
	tcase_add_test(t, pages_of_a_user);
	tcase_add_test(t, storm_of_bells);
	tcase_add_test(t, spurious_bells);
	tcase_add_test(t, bells_nobody_reads);
	tcase_add_test(t, a_process_is_killed);
	tcase_add_loop_test(t, copies, 0, 12);
	tcase_add_test(t, pages_that_are_none);
	tcase_add_test(t, reads_what_requests_refer_to);
	tcase_add_test(t, breaks_the_ring);
	tcase_add_loop_test(t, comes_back, 0, 2);
	tcase_add_test(t, does_not_come_back);
	tcase_add_loop_test(t, comes_back_as_somebody_else, 0, 2);
	tcase_add_test(t, garbage_in_xenstore);
	tcase_add_test(t, order_survives);
	tcase_add_test(t, the_broker_stops_for_good);
	tcase_add_loop_test(t, xenstore_fails, 0, 2);
	tcase_add_test(t, listens_to_the_right_thing);
	tcase_add_test(t, socket_has_its_mode);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(local_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
