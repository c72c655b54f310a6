# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Nine honest senders and one that floods send to one receiver: each gets its
# share, by its weight, and waits no longer for it; a receiver that takes nothing
# costs nobody but who sends there.
# limit: 2400
# quiet-limit: 400
XT_VARIANT=kernel
XM_KERNEL_GUESTS='alice bob'
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

CONF=/tmp/xenmsgd.conf
# In PV guests, as alice is one; mallory floods, bob receives.
MORE='h2 h3 h4 h5 h6 h7 h8 h9'
HONEST="alice $MORE"

# from NAME FIELD: 1 (messages) or 2 (bytes) that bob had from it.
from() { sed -n "s/^share: from $1: \([0-9]*\) messages, \([0-9]*\) bytes/\\$2/p" "$XT/bob.sink.out"; }
total() { awk '/^share: from/ { n += $6 } END { print n + 0 }' "$XT/bob.sink.out"; }

# sink OPTION...: bob receives.
sink()
{
	guest_bg bob sink share receive "$@"
	wait_for 10 guest_sinks
}
guest_sinks() { [ "$(port_count bob)" -gt "${served:-0}" ]; }
# send NAME OPTION...: to bob, until it is ended.
send()
{
	xf_name=$1
	shift
	guest_bg "$xf_name" send share send --seconds 300 "$@" bob
}
# all_end: bob first; then the others have nobody to send to.
all_end()
{
	guest_wait bob sink 120
	for name in $HONEST mallory; do
		[ -e "$XT/$name.send.out" ] || continue
		guest_kill "$name" send KILL
		guest_wait "$name" send 20
		rm "$XT/$name.send.out"
	done
	sed -n 's/^share: from/        from/p' "$XT/bob.sink.out"
}

for name in $MORE; do
	sed "s/alice/$name/g; s/^\(maxmem\|memory\) = .*/\1 = 128/" /guests/alice.cfg >/guests/"$name".cfg
	create_guest "$name" || exit
done
note 'there are nine senders and one more'
cp /p/scenarios/mixed.conf $CONF
start_broker $CONF

# busy SOURCES: all honest ones send as much as they can, and bob takes 400 KB/s. $mean: us
# that alice's messages waited in the broker, from its reading them to bob's seeing them.
busy()
{
	sink --rate 400000 --seconds 12 --sources "$1" --buffer 65536
	for name in $HONEST; do send "$name" --size 1000; done
	wait_for 60 grep -q 'all are there' "$XT/bob.sink.out"
	waited=$(domain_counter alice waited-us) sent=$(domain_counter alice sent-messages)
	sleep 10
	waited=$(($(domain_counter alice waited-us) - waited))
	sent=$(($(domain_counter alice sent-messages) - sent))
	mean=$((waited / sent))
	echo "        $sent messages of alice waited $mean us in the broker, on average"
	all_end
}

note 'nine send as much as they can; bob takes 400 KB/s'
busy 9
alone=$mean
note 'the same, and mallory floods'
send mallory --size 20000
busy 10
check 'alice waits no more than 1.5 times as long' test $((mean * 2)) -le $((alone * 3))
fair=$(($(total) / 10))
for name in $HONEST; do
	got=$(from "$name" 2)
	check "$name: $got bytes, at least 0.9 of $fair" test $((got * 10)) -ge $((fair * 9))
done

# steady TAG SOURCES: eight send 20 messages a second, and alice times messages to bob and back.
steady()
{
	sink --ports 32 --seconds 8 --sources "$2"
	for name in $MORE; do send "$name" --rate 20; done
	guest_bg alice ping xenmsg ping -c 200 -i 0.02 bob
	wait_for 10 grep -q 'seq=20 ' "$XT/alice.ping.out"
	waited=$(domain_counter alice waited-us) sent=$(domain_counter alice sent-messages)
	wait_for 60 grep -q 'seq=180 ' "$XT/alice.ping.out"
	waited=$(($(domain_counter alice waited-us) - waited))
	sent=$(($(domain_counter alice sent-messages) - sent))
	mean=$((waited * 10 / sent))
	guest_wait alice ping 120
	check "$1: alice's messages all came back" test $? = 0
	median=$(sed -n 's/.*time=\([0-9]*\).*/\1/p' "$XT/alice.ping.out" | sort -n |
		awk '{ t[n++] = $1 } END { print t[int(n / 2)] }')
	echo "        $1: median round trip $median us; $((mean / 10)).$((mean % 10)) us of it in the broker, on average"
	all_end
}

note 'each honest one sends 20 messages a second'
serve bob echo 7 --echo
served=1
steady 'without a flood' 8
for name in $MORE; do eval "alone_$name=$(from "$name" 1)"; done
# Processor time is shared out by Xen, which is not what is tested here.
check 'mallory may use a quarter of a processor' xl sched-credit -d mallory -c 25
send mallory --ports 32 --size 4000
steady 'beside a flood' 9
for name in $MORE; do
	eval "before=\$alone_$name"
	# shellcheck disable=SC2154 # by eval
	fair=$before
	got=$(from "$name" 1)
	check "$name: $got messages, at least 0.9 of $fair" test $((got * 10)) -ge $((fair * 9))
done
unserve bob echo
served=0

note 'weights 1, 2 and 4; bob takes 400 KB/s'
for weight in 1 2 4; do
	printf '[limits weight-%s]\ndomains = %s\nweight = %s\n' $weight h$((weight + 1)) $weight >>$CONF
done
check 'the broker takes them' xenmsgctl reload
sink --rate 400000 --seconds 12 --sources 3 --buffer 65536
for name in h2 h3 h5; do send "$name" --size 3000; done
all_end
for weight in 1 2 4; do
	got=$(from h$((weight + 1)) 2)
	fair=$(($(total) * weight / 7))
	check "weight $weight: $got bytes, within 5 % of $fair" \
		test $((got * 100)) -ge $((fair * 95)) -a $((got * 100)) -le $((fair * 105))
done

note 'bob takes nothing from anybody; alice sends to h2 as well'
guest_bg h2 sink share receive --seconds 60
wait_for 10 has_port h2
guest_out alice share send --rate 200 --seconds 5 h2 >/tmp/alone
sink --deaf --seconds 15 --sources 0
for name in alice h3 h4 h5 h6 h7 h8 h9; do send "$name"; done
guest_out alice share send --rate 200 --seconds 5 h2 >/tmp/beside
sed -n 's/^share:/       /p' /tmp/alone /tmp/beside
# sent FILE: all of them answered with 0, or nothing.
sent() { sed -n 's/^share: \([0-9]*\) sent in .*: 0 \1$/\1/p' "$1"; }
check 'not one is lost' test "$(sent /tmp/beside)" -ge $(($(sent /tmp/alone) * 98 / 100))
all_end
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
