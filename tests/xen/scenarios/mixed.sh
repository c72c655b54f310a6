# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A fixed mix of messages (tests/mix.h) between a PV and a PVH guest and between
# two PV guests, in both directions at once, over two ports, by copy and by map:
# 20,000 a direction, every byte verified, none lost, doubled or out of order.
# limit: 900
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

start_broker mixed.conf
for pair in 'alice bob' 'alice mallory'; do
	for mode in copy map; do
		# shellcheck disable=SC2086 # two words
		traffic_between $pair --mode $mode --count "${COUNT:-10000}"
	done
done
xenmsgctl status
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
