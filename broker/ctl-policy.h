/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl policy check, policy explain and reload. */
#ifndef XENMSG_BROKER_CTL_POLICY_H
#define XENMSG_BROKER_CTL_POLICY_H

/* All return an exit status; what went wrong is on standard error. */

/* @path: a main file, or the folder of an xenmsgd.conf. No daemon is asked. */
int ctl_policy_check(const char *path);
/* By the configuration at @path, as above, or if that is NULL by the daemon at @control. */
int ctl_policy_explain(const char *control, const char *from, const char *to, const char *port,
		       const char *path);
int ctl_reload(const char *control);

#endif
