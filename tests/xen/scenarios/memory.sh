# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# While 512 MiB flow, the broker's memory does not grow: payload stays with the
# guests.
# limit: 900
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(cat $BROKER_PID)/status"; }
delivered() { [ "$(counter delivered-messages)" -ge "$1" ]; }

start_broker mixed.conf
for mode in copy map; do
	before=$(counter delivered-bytes)
	start=$(counter delivered-messages)
	guest_bg bob traffic traffic --mode $mode --count 10000 alice
	guest_bg alice traffic traffic --mode $mode --count 10000 bob
	# Pools are mapped and the first messages of all lengths were there.
	wait_for 60 delivered $((start + 2000)) || fail 'nothing flows'
	first=$(rss)
	most=$first
	while guest_running alice traffic || guest_running bob traffic; do
		now=$(rss)
		[ "$now" -le "$most" ] || most=$now
		sleep 0.2
	done
	for name in alice bob; do
		guest_wait $name traffic 1
		check "$name got everything right" test $? = 0
	done
	bytes=$(($(counter delivered-bytes) - before))
	echo "        $mode: $((bytes >> 20)) MiB delivered; resident: $first KiB, later at most $most KiB"
	check "$mode: 512 MiB have flowed" test $bytes -ge $((512 << 20))
	check "$mode: the broker has grown by at most 1 MiB" test $((most - first)) -le 1024
done
check 'no kernel has complained' dmesg_clean
