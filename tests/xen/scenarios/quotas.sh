# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# Rates and quotas: a domain gets what its limits and the rules give it, within
# 2 %, and beyond that a status that says so; also under another name.
# limit: 1200
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

CONF=/tmp/xenmsgd.conf

# configure [LINE...]: of a section of limits for alice, or whatever they say.
configure()
{
	cp /p/scenarios/mixed.conf $CONF
	printf '%s\n' "$@" >>$CONF
}
# limited LINE...: has the broker limit alice so.
limited()
{
	configure '[limits of-alice]' 'domains = alice' "$@"
	check "the broker takes: $*" xenmsgctl reload
}

# share OPTION...: alice sends to bob, who takes what comes; $sent, $ms, $good and
# $over are what there was of it, of answers 0 and EDQUOT.
share()
{
	guest_out alice share send "$@" bob >/tmp/sent
	sed -n 's/^share: /        /p' /tmp/sent
	sent=$(sed -n 's/^share: \([0-9]*\) sent.*/\1/p' /tmp/sent)
	ms=$(sed -n 's/.* in \([0-9]*\) ms.*/\1/p' /tmp/sent)
	good=$(answers 0)
	over=$(answers EDQUOT)
}
# answers STATUS: how many of them.
answers() { sed 's/[:,]/,/g; s/.* ms,//' /tmp/sent | tr ',' '\n' | awk -v s="$1" '$1 == s { n = $2 } END { print n + 0 }'; }

# bob_takes OPTION..., bob_stops
bob_takes()
{
	guest_bg bob sink share receive --seconds 600 "$@"
	wait_for 10 has_port bob
}
bob_stops()
{
	guest_kill bob sink KILL
	guest_wait bob sink 10
	wait_for 10 has_no_port
}
has_no_port() { ! has_port bob; }

# within WHAT GOT EXPECTED: by 2 %.
within() { check "$1: $2 of $3, within 2 %" test "$(($2 * 100))" -ge "$(($3 * 98))" -a "$(($2 * 100))" -le "$(($3 * 102))"; }

configure
start_broker $CONF

note 'messages a second, of a domain'
limited 'messages-per-second = 400' 'messages-burst = 40'
bob_takes
share --seconds 4 --size 100
within 'messages' "$good" $((400 * ms / 1000 + 40))
check 'the others were over it' test "$over" -gt 0 -a $((good + over)) = "$sent"
check 'the log names the limit' grep -q 'rule="limits of-alice".*alice' $BROKER_LOG
xenmsgctl status | grep 'of-alice'

note 'bytes a second, of a domain'
limited 'bytes-per-second = 500000' 'bytes-burst = 50000'
share --seconds 4 --size 2500
within 'bytes' $((good * 2500)) $((500 * ms + 50000))

note 'messages a second, of a rule'
sed '/^\[allow all\]/a messages-per-second = 300\nmessages-burst = 30' /p/scenarios/mixed.conf >$CONF
check 'the broker takes it' xenmsgctl reload
share --seconds 4 --size 100
within 'messages' "$good" $((300 * ms / 1000 + 30))
check 'the log names the rule' grep -q "rule=\"all\".*over 'messages-per-second'" $BROKER_LOG

note 'a rate that nobody exceeds'
limited 'messages-per-second = 400'
share --seconds 4 --size 100 --rate 300
check 'all were answered with 0' test "$good" = "$sent"
bob_stops

note 'queued messages: bob takes nothing, and has room for little'
limited 'queued-messages = 10'
bob_takes --deaf --buffer 4096 --sources 0
share --seconds 1 --size 1000
check '10 wait' test "$(answers EINPROGRESS)" = 10
check 'the others were over it' test "$over" -gt 0
bob_stops

note 'outstanding maps'
limited 'outstanding-maps = 5'
bob_takes --deaf --sources 0 --buffer 65536
share --seconds 1 --size 1000 --map
check '5 are out' test "$(answers EINPROGRESS)" = 5
check 'the others were over it' test "$over" -gt 0
bob_stops

note 'pages of pools for copying'
limited 'pool-pages = 0'
bob_takes
before=$(counter memcpys)
share --seconds 1 --size 2000 --rate 100
check 'all went' test "$good" = "$sent"
check 'each was copied by the hypervisor' test "$(counter memcpys)" = "$before"

note 'a bad one changes nothing'
configure '[limits of-alice]' 'domains = alice' 'messages-per-second = many'
check_not 'it is refused' xenmsgctl reload
xenmsgctl reload 2>&1 | sed 's/^/        /'
check 'with file and line' sh -c "xenmsgctl reload 2>&1 | grep -q '$CONF:$(wc -l <$CONF): '"
share --seconds 1 --size 100 --rate 100
check 'the old one holds' test "$good" = "$sent"

note 'alice is renamed in the middle of it'
limited 'messages-per-second = 10'
share --seconds 2 --size 100 --rate 100
check 'over it' test "$over" -gt 0
serve alice echo 7 --echo
guest_bg mallory ping xenmsg ping -i 0.2 alice
wait_for 10 grep -q 'seq=5 ' "$XT/mallory.ping.out"
xl rename alice anna
check 'it is found by that' wait_for 10 xenmsg ping -q -c 1 anna
check_not 'and by the old name no more' xenmsg ping -q -c 1 alice
check 'the log says so' grep -q 'alice(1) is called anna(1) now' $BROKER_LOG
guest_kill mallory ping INT
guest_wait mallory ping 10
check 'messages went on meanwhile' nothing_lost mallory ping
unserve alice echo
share --seconds 1 --size 100 --rate 100
check 'the limits of the old name do not hold' test "$good" = "$sent"
xl rename anna alice
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
