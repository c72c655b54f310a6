# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The same with oxenstored: devices come, connect, are saved and go, brokers and
# guests die, many domains get their nodes within its quotas.
# limit: 1500
# quiet-limit: 400
# xenstored: oxenstored
XT_VARIANT=half # alice
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

HERD=200

# shellcheck disable=SC2009 # pgrep does not show it
check 'oxenstored runs' sh -c 'ps -o args | grep -q "^oxenstored"'
start_broker many-domains.conf
for mode in copy map; do
	traffic_between alice bob --mode $mode --count 300
done
serve bob echo 7 --echo
guest_bg alice ping xenmsg ping -i 0.02 -W 30 bob

note 'the broker dies in the middle, and is restarted'
for _ in 1 2 3; do
	wait_for 10 broker_answers
	kill -KILL "$(cat $BROKER_PID)"
	wait_for 5 broker_ended
	start_broker many-domains.conf
done
stop_broker
start_broker many-domains.conf

note "$HERD more domains"
dom0_bg herd herd $HERD
wait_for 120 grep -q '^herd: ' "$XT/dom0.herd.out"
dom0_output herd
last=$(domid herd-$HERD)
has_device() { xenstore-exists "backend/vmsg/$last/0/state"; }
has_no_device() { ! has_device; }
check 'the last one gets a device' wait_for 120 has_device
check 'all have one' test "$(counter devices)" = $((HERD + 3))
dom0_kill herd TERM
check 'destroyed' dom0_wait herd 120
check 'the last one has no device any more' wait_for 120 has_no_device
check 'the others have theirs' test "$(counter devices)" = 3

guest_kill alice ping INT
guest_wait alice ping 10
check 'alice has lost nothing meanwhile' nothing_lost alice ping
guest_output alice ping | tail -n 2

note 'bob is destroyed, and comes back'
guest_bg alice ping xenmsg ping -i 0.1 bob
wait_for 10 grep -q 'seq=3' "$XT/alice.ping.out"
destroy_guest bob
check_not 'alice hears of it' guest_wait alice ping 10
guest_output alice ping | tail -n 1
check 'bob boots' create_guest bob
serve bob echo 7 --echo
check 'they talk' guest alice xenmsg ping -q -c 10 -i 0.01 bob
check 'no zombies' wait_for 10 assert_no_zombies
check 'no kernel has complained' dmesg_clean
