/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client (exec.c) and a guest's hub (hub.c) say on the hub's socket.
 *
 * The client sends one request: the header and, for REQUEST_RUN, the
 * command's arguments, each with its terminating zero.  The hub answers with
 * replies, a header and its data each; REPLY_EXIT (an int status) or
 * REPLY_GONE (the guest is no more) is the last.  Closing the connection
 * kills the command.
 */
#ifndef XEN_TEST_CLIENT_H
#define XEN_TEST_CLIENT_H

#define TAG_MAX 32

enum { REQUEST_RUN = 'r', REQUEST_SIGNAL = 's' };
enum { REPLY_OUT = 'o', REPLY_ERR = 'e', REPLY_EXIT = 'x', REPLY_GONE = 'g' };

struct request {
	char tag[TAG_MAX]; /* the command's name, or that of the target */
	int kind;
	int signal;
	unsigned int args_len;
};

struct reply {
	int kind;
	unsigned int len;
};

#endif
