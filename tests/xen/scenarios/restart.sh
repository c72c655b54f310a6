# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The broker is killed a hundred times in the middle of traffic between four
# guests and dom0, by copy and by map, and restarted cleanly twenty times: nothing
# is lost, doubled or out of order, and applications notice a pause.
# limit: 3600
# quiet-limit: 1200
XT_VARIANT=kernel
XM_KERNEL_GUESTS='alice bob'
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# Kills that may well strike while the guests still connect, those that are far
# enough apart to see each one's pause, and clean restarts, which are that as well.
KILLS=60
SINGLE_KILLS=40
RESTARTS=20
# Messages of each of the two ports of a pair, and direction.
COUNT=${COUNT:-40000}

# 30-bit numbers that are the same in each run.
random=1
# rnd BELOW: in $rnd.
rnd()
{
	random=$(((random * 1103515245 + 12345) & 0x3fffffff))
	rnd=$((random / 256 % $1))
}

# 10 to 209 ms, and as many on top as the first argument says.
a_while()
{
	rnd 200
	rnd=$((rnd + 1010 + ${1:-0}))
	sleep "0.${rnd#1}"
}

# where PID: what a stopped process is doing, in a word.
where()
{
	read -r xr_call xr_rest <"/proc/$1/syscall"
	case $xr_call in
	running) echo running ;;
	-1) where_in "$1" "${xr_rest##* }" ;;
	232 | 281) echo 'idle (epoll)' ;;
	9 | 11) echo 'mmap, munmap (grants)' ;;
	16) echo 'ioctl (grants, events)' ;;
	202) echo 'futex (xenstore)' ;;
	0 | 1 | 7 | 20 | 44 | 45 | 46 | 47) echo 'read, write, poll (xenstore, log, events)' ;;
	*) echo "system call $xr_call" ;;
	esac
}

# where_in PID ADDRESS: the function of the daemon, or the library.
where_in()
{
	xr_at=$(($2))
	while read -r xr_range _ _ _ _ xr_file; do
		xr_begin=$((0x${xr_range%-*})) xr_end=$((0x${xr_range#*-}))
		case $xr_file in */xenmsgd) : "${xr_base:=$xr_begin}" ;; esac
		if [ $xr_at -ge $xr_begin ] && [ $xr_at -lt $xr_end ]; then
			case $xr_file in
			*/xenmsgd) awk -v at=$((xr_at - xr_base)) '
				$1 > at { exit } { name = $2 } END { print name "()" }' /tmp/symbols ;;
			*) echo "${xr_file##*/}" ;;
			esac
			return
		fi
	done <"/proc/$1/maps"
	echo elsewhere
}

is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }

# Ended, whatever it was doing then; and another one, at once.
kill_broker()
{
	xr_pid=$(cat $BROKER_PID)
	kill -STOP "$xr_pid"
	wait_for 5 is_stopped "$xr_pid"
	where "$xr_pid" >>/tmp/states
	xr_base=
	kill -KILL "$xr_pid"
	wait_for 5 broker_ended
	launch_broker
}

launch_broker()
{
	xenmsgd -c /p/scenarios/mixed.conf >>$BROKER_LOG 2>&1 &
	echo $! >$BROKER_PID
}

traffic_runs()
{
	for xr_tag in copy map mixed dom0 dom0-map; do
		for xr_guest in alice bob; do
			[ ! -e "$XT/$xr_guest.traffic.$xr_tag.out" ] ||
				! guest_running $xr_guest traffic.$xr_tag || return 0
		done
	done
	return 1
}

# begin TAG NAME OPTION...: traffic, in a guest or in Domain-0.
begin()
{
	xr_tag=traffic.$1
	xr_name=$2
	shift 2
	if [ "$xr_name" = Domain-0 ]; then
		dom0_bg "$xr_tag" traffic --count "$COUNT" --max 20000 "$@"
	else
		guest_bg "$xr_name" "$xr_tag" traffic --count "$COUNT" --max 20000 "$@"
	fi
}

# pair TAG A B OPTION...: traffic between the two.
pair()
{
	xr_pair=$1
	xr_a=$2
	xr_b=$3
	shift 3
	begin "$xr_pair" "$xr_a" "$@" "$xr_b"
	begin "$xr_pair" "$xr_b" "$@" "$xr_a"
}

# pair_ends TAG A B
pair_ends()
{
	for xr_name in "$2" "$3"; do
		case $xr_name in Domain-0) xr_where=dom0 ;; *) xr_where=$xr_name ;; esac
		guest_wait "$xr_where" "traffic.$1" 900
		check "$1: $xr_name got everything once, right and in order" test $? = 0
		guest_output "$xr_where" "traffic.$1" | tail -n 1
	done
}

# Decimal addresses and names of the daemon's functions.
while read -r address _ name; do
	echo "$((0x$address)) $name"
done </p/bin/xenmsgd.symbols >/tmp/symbols

sed 's/alice/carol/g' /guests/alice.cfg >/guests/carol.cfg
check 'there is a fourth guest' create_guest carol
start_broker mixed.conf
serve bob echo 7 --echo
pair copy alice bob --base 100
pair map alice mallory --mode map --base 200
pair mixed bob carol --base 300
pair dom0 Domain-0 alice --base 400
pair dom0-map Domain-0 bob --mode map --base 500

# disturb COUNT WHAT COMMAND [MS]: so often, in the middle of traffic, while a ping
# is under way; the pauses that it notices are written down.
disturb()
{
	note "$2, $1 times"
	guest_bg alice ping xenmsg ping -i 0.005 -W 30 bob:7
	wait_for 30 grep -q 'seq=20' "$XT/alice.ping.out"
	xr_done=0
	while [ $xr_done -lt "$1" ] && traffic_runs; do
		a_while "${4:-0}"
		$3
		xr_done=$((xr_done + 1))
		[ $((xr_done % 20)) -ne 0 ] || note "$xr_done of $1"
	done
	check "$2 in the middle of traffic: $xr_done" test $xr_done -eq "$1"
	a_while 500
	guest_kill alice ping INT
	guest_wait alice ping 40
	check 'not one ping was lost' nothing_lost alice ping
	sed -n 's/.*time=\([0-9.]*\) us.*/\1/p' "$XT/alice.ping.out" | sort -n |
		awk -v what="$2" '$1 > 30000 { t[n++] = $1 / 1000 } END {
			printf "%s: %d pauses over 30 ms", what, n
			if (n)
				printf ", median %.0f ms, longest %.0f ms", t[int(n / 2)], t[n - 1]
			printf "\n" }' >>/tmp/pauses
}

restart_broker()
{
	stop_broker
	launch_broker
}

disturb $KILLS 'killed at any time' kill_broker
disturb $SINGLE_KILLS 'killed one at a time' kill_broker 300
disturb $RESTARTS 'restarted cleanly' restart_broker 300

pair_ends copy alice bob
pair_ends map alice mallory
pair_ends mixed bob carol
pair_ends dom0 Domain-0 alice
pair_ends dom0-map Domain-0 bob
note 'what the broker was doing when it was killed'
sort /tmp/states | uniq -c | sort -rn
note 'round trips of the ping that took over 30 ms: the pauses'
cat /tmp/pauses
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
