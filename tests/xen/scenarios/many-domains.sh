# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# 200 domains with a device each, of which three do something: what the others
# cost the broker when it starts, while it works, and when they go.
# limit: 1500
# quiet-limit: 400
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

HERD=200
PINGS=3000

# cost: ns of processor time that the broker has had.
cost() { cut -d ' ' -f 1 "/proc/$(cat $BROKER_PID)/schedstat"; }

# work TAG: the same in each case; what it has cost the broker, in $xd_cost.
work()
{
	xd_before=$(cost)
	check "$1: $PINGS messages there and back" guest alice xenmsg ping -q -c $PINGS -i 0 bob
	xd_cost=$((($(cost) - xd_before) / 1000))
	echo "        $1: $((xd_cost / PINGS)) us of the broker for each"
}

# has_device DOMID: cheaper than to ask the broker, which would tell of them all.
has_device() { xenstore-exists "backend/vmsg/$1/0/state"; }
# backends: how many there are in xenstore.
backends() { xenstore-ls backend/vmsg 2>/dev/null | grep -c '^[0-9]'; }

start_broker many-domains.conf
serve bob echo 7 --echo
work 'three domains'
alone=$xd_cost

note "$HERD more domains"
dom0_bg herd herd $HERD
wait_for 120 grep -q '^herd: ' "$XT/dom0.herd.out"
dom0_output herd
check 'they are there' grep -q "^herd: $HERD domains" "$XT/dom0.herd.out"
last=$(domid herd-$HERD)
begin=$(now_ms)
check 'the last one gets a device' wait_for 60 has_device "$last"
echo "        $(($(now_ms) - begin)) ms of the machine"
check 'all have one' test "$(counter devices)" = $((HERD + 3))
check 'in xenstore as well' test "$(backends)" = $((HERD + 3))
# New domains are asked after once; that is not what is measured here.
sleep 2
work "beside $HERD idle ones"
echo "        that is $((xd_cost * 1000 / alone - 1000)) in a thousand more"
check 'the idle ones cost less than 1 %' test $((xd_cost * 100)) -lt $((alone * 101))
before=$(cost)
sleep 20
idle=$((($(cost) - before) / 1000))
echo "        20 s in which nobody does anything: $idle us"
check 'less than 0.1 % of a processor when nobody does anything' test $idle -lt 20000

note 'the broker starts with all of them'
stop_broker
is_ready() { [ "$(grep -c 'is ready' $BROKER_LOG)" = 2 ]; }
begin=$(now_ms)
xenmsgd -c /p/scenarios/many-domains.conf >>$BROKER_LOG 2>&1 &
echo $! >$BROKER_PID
check 'it is ready' wait_for 20 is_ready
echo "        after $(($(now_ms) - begin)) ms of the machine, $(($(cost) / 1000000)) of them its own"
check 'it has them all' test "$(counter devices)" = $((HERD + 3))
check 'alice and bob go on' guest alice xenmsg ping -q -c 10 -i 0.01 bob

note 'they go'
dom0_kill herd TERM
check 'destroyed' dom0_wait herd 120
has_no_device() { ! has_device "$1"; }
check 'the last one has no device any more' wait_for 60 has_no_device "$last"
check 'none has one' test "$(counter devices)" = 3
check 'in xenstore as well' test "$(backends)" = 3
check 'alice and bob have not noticed' guest alice xenmsg ping -q -c 10 -i 0.01 bob
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
