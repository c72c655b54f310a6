# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# 32 processes of a PV guest talk to 32 of a PVH guest, through the kernel's
# driver: one that is stopped costs the others nothing, and those that are
# killed leave nothing behind.
# limit: 3600
# quiet-limit: 900
XT_VARIANT=kernel
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# swarms TAG OPTION-FOR-BOB... -- OPTION...: in both guests, until they end.
swarms()
{
	xm_tag=$1
	shift
	xm_bob=
	while [ "$1" != -- ]; do
		xm_bob="$xm_bob $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # words
	guest_bg bob "$xm_tag" swarm "$@" $xm_bob alice
	guest_bg alice "$xm_tag" swarm "$@" bob
	# A busy minute of the machine can be many on the host, which waits for signs of life.
	while guest_running alice "$xm_tag"; do
		sleep 10
		echo "        $xm_tag: $(date +%T)"
	done
	for xm_guest in alice bob; do
		guest_wait $xm_guest "$xm_tag" 600
		check "$xm_guest, $xm_tag: all that came was right" test $? = 0
		guest_output $xm_guest "$xm_tag" | grep -v ' process .* received$'
	done
}

# received TAG: by all but process 7, in both guests.
received()
{
	cat "$XT/alice.$1.out" "$XT/bob.$1.out" |
		awk '/swarm: process .* received$/ && $3 != "7:" { sum += $4 } END { print sum + 0 }'
}

# left GUEST: what debugfs counts.
left()
{
	guest_out "$1" awk -F': ' '/^(endpoints|closing|unanswered|own-pools|foreign-pools|area-pages|granted-pages|busy-grants|tx-pages-free|rx-pages-held): / { print }' \
		/sys/kernel/debug/xen-vmsgfront/state
}

start_broker kernel.conf
for guest in alice bob; do
	guest $guest mount -t debugfs debugfs /sys/kernel/debug
	# Once, so that the engine is there.
	guest $guest xenmsg peers >/dev/null
	left $guest >/tmp/before.$guest
done

note '32 and 32'
swarms together -- --seconds 4
note 'the same, and one of bob is stopped'
swarms stopped --stop 7 -- --seconds 4
together=$(received together)
stopped=$(received stopped)
echo "        the other 62: $together messages together, $stopped beside a stopped one"
check 'the others keep at least 0.95' test $((stopped * 100)) -ge $((together * 95))
check 'and there were some' test "$together" -gt 1000

note 'for a minute, one of each guest is killed 4 times a second; mallory and alice notice nothing'
serve alice bystander 7 --echo
guest_bg mallory ping xenmsg ping -i 0.5 alice:7
swarms killed -- --kill --seconds 60 --pause 250 --rate 4
guest_kill mallory ping INT
guest_wait mallory ping 10
check 'not one of their messages was lost' nothing_lost mallory ping
guest_output mallory ping | tail -n 2
unserve alice bystander
for guest in alice bob; do
	sleep 1
	left $guest >/tmp/after.$guest
	check "nothing is left behind in $guest" cmp /tmp/before.$guest /tmp/after.$guest
	cat /tmp/after.$guest
done
check 'no kernel has complained' dmesg_clean
