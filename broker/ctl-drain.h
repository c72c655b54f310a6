/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl drain. */
#ifndef XENMSG_BROKER_CTL_DRAIN_H
#define XENMSG_BROKER_CTL_DRAIN_H

/*
 * Both return an exit status; what went wrong is on standard error. @domain: a
 * name, a domid, or "all"; see drain.h.
 */

/* Begins, and waits up to @timeout seconds for the end. What it began stays in any case. */
int ctl_drain(const char *control, const char *domain, unsigned int timeout);
int ctl_undrain(const char *control, const char *domain);

#endif
