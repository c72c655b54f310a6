# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The environment of every program that comes with the payload.
export PATH=/p/bin:/p/xt:/usr/sbin:/sbin:/bin
export LD_LIBRARY_PATH=/p/lib
# libxenstore starts a thread with a small stack on the first watch; resolving
# symbols lazily in it can overflow that stack.
export LD_BIND_NOW=1
export HOME=/ LC_ALL=C
# Programs at the same addresses each time: QEMU keeps translated code by address,
# and would have to translate every process anew.
echo 0 >/proc/sys/kernel/randomize_va_space
# A program that crashes leaves its core in /tmp/core.NAME.PID.
# shellcheck disable=SC3045 # busybox sh has it
ulimit -c unlimited
echo /tmp/core.%e.%p >/proc/sys/kernel/core_pattern
