# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What people in dom0 can see and do: every command of xenmsgctl beside living
# guests, a domain taken out of service, and who keeps a dead one from going.
# limit: 900
# quiet-limit: 300
XT_VARIANT=half # alice
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

start_broker mixed.conf
serve bob echo 7 --echo
guest_bg alice ping xenmsg ping -i 0.05 -W 60 bob
wait_for 10 grep -q 'seq=10 ' "$XT/alice.ping.out"

note 'what there is'
says() { "$@" >/tmp/said 2>&1; r=$?; sed 's/^/        /' /tmp/said; return $r; }
check 'domains' says xenmsgctl domains
check 'both are there' sh -c 'grep -q "^alice" /tmp/said && grep -q "^bob" /tmp/said'
check 'flows' says xenmsgctl flows bob
check 'by the rule that allows them' grep -q 'alice.*bob.*7.*all' /tmp/said
check 'top' says xenmsgctl top --count 1 --interval 1
check 'alice is in it' grep -q alice /tmp/said
check 'metrics' xenmsgctl metrics --output /tmp/xenmsg.prom
# TYPE before samples, and nothing but comments and samples.
# shellcheck disable=SC2016 # awk's
check 'as Prometheus wants them' awk '
	/^# TYPE / { known[$3]; next }
	/^#/ { next }
	!/^[a-z_]+(\{[^}]*\})? [0-9.e+-]+$/ { print; bad = 1; next }
	{ name = $1; sub(/\{.*/, "", name); base = name; sub(/_(bucket|sum|count)$/, "", base)
	  if (!(name in known) && !(base in known)) { print; bad = 1 }; n++ }
	END { exit bad || n < 20 }' /tmp/xenmsg.prom
grep -c '^xenmsg' /tmp/xenmsg.prom

note 'what is in xenstore'
check 'nothing is wrong with it' says xenmsgctl check-store
guest mallory xenstore-write device/vmsg/0/tx-ring-ref 'not a number' device/vmsg/0/lump 1
check_not 'mallory writes what it may, and should not' says xenmsgctl check-store
check 'both are named' sh -c 'grep -q tx-ring-ref /tmp/said && grep -q lump /tmp/said'
guest mallory xenstore-rm device/vmsg/0/tx-ring-ref
guest mallory xenstore-rm device/vmsg/0/lump
check 'nothing is wrong any more' says xenmsgctl check-store

note 'bob is taken out of service'
check 'drained' says xenmsgctl drain bob --timeout 10
seq() { sed -n 's/.*seq=\([0-9]*\) .*/\1/p' "$XT/alice.ping.out" | tail -n 1; }
before=$(seq)
sleep 1
check 'nothing comes back meanwhile' test "$(seq)" = "$before"
check 'status says so' sh -c 'xenmsgctl domains | grep "^bob" | grep -q draining'
check 'back in service' xenmsgctl drain --undo bob
sleep 1
check 'messages go on' test "$(seq)" -gt "$before"
guest_kill alice ping INT
guest_wait alice ping 10
check 'not one was lost' nothing_lost alice ping
guest_output alice ping | tail -n 2
unserve bob echo

note 'bob stands still, and has pages of alice; alice is destroyed'
guest_bg bob sink share receive --seconds 600
wait_for 10 has_port bob
guest_bg alice send share send --map --seconds 600 --size 2000 --rate 100 bob
wait_for 10 grep -q 'all are there' "$XT/bob.sink.out"
guest_kill bob sink STOP
sleep 1
destroy_guest alice
named() { xenmsgctl domains | grep -q 'alice.*dead.*pages of pool .*held by bob'; }
check 'who holds them is named' wait_for 5 named
xenmsgctl domains | grep 'held by' | sed 's/^/        /'
check_not 'alice does not go' assert_no_zombies
guest_kill bob sink CONT
check 'when bob goes on it does' wait_for 2 assert_no_zombies
check_not 'and is named no more' named
check 'no kernel has complained' dmesg_clean
