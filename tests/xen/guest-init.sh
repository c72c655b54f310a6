#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A guest's init: load the Xen drivers, then wait on the console for a line
# to run.  That line unpacks the payload and becomes the agent (lib.sh), so
# the guest in the snapshot knows nothing of the project.
export PATH=/sbin:/bin HOME=/

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /run /tmp /var/run
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o size=75% tmp /tmp
# shellcheck disable=SC2154 # it is on the kernel's command line
hostname "$guest_name"

while read -r module; do
	insmod "/modules/$module" || echo "insmod $module failed"
done </modules/list
mount -t xenfs xenfs /proc/xen

stty raw -echo
echo "xen-test: guest is waiting"
while read -r line; do
	eval "$line"
done
