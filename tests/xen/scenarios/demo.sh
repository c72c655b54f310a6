# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The main job, for a person to watch: ping, files by copy and by map in both
# directions, a stranger refused, and what it all cost.
# limit: 200
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# transfer FROM TO HOW FILE [OPTION]: a file of several MB, checked at both ends:
# by the receiving `xenmsg`, or the sending one fails; and as it was stored, by
# a program that knows nothing of xenmsg. It is kept there as /tmp/arrived.
transfer()
{
	check "$1 -> $2 by $3: the receiver has verified it" \
		guest "$1" xenmsg send --progress ${5:+"$5"} "$2:9" "$4"
	got=$(guest_out "$2" sh -c '/p/bin/sha256sum received && mv received arrived')
	got=${got%% *}
	echo "        SHA-256 $got in $2"
	check "$1 -> $2 by $3: SHA-256 is the same at both ends" \
		test "64:$sent" = "${#got}:$got"
}

# answers N: so many have come to alice.
answers() { [ "$(grep -c 'seq=' "$XT/alice.ping.out")" -ge "$1" ]; }

note 'dom0 starts the broker; its policy:'
sed -n '/^\[allow/,$s/^/        /p' /p/scenarios/demo.conf
start_broker demo.conf

note 'bob pings alice'
serve alice echo 7 --echo
check 'bob pings alice' guest bob xenmsg ping -c 3 -i 0.2 alice
unserve alice echo

# shellcheck disable=SC2046 # two words: its size and its SHA-256
set -- $(guest_out alice sh -c 'stat -c %s /boot/vmlinuz; /p/bin/sha256sum /boot/vmlinuz')
sent=$2
note "a file of $1 bytes, the guest's kernel:"
echo "        SHA-256 $sent in alice"
serve bob sink 9 -c 100 -o received
transfer alice bob copy /boot/vmlinuz
transfer alice bob map /boot/vmlinuz --map
unserve bob sink

note 'and back, as it has arrived'
serve alice sink 9 -c 100 -o received
transfer bob alice copy arrived
transfer bob alice map arrived --map
unserve alice sink

note 'alice pings bob; meanwhile mallory tries, whom no rule allows'
serve bob echo 7 --echo
guest_bg alice ping xenmsg ping -i 0.1 bob
wait_for 10 answers 1
check_not 'mallory is refused' guest mallory xenmsg send bob:7 -m 'let me in'
check 'the log names the rule' refused mallory default
sed -n '/refused/s/^/        /p' "$BROKER_LOG"
wait_for 10 answers 3
# Now, while both are connected; shown at the end.
xenmsgctl status >/tmp/status || fail 'the broker does not tell what it has counted'
guest_kill alice ping INT
guest_wait alice ping 10
guest_output alice ping | sed -n 's/^/alice  | /;1,3p;/sent/,$p'
check 'alice pings bob' nothing_lost alice ping

note 'what it all was and cost'
cat /tmp/status
