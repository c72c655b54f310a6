# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The driver is unloaded and loaded, and its device unplugged and plugged in
# again, while another guest keeps sending.
# limit: 2400
# quiet-limit: 900
# shellcheck source=tests/xen/xenmsg.sh
XT_VARIANT=half # alice
. /p/xt/xenmsg.sh

ROUNDS=50

# bob_sends SECONDS: every so often. Each message is a life of bob's device, which
# is most of the work here.
bob_sends()
{
	guest_bg bob sender sh -c "while :; do xenmsg send alice:9 -m hello; sleep $1; done >/dev/null 2>&1"
}
bob_stops()
{
	guest_kill bob sender KILL
	guest bob killall -q xenmsg
}
progress() { [ $(($1 % 10)) -ne 0 ] || note "$1 of $ROUNDS"; }

in_the_list() { guest_out alice ls /sys/bus/xen/devices | grep -q vmsg-0; }
not_in_the_list() { ! in_the_list; }

start_broker kernel.conf
note "bob sends all the time; alice's driver is reloaded $ROUNDS times"
bob_sends 0.1
failed=0
for round in $(seq $ROUNDS); do
	guest_bg alice sink xenmsg listen -q 9 -c 1
	guest_wait alice sink 20 || failed=$((failed + 1))
	unload_driver alice || failed=$((failed + 1))
	load_driver alice || failed=$((failed + 1))
	progress "$round"
done
bob_stops
check "something came through each time" test $failed = 0
check 'alice has had as many addresses' test \
	"$(grep -c 'alice(.*is connected' $BROKER_LOG)" -gt $ROUNDS

note "the device goes, and comes back, $ROUNDS times; a process of alice stays"
guest_bg alice stays xenmsg listen -q 10 --echo
wait_for 10 has_port alice
bob_sends 1
failed=0
for round in $(seq $ROUNDS); do
	stop_broker
	start_broker no-alice.conf
	wait_for 10 not_in_the_list || failed=$((failed + 1))
	stop_broker
	start_broker kernel.conf
	wait_for 10 in_the_list || failed=$((failed + 1))
	wait_for 10 has_port alice || failed=$((failed + 1))
	progress "$round"
done
bob_stops
check 'it has gone and come each time, with the port' test $failed = 0
check 'the process still answers' guest bob xenmsg ping -q -c 3 -i 0.1 alice:10
unserve alice stays
check 'unloaded in the end' unload_driver alice
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
