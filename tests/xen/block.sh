#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# libxl's hotplug script for block devices, for whole disks of dom0 alone:
# tells blkback which device it is.  The stock script needs bash, udev and
# losetup.
path=$XENBUS_PATH
case $1 in
add)
	disk=$(xenstore-read "$path/params")
	numbers=$(stat -L -c '%t:%T' "$disk")
	xenstore-write "$path/physical-device" "$numbers" \
		"$path/hotplug-status" connected
	;;
remove)
	xenstore-rm "$path" 2>/dev/null
	;;
esac
exit 0
