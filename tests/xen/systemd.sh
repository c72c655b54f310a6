#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What dom0's PID 1 does in scenarios with `# root: debian`: it becomes systemd,
# in a tree of its own where the project is installed and enabled, and boots it.
#
# That tree is mounted over the one that Xen was started from. What runs in the
# old one goes on there, the scenario too, which finds the new one at $XT_ROOT.
# They have /run in common, and with it xenstored's socket.
# shellcheck disable=SC1091
. /p/xt/env.sh

mkdir /new
mount -t tmpfs -o size=90% tmp /new
dd if=/dev/vda bs=64k skip=$((XT_BLOCKS + XT_DOM0_BLOCKS)) count="$XT_ROOT_BLOCKS" 2>/dev/null |
	tar -xf - -C /new
# What a package would bring, and what its maintainer scripts would do.
cp -a /p/root/. /new/
mkdir -p /new/etc/xenmsg
cp "/p/scenarios/${2%%+*}.conf" /new/etc/xenmsg/xenmsgd.conf
unset LD_LIBRARY_PATH LD_BIND_NOW
chroot /new ldconfig
chroot /new systemd-sysusers
chroot /new systemctl --quiet enable xenmsgd.service
# Nobody logs in, and there is nothing to mount.
chroot /new systemctl --quiet mask getty.target systemd-logind.service
: >/new/etc/fstab
mount --bind /run /new/run

export XT_ROOT=/proc/1/root
(
	until [ -d $XT_ROOT/run/systemd/system ]; do sleep 0.1; done
	exec sh /p/xt/dom0-run.sh "$@"
) &
cd /new || exit
mount --move . /
# shellcheck disable=SC2093 # it does not come back
exec env -i PATH=/usr/sbin:/usr/bin chroot . /sbin/init </dev/null >/dev/console 2>&1
