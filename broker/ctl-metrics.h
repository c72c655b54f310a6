/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl metrics. */
#ifndef XENMSG_BROKER_CTL_METRICS_H
#define XENMSG_BROKER_CTL_METRICS_H

/*
 * Write the daemon's metrics to standard output, or if @path is not NULL to that
 * file, which is replaced as a whole, and readable by everybody: the reader is the
 * node exporter. Returns an exit status; what went wrong is on standard error. If
 * the daemon does not answer, the file says that alone.
 */
int ctl_metrics(const char *control, const char *path);

#endif
