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

while read -r module; do
	insmod "/modules/$module" || echo "insmod $module failed"
done </modules/list
mount -t xenfs xenfs /proc/xen

# The agent must outlive whatever eats the guest's memory.
echo -1000 >/proc/self/oom_score_adj
stty raw -echo
echo "xen-test: guest is waiting"
while read -r line; do
	eval "$line"
done
