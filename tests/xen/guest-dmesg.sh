#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run in a guest by dmesg_clean: what its kernel has said, and what the checks
# of KERNEL=debug say only when they are asked.
dmesg

# After its first report lockdep is off, or it may never have been on.
if [ -e /proc/lockdep_stats ]; then
	awk '$1 == "debug_locks:" && $2 != 1 { print "WARNING: lockdep is off" }' /proc/lockdep_stats
fi

# An object is a leak if nothing has pointed to it in two scans, and if it was
# there for five seconds.
leaks=/sys/kernel/debug/kmemleak
[ -e $leaks ] || mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
if [ -e $leaks ]; then
	sleep 6
	for _ in 1 2; do
		echo scan >$leaks || echo 'WARNING: kmemleak is off'
	done
	cat $leaks
fi
