# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A process of alice without privileges does to /dev/xenmsg whatever it can: each
# attack gets the errno it should, another process goes on exchanging messages
# with bob, other users find enough of everything, and nothing is left behind.
# And who drives the device: a process or the kernel, in either order.
# limit: 1500
# quiet-limit: 400
XT_VARIANT=kernel
XM_KERNEL_GUESTS='alice bob'
FUZZ_MS=${FUZZ_MS:-1000}
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# left GUEST: what debugfs counts.
left()
{
	guest_out "$1" awk -F': ' '/^(endpoints|closing|unanswered|own-pools|foreign-pools|area-pages|granted-pages|busy-grants|tx-pages-free|rx-pages-held): / { print }' \
		/sys/kernel/debug/xen-vmsgfront/state
}

unanswered() { [ "$(left alice | sed -n 's/^unanswered: //p')" = "$1" ]; }
sunk() { grep -q '^sink 0' "$XT/bob.sink.out"; }

# attack CASE...: while bob has ports that take nothing.
attack()
{
	guest_bg bob sink evil-process sink
	wait_for 10 sunk || fail 'bob has no sink'
	for name in "$@"; do
		check "$name" guest alice evil-process run "$name"
	done
	guest_kill bob sink KILL
	guest_wait bob sink 10
	# What was sent there is refused now.
	wait_for 10 quiet || fail "messages of ${*} stay unanswered"
}

# But for the ping of alice.
quiet() { unanswered 0 || unanswered 1; }

start_broker kernel.conf
for guest in alice bob; do
	guest $guest mount -t debugfs debugfs /sys/kernel/debug
	guest $guest xenmsg peers >/dev/null
done
serve bob echo 7 --echo
left alice >/tmp/before
guest_bg alice ping xenmsg ping -s 9000 -i 0.02 bob

note 'values, memory, threads'
cases=$(guest_out alice evil-process list)
# shellcheck disable=SC2046 # words
attack $(echo "$cases" | grep -v ^hog-)
note 'everything of everything'
for name in $(echo "$cases" | grep ^hog-); do
	attack "$name"
done
note "random calls for $FUZZ_MS ms"
guest_bg bob traffic traffic --count 100 alice
guest_bg alice traffic traffic --count 100 bob
check 'random calls' guest alice evil-process fuzz "$FUZZ_MS"
for guest in alice bob; do
	guest_wait $guest traffic 120
	check "$guest got everything right beside them" test $? = 0
	guest_output $guest traffic | tail -n 1
done

guest_kill alice ping INT
guest_wait alice ping 10
check 'alice has not noticed' nothing_lost alice ping
guest_output alice ping | grep -v time=
as_before()
{
	left alice >/tmp/after
	cmp -s /tmp/before /tmp/after
}
check 'nothing is left behind' wait_for 10 as_before
diff /tmp/before /tmp/after

note 'the device of mallory is driven by a process'
serve mallory echo 7 --echo
load_driver mallory
said() { guest_out mallory dmesg | grep -c 'vmsg.*in use by'; }
check 'the driver says that it is in use' test "$(said)" = 1
for _ in 1 2 3; do
	guest_out mallory xenmsg ping -c 1 bob >/tmp/busy 2>&1
	check 'others are told so' grep -q "another process .* uses the device" /tmp/busy
done
cat /tmp/busy
check 'once' test "$(said)" = 1
check 'the process goes on' guest alice xenmsg ping -q -c 1 mallory
unserve mallory echo
check 'when it has ended the driver takes the device' guest mallory xenmsg ping -q -c 1 bob
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
