// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Many domains in which nothing runs, as dom0 sees domains: in Xen's list and in
 * xenstore, with the one page there that xenstored needs.
 *
 *	herd COUNT [PREFIX]	makes PREFIX-1 (herd-1) and so on, says "herd: COUNT
 *				domains in N ms", waits for its end of input or
 *				SIGTERM, destroys them, and says "herd: destroyed"
 *
 * To make a domain with xl costs ten times as much here, and 50 MB of memory.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenforeignmemory.h>
#include <xenstore.h>

#define HERD_MAX   500
#define MEMORY_KIB 1024 /* what Xen may give it, for its tables, too */

struct herd {
	xc_interface *xc;
	xenforeignmemory_handle *memory;
	struct xs_handle *xs;
	uint32_t domids[HERD_MAX];
	unsigned int nr;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	ended = number;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What grants xenstored the page, as the toolstack does. */
static int grant_store(struct herd *h, uint32_t domid, xen_pfn_t mfn)
{
	xenforeignmemory_resource_handle *resource;
	grant_entry_v1_t *table = NULL;

	resource = xenforeignmemory_map_resource(h->memory, (domid_t)domid,
						 XENMEM_resource_grant_table,
						 XENMEM_resource_grant_table_id_shared, 0, 1,
						 (void **)&table, PROT_READ | PROT_WRITE, 0);
	if (!resource)
		return -1;
	table[GNTTAB_RESERVED_XENSTORE].domid = 0;
	table[GNTTAB_RESERVED_XENSTORE].frame = (uint32_t)mfn;
	table[GNTTAB_RESERVED_XENSTORE].flags = GTF_permit_access;
	return xenforeignmemory_unmap_resource(h->memory, resource);
}

/* The nodes that every domain has, and who may read them. */
static bool write_nodes(struct herd *h, uint32_t domid, const char *name)
{
	struct xs_permissions own[] = { { 0, XS_PERM_NONE }, { domid, XS_PERM_READ } };
	char path[64], text[16];
	bool good;

	(void)snprintf(path, sizeof(path), "/local/domain/%u", domid);
	good = xs_mkdir(h->xs, XBT_NULL, path) && xs_set_permissions(h->xs, XBT_NULL, path, own, 2);
	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	good = good && xs_write(h->xs, XBT_NULL, path, name, (unsigned int)strlen(name));
	(void)snprintf(path, sizeof(path), "/local/domain/%u/domid", domid);
	(void)snprintf(text, sizeof(text), "%u", domid);
	return good && xs_write(h->xs, XBT_NULL, path, text, (unsigned int)strlen(text));
}

/* NULL, or what failed. */
static const char *make(struct herd *h, const char *name)
{
	struct xen_domctl_createdomain config = {
		.ssidref = 0,
		.max_vcpus = 1,
		.max_evtchn_port = 63,
		.max_grant_frames = 1,
		.max_maptrack_frames = 1,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
	};
	uint32_t domid = 0;
	xen_pfn_t page = 0;
	int port;

	for (size_t i = 0; i < sizeof(config.handle); i++)
		config.handle[i] = (uint8_t)rand();
	if (xc_domain_create(h->xc, &domid, &config))
		return "xc_domain_create";
	h->domids[h->nr++] = domid;
	if (xc_domain_setmaxmem(h->xc, domid, MEMORY_KIB))
		return "xc_domain_setmaxmem";
	if (xc_domain_populate_physmap_exact(h->xc, domid, 1, 0, 0, &page))
		return "xc_domain_populate_physmap_exact";
	if (grant_store(h, domid, page))
		return "the grant table";
	port = xc_evtchn_alloc_unbound(h->xc, domid, 0);
	if (port < 0)
		return "xc_evtchn_alloc_unbound";
	if (!write_nodes(h, domid, name))
		return "writing to xenstore";
	if (!xs_introduce_domain(h->xs, domid, page, (unsigned int)port))
		return "xs_introduce_domain";
	return NULL;
}

static void destroy(struct herd *h)
{
	char path[64];

	while (h->nr) {
		uint32_t domid = h->domids[--h->nr];

		xc_domain_destroy(h->xc, domid);
		xs_release_domain(h->xs, domid);
		(void)snprintf(path, sizeof(path), "/local/domain/%u", domid);
		xs_rm(h->xs, XBT_NULL, path);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	const char *prefix = argc > 2 ? argv[2] : "herd", *failed = NULL;
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	static struct herd h;
	int64_t begun = now_ms();
	char name[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || argc > 3 || !count || count > HERD_MAX) {
		fprintf(stderr, "usage: herd COUNT [PREFIX]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	h.xc = xc_interface_open(NULL, NULL, 0);
	h.memory = xenforeignmemory_open(NULL, 0);
	h.xs = xs_open(0);
	if (!h.xc || !h.memory || !h.xs) {
		perror("herd: Xen");
		return 1;
	}
	while (!failed && h.nr < count && !ended) {
		(void)snprintf(name, sizeof(name), "%s-%u", prefix, h.nr + 1);
		failed = make(&h, name);
	}
	if (failed)
		printf("herd: FAILED: %s: %s: %s\n", name, failed, strerror(errno));
	else
		printf("herd: %u domains in %" PRId64 " ms\n", h.nr, now_ms() - begun);
	while (!failed && !ended)
		pause();
	destroy(&h);
	printf("herd: destroyed\n");
	return failed != NULL;
}
