# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The main job, for a person to watch: ping, files by copy and by map in both
# directions, a stranger refused, and what it all cost.
# limit: 200
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

ping_from()
{
	serve "$2" echo 7 --echo
	check "$1 pings $2" guest "$1" xenmsg ping -c 3 -i 0.2 "$2"
	unserve "$2" echo
}

# transfer FROM TO HOW [OPTION]: a file of several MB, checked at both ends.
transfer()
{
	serve "$2" sink 9 -o /tmp/received
	check "$1 -> $2 by $3: the receiver has verified it" \
		guest "$1" xenmsg send --progress ${4:+"$4"} "$2:9" /boot/vmlinuz
	guest_wait "$2" sink 30
	got=$(guest_out "$2" sha256sum /tmp/received | cut -c1-64)
	echo "        SHA-256 $got in $2"
	check "$1 -> $2 by $3: SHA-256 is the same at both ends" \
		test "64:$sent" = "${#got}:$got"
	guest "$2" rm -f /tmp/received
}

note 'dom0 starts the broker; its policy:'
sed -n '/^\[allow/,$s/^/        /p' /p/scenarios/demo.conf
start_broker demo.conf

note 'ping, both ways'
ping_from alice bob
ping_from bob alice

sent=$(guest_out alice sha256sum /boot/vmlinuz | cut -c1-64)
note "a file of $(guest_out alice stat -c %s /boot/vmlinuz) bytes, the guest's kernel:"
echo "        SHA-256 $sent"
transfer alice bob copy
transfer alice bob map --map
transfer bob alice copy
transfer bob alice map --map

note 'mallory tries, whom no rule allows'
serve bob sink 9
check_not 'mallory is refused' guest mallory xenmsg send bob:9 -m 'let me in'
check_not 'and cannot even learn who is there' guest mallory xenmsg send nobody:9 -m hello
check 'the log names the rule' refused mallory default
grep refused "$BROKER_LOG" | sed 's/^/        /'

note 'what it all was and cost'
xenmsgctl status
unserve bob sink
