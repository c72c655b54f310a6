#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Called by libxl for a guest's network interface: put it into the bridge.
case $1 in
online)
	# shellcheck disable=SC2154 # of libxl
	brctl addif benchbr "$vif" && ip link set "$vif" up || exit
	xenstore-write "$XENBUS_PATH/hotplug-status" connected
	;;
esac
exit 0
