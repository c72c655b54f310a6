// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The part of libxenctrl that lists domains (4.17's interface), for programs
 * in domain 0.
 */
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "internal.h"

struct xc_interface_core {
	struct handle h;
};

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger,
				unsigned int open_flags)
{
	struct sim_process *process = sim_call_open(SIM_CALL_XC_OPEN);
	xc_interface *xch;

	(void)logger;
	(void)dombuild_logger;
	(void)open_flags;
	if (!process)
		return NULL;
	xch = sim_alloc(1, sizeof(*xch));
	sim_handle_init(&xch->h, process, HANDLE_XC);
	if (!sim_call_end(process)) {
		xc_interface_close(xch);
		return NULL;
	}
	return xch;
}

int xc_interface_close(xc_interface *xch)
{
	if (xch) {
		sim_handle_fini(&xch->h);
		free(xch);
	}
	return 0;
}

static void fill(const struct domain *dom, xc_dominfo_t *info)
{
	memset(info, 0, sizeof(*info));
	info->domid = dom->id;
	info->dying = dom->state == SIM_DOMAIN_DYING;
	/* A crashed domain is not "shutdown": the library makes a difference. */
	info->shutdown_reason = dom->shutdown_reason;
	info->crashed = dom->shut_down && dom->shutdown_reason == SHUTDOWN_crash;
	info->shutdown = dom->shut_down && !info->crashed;
	info->paused = dom->paused || info->dying;
	info->blocked = dom->state == SIM_DOMAIN_RUNNING && !dom->paused;
	info->hvm = dom->type != SIM_PV;
	info->hap = info->hvm;
	info->nr_online_vcpus = 1;
	info->nr_pages = SIM_DOMAIN_PAGES;
	memcpy(info->handle, dom->uuid, sizeof(info->handle));
}

/* Domains from @first on, dying ones too: how many, or -1 if there is none. */
int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int max, xc_dominfo_t *info)
{
	struct domain *dom;
	unsigned int n = 0;

	if (!sim_call_begin(xch->h.process, SIM_CALL_XC_GETINFO))
		return -1;
	if (xch->h.process->domid) {
		errno = EPERM;
	} else {
		list_for_each(dom, &sim_world->domains, link)
			if (dom->id >= first && n < max)
				fill(dom, &info[n++]);
		if (!n)
			errno = ESRCH;
	}
	return sim_call_end(xch->h.process) && n ? (int)n : -1;
}

/* As above, but finding none is no error. */
int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int max,
			  xc_domaininfo_t *info)
{
	xc_dominfo_t one;
	struct domain *dom;
	int n = 0;

	if (!sim_call_begin(xch->h.process, SIM_CALL_XC_GETINFO))
		return -1;
	if (xch->h.process->domid) {
		errno = EPERM;
		n = -1;
	} else {
		list_for_each(dom, &sim_world->domains, link) {
			if (dom->id < first || (unsigned int)n >= max)
				continue;
			fill(dom, &one);
			memset(&info[n], 0, sizeof(info[n]));
			info[n].domain = dom->id;
			info[n].flags = (one.dying ? XEN_DOMINF_dying : 0) |
					(dom->shut_down ? XEN_DOMINF_shutdown : 0) |
					(one.paused ? XEN_DOMINF_paused : 0) |
					(one.blocked ? XEN_DOMINF_blocked : 0) |
					(one.hvm ? XEN_DOMINF_hvm_guest : 0) |
					one.shutdown_reason << XEN_DOMINF_shutdownshift;
			info[n].nr_online_vcpus = 1;
			info[n].tot_pages = one.nr_pages;
			memcpy(info[n].handle, one.handle, sizeof(one.handle));
			n++;
		}
	}
	return sim_call_end(xch->h.process) ? n : -1;
}
