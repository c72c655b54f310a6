// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The socket for processes of the backend's own domain: which of them is behind a
 * connection, what can be listened to, and its mode.
 */
#include "tests/unit/local-bed.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

START_TEST(says_who_it_is)
{
	char label[64];

	up(&a);
	(void)snprintf(label, sizeof(label), "Domain-0[pid %d uid %u]", (int)getpid(),
		       (unsigned int)getuid());
	ck_assert_str_eq(device_label(dev_of(&a)), label);
}
END_TEST

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

static Suite *socket_suite(void)
{
	Suite *s = suite_create("backend-local-socket");
	TCase *t = tcase_create("socket");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, says_who_it_is);
	tcase_add_test(t, a_process_is_killed);
	tcase_add_test(t, listens_to_the_right_thing);
	tcase_add_test(t, socket_has_its_mode);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(socket_suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
