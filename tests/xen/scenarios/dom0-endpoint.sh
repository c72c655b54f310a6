# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Programs of dom0 are endpoints as well, by the same command and library: 10,000
# requests and answers in either direction, traffic in both modes, names, death.
# limit: 900
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# dom0_listens TAG ARG...: as serve(), in dom0.
dom0_listens()
{
	xd_tag=$1
	shift
	dom0_bg "$xd_tag" xenmsg listen -q "$@"
	wait_for 10 listens dom0 "$xd_tag" || fail 'dom0 does not listen'
}

start_broker mixed.conf
note 'an agent of dom0 asks guests'
serve alice echo 7 --echo
check '10,000 calls to alice (PV)' xenmsg ping -q -c 10000 -i 0 alice
serve bob echo 7 --echo
check '1,000 calls to bob (PVH)' xenmsg ping -q -c 1000 -i 0 bob
unserve alice echo
unserve bob echo

note 'guests ask a service of dom0'
dom0_listens agent --service agent --echo 9
check '10,000 calls from alice' guest alice xenmsg ping -q -c 10000 -i 0 agent@Domain-0
check '1,000 calls from bob' guest bob xenmsg ping -q -c 1000 -i 0 agent@Domain-0
check 'and another program of dom0' xenmsg ping -q -c 1000 -i 0 agent@Domain-0
check_not 'the service has one owner' xenmsg listen -q --service agent 9

note 'the agent is killed'
guest_bg alice ping xenmsg ping -i 0.01 agent@Domain-0
wait_for 10 grep -q 'seq=5 ' "$XT/alice.ping.out"
dom0_kill agent KILL
check_not 'alice hears of it' guest_wait alice ping 10
guest_output alice ping | tail -n 1
check 'the device of the dead is gone' grep -q 'Domain-0\[.* is gone' $BROKER_LOG

for mode in copy map; do
	note "traffic between dom0 and guests: $mode"
	for guest in alice bob; do
		guest_bg $guest traffic traffic --mode $mode --count 3000 Domain-0
		check "dom0 <-> $guest, $mode: dom0 got everything right" \
			traffic --mode $mode --count 3000 $guest
		guest_wait $guest traffic 60
		check "dom0 <-> $guest, $mode: $guest got everything right" test $? = 0
		guest_output $guest traffic | tail -n 1
	done
done
note 'a restart of the broker in the middle'
dom0_listens agent --service agent --echo 9
guest_bg alice ping xenmsg ping -i 0.01 -W 30 agent@Domain-0
wait_for 10 grep -q 'seq=5 ' "$XT/alice.ping.out"
kill -KILL "$(cat $BROKER_PID)"
wait_for 5 broker_ended
start_broker mixed.conf
sleep 1
guest_kill alice ping INT
guest_wait alice ping 10
check 'not one was lost' nothing_lost alice ping
guest_output alice ping | tail -n 2
xenmsgctl status
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
