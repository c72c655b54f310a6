# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Whatever a guest asks that cannot be, or does that must not be: it gets the
# status, or loses its device, as the protocol says; the log names the reason;
# and others do not notice.
# limit: 900
# quiet-limit: 300
# mallory is a frontend by hand.
XM_KERNEL_GUESTS='alice bob'
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# says TEXT GUEST CMD...: it fails, with that text.
says()
{
	xm_text=$1
	shift
	xm_said=$(guest_out "$@" 2>&1) && { echo "$xm_said"; return 1; }
	echo "$xm_said" | sed 's/^/        /'
	echo "$xm_said" | grep -q "$xm_text"
}

# logged TEXT: the log has grown by a line with it since the last call.
logged()
{
	tail -n +"$((lines + 1))" $BROKER_LOG >/tmp/new-lines
	lines=$(wc -l <$BROKER_LOG)
	grep -q -e "$1" /tmp/new-lines || { cat /tmp/new-lines; return 1; }
}

start_broker bad-input.conf
lines=0
serve bob echo 7 --echo

note 'what cannot be'
check 'an unknown name, from one who may ask' says 'EHOSTUNREACH' alice xenmsg send nobody:7 -m hello
check 'is logged' logged 'name is unknown'
check 'an unknown name, from one who may not' says 'EACCES' mallory xenmsg send nobody:7 -m hello
check 'is logged' logged 'rule="default"'
check 'a port that nobody has bound' says 'ECONNREFUSED' alice xenmsg send bob:8 -m hello
check 'a port that the policy does not allow' says 'EACCES' mallory xenmsg send bob:100 -m hello
check 'is logged' logged 'mallory.*to=bob.*port=100.*'

note 'a read-only page as the destination: the sender fails, mallory keeps its device'
guest_bg mallory posts hostile tx-gref-as-rx
wait_for 10 has_port mallory
check 'the sender gets EFAULT' says 'EFAULT' alice xenmsg send mallory:13 -m \
	'more than thirty-two bytes, so that a page is needed'
guest_wait mallory posts 10
check 'the page comes back as a bad one' test $? = 0
guest_output mallory posts
check 'is logged' logged 'domain=[0-9]'

note 'what must not be: mallory breaks the rules, alice and bob go on'
guest_bg alice ping xenmsg ping -q -i 0.02 bob
for case in $(guest_out mallory hostile list); do
	[ "$case" != tx-gref-as-rx ] || continue
	check "$case" guest mallory hostile "$case" bob 7
	check "$case is logged" logged 'domain=[0-9]'
done
for node in version epoch instance ring-order tx-ring-ref-0 rx-ring-ref-0 event-channel alive-ref \
	state; do
	check "garbage in $node" guest mallory hostile garbage-node $node
	check "garbage in $node is logged" logged 'domain=[0-9]'
done
check 'the broker has lived' broker_runs
guest_kill alice ping INT
guest_wait alice ping 10
check 'alice has not noticed' nothing_lost alice ping
guest_output alice ping
check 'mallory can still behave' guest mallory xenmsg ping -q -c 2 -i 0.1 bob
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
