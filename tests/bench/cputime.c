// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long each domain has had a processor: lines of its number and nanoseconds,
 * which the machine's clock makes instructions. For dom0.
 */
#include <inttypes.h>
#include <stdio.h>

#include <xenctrl.h>

#define DOMAINS 64

int main(void)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	static xc_dominfo_t info[DOMAINS];
	int nr = xc ? xc_domain_getinfo(xc, 0, DOMAINS, info) : -1;

	if (nr < 0) {
		perror("cputime");
		return 1;
	}
	for (int i = 0; i < nr; i++)
		printf("%u %" PRIu64 "\n", info[i].domid, info[i].cpu_time);
	xc_interface_close(xc);
	return 0;
}
