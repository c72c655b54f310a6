# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A fixed mix of messages (tests/mix.h) between a PV and a PVH guest and between
# two PV guests, in both directions at once, over two ports, by copy and by map:
# 20,000 a direction, every byte verified, none lost, doubled or out of order.
# limit: 900
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# Pages that were shared are the owner's again when it hears that they are.
no_busy_grants()
{
	guest "$1" sh -c 'mount -t debugfs debugfs /sys/kernel/debug &&
		grep -qx "busy-grants: 0" /sys/kernel/debug/xen-vmsgfront/state'
}

start_broker mixed.conf
for pair in 'alice bob' 'alice mallory'; do
	for mode in copy map; do
		# shellcheck disable=SC2086 # two words
		traffic_between $pair --mode $mode --count "${COUNT:-10000}"
	done
done
xenmsgctl status
if [ "$XT_VARIANT" = kernel ]; then
	for guest in alice bob mallory; do
		check "nobody has a page of $guest's mapped" no_busy_grants $guest
	done
fi
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
