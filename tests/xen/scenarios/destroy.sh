# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# `xl destroy` of the receiver and of the sender in the middle of a transfer, by
# copy and by map: the other side hears of it, nothing of the dead domain stays,
# and the broker goes on.
# limit: 900
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

delivered() { [ "$(counter delivered-bytes)" -ge "$1" ]; }
no_nodes() { ! xenstore-exists "/local/domain/0/backend/vmsg/$1"; }

# An endless transfer from alice to bob, until it is well under way.
start_transfer()
{
	start=$(counter delivered-bytes)
	serve bob sink 9 -o /dev/null
	# shellcheck disable=SC2016 # the guest's to expand
	guest_bg alice source sh -c \
		'while cat /boot/vmlinuz; do :; done | xenmsg send "$@"' sh "$@" bob:9 -
	wait_for 30 delivered $((start + (4 << 20))) || fail 'the transfer does not start'
}

# aftermath VICTIM DOMID SURVIVOR: nothing of it stays, the others go on.
aftermath()
{
	check "$1 leaves no zombie" wait_for 1 assert_no_zombies
	check "$1 leaves no nodes" wait_for 2 no_nodes "$2"
	check 'the broker goes on' broker_runs
	serve "$3" echo 7 --echo
	check "mallory reaches $3" guest mallory xenmsg ping -q -c 3 -i 0.1 "$3"
	unserve "$3" echo
	check "$1 is created anew" create_guest "$1"
}

# The process that owns the device dies, the domain lives; nobody takes its place.
process_dies()
{
	start_transfer
	guest bob killall -9 xenmsg
	guest_wait alice source 20
	check 'the sender fails' test $? = 1
	guest_output alice source | tail -n 1
	if has_kernel_driver bob; then
		check 'because nobody is bound any more' grep -q ECONNREFUSED \
			"$XT/alice.source.out"
	else
		check 'because the peer died' grep -q 'the peer went down' \
			"$XT/alice.source.out"
		check 'the log says it' grep -q 'bob: the frontend has died' $BROKER_LOG
	fi
	guest_wait bob sink 10
	serve bob echo 7 --echo
	check 'another process of bob takes over' guest mallory xenmsg ping -q -c 3 -i 0.1 bob
	unserve bob echo
}

start_broker mixed.conf
note "the receiver's process dies"
process_dies
for option in '' --map; do
	note "the receiver dies ${option:-(copy)}"
	start_transfer $option
	id=$(domid bob)
	destroy_guest bob
	guest_wait alice source 20
	check 'the sender fails' test $? = 1
	guest_output alice source | tail -n 1
	check 'because the peer died' grep -q 'the peer went down' "$XT/alice.source.out"
	aftermath bob "$id" alice

	note "the sender dies ${option:-(copy)}"
	start_transfer $option
	id=$(domid alice)
	destroy_guest alice
	guest_wait bob sink 20
	check 'the receiver fails' test $? = 1
	guest_output bob sink | tail -n 1
	check 'because the peer died' grep -q 'the peer went down' "$XT/bob.sink.out"
	aftermath alice "$id" bob
done
note 'again, with the reborn'
traffic_between alice bob --count 500
check 'no kernel has complained' dmesg_clean
