/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Do the Xen libraries and devices work in this guest?
 *
 *	smoke share			in a guest
 *	smoke map DOMID			in dom0
 *	smoke registers SEED ROUNDS	anywhere, several at once
 *
 * The guest grants a page to dom0, allocates an event channel and names both
 * in xenstore.  dom0 maps the page, finds the guest's words, answers in the
 * page and sends an event, upon which the guest checks the answer.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#define QUESTION "is anybody there?"
#define ANSWER	 "yes, dom0 is"
#define NODE	 "data/smoke"

static int complain(const char *what)
{
	perror(what);
	return 1;
}

static int wait_event(xenevtchn_handle *events)
{
	struct pollfd polled = { xenevtchn_fd(events), POLLIN, 0 };

	return poll(&polled, 1, 20000) == 1 ? xenevtchn_pending(events) : -1;
}

static int share(void)
{
	struct xs_handle *xs = xs_open(0);
	xengntshr_handle *shares = xengntshr_open(NULL, 0);
	xenevtchn_handle *events = xenevtchn_open(NULL, 0);
	char text[64];
	uint32_t ref;
	char *page;
	int port;

	if (!xs || !shares || !events)
		return complain("opening xenstore, gntalloc and evtchn");
	page = xengntshr_share_pages(shares, 0, 1, &ref, 1);
	port = xenevtchn_bind_unbound_port(events, 0);
	if (!page || port < 0)
		return complain("sharing a page and a port");
	strcpy(page, QUESTION);
	snprintf(text, sizeof(text), "%u %d", ref, port);
	if (!xs_write(xs, XBT_NULL, NODE, text, (unsigned int)strlen(text)))
		return complain("writing to xenstore");
	if (wait_event(events) != port)
		return complain("waiting for the event");
	printf("dom0 says: %s\n", page);
	return strcmp(page, ANSWER) != 0;
}

static int map(const char *domid_text)
{
	uint32_t domid = (uint32_t)atoi(domid_text), ref;
	struct xs_handle *xs = xs_open(0);
	xengnttab_handle *grants = xengnttab_open(NULL, 0);
	xenevtchn_handle *events = xenevtchn_open(NULL, 0);
	unsigned int len, port;
	char path[64], *text, *page;
	int local;

	if (!xs || !grants || !events)
		return complain("opening xenstore, gntdev and evtchn");
	snprintf(path, sizeof(path), "/local/domain/%u/" NODE, domid);
	text = xs_read(xs, XBT_NULL, path, &len);
	if (!text || sscanf(text, "%u %u", &ref, &port) != 2)
		return complain(path);
	page = xengnttab_map_grant_ref(grants, domid, ref, PROT_READ | PROT_WRITE);
	local = xenevtchn_bind_interdomain(events, domid, port);
	if (!page || local < 0)
		return complain("mapping the page and binding the port");
	printf("domain %u says: %s\n", domid, page);
	if (strcmp(page, QUESTION) != 0)
		return 1;
	strcpy(page, ANSWER);
	xenevtchn_notify(events, (evtchn_port_t)local);
	xengnttab_unmap(grants, page, 1);
	free(text);
	return 0;
}

static int registers(unsigned int seed, unsigned int rounds)
{
	unsigned char in[16], low[16], high[16];
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		for (unsigned int k = 0; k < sizeof(in); k++)
			in[k] = (unsigned char)(seed * 31 + i * 7 + k);
		/* Busy for a while, so that a timer interrupt may come, then a switch. */
		__asm__ volatile("movdqu (%2), %%xmm5\n\t"
				 "movdqu (%2), %%xmm13\n\t"
				 "mov $20000, %%ecx\n"
				 "1:\tdec %%ecx\n\t"
				 "jnz 1b\n\t"
				 "mov %3, %%eax\n\t"
				 "syscall\n\t"
				 "movdqu %%xmm5, (%0)\n\t"
				 "movdqu %%xmm13, (%1)"
				 :
				 : "r"(low), "r"(high), "r"(in), "i"(SYS_sched_yield)
				 : "rax", "rcx", "r11", "xmm5", "xmm13", "memory", "cc");
		wrong += memcmp(in, low, sizeof(in)) != 0 || memcmp(in, high, sizeof(in)) != 0;
	}
	printf("%u of %u rounds with wrong registers\n", wrong, rounds);
	return wrong != 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "share") == 0)
		return share();
	if (argc == 3 && strcmp(argv[1], "map") == 0)
		return map(argv[2]);
	if (argc == 4 && strcmp(argv[1], "registers") == 0)
		return registers((unsigned int)atoi(argv[2]), (unsigned int)atoi(argv[3]));
	fprintf(stderr, "usage: smoke share | map DOMID | registers SEED ROUNDS\n");
	return 2;
}
