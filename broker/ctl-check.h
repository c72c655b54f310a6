/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xenmsgctl check-store. */
#ifndef XENMSG_BROKER_CTL_CHECK_H
#define XENMSG_BROKER_CTL_CHECK_H

/*
 * A line on standard output for each problem of xenstore's vmsg nodes, see
 * store-check.h. EXIT_SUCCESS if there is none; what kept it from looking is on
 * standard error.
 */
int ctl_check_store(void);

#endif
