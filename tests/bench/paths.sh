# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# For scenario.sh: the ways between the guests $A and $B, whose ids are $A_ID and $B_ID. What a way
# needs is started when it is first used: no broker, no driver and no network before that.
NETWORK=
DRIVERS=
BROKER_CONF=
# More than the default, where that is real time.
REPEAT_MS=$(cat /p/bench/repeat-ms 2>/dev/null)

# Memory is copied as modern processors do it, whatever its alignment. For QEMU's, glibc takes a
# memcpy that needs half as much again for what is not aligned, as messages in a stream are not.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=Fast_Unaligned_Copy

# 1024 pages to grant to others are not enough for channels of 2 MiB each.
echo 65536 >/sys/module/xen_gntalloc/parameters/limit
for guest in $A $B; do
	guest "$guest" sh -c 'echo 65536 >/sys/module/xen_gntalloc/parameters/limit'
done

# both_ends RUN SOURCE-ARGS SINK-ARGS: until the plan is done; keeps what they print.
# shellcheck disable=SC2086 # the arguments are lists of words
both_ends()
{
	guest_bg $B "$1" env GLIBC_TUNABLES=$GLIBC_TUNABLES bench sink --plan "/p/bench/$1.plan" $3 ${REPEAT_MS:+--repeat-ms $REPEAT_MS}
	# Its output is what is waited for, and nothing polls meanwhile.
	guest_out $A env GLIBC_TUNABLES=$GLIBC_TUNABLES bench source --plan "/p/bench/$1.plan" $2 \
		${REPEAT_MS:+--repeat-ms $REPEAT_MS} >"$XT/$A.$1.out" 2>&1
	status=$?
	[ $status = 0 ] || guest_kill $B "$1"
	guest_wait $B "$1" 30 || status=1
	{
		echo "run $1 $status"
		cat "$XT/$A.$1.out" "$XT/$B.$1.out"
	} >>$RESULTS
	[ $status = 0 ]
}

broker_is()
{
	[ "$1" = "$BROKER_CONF" ] && return
	[ -z "$BROKER_CONF" ] || stop_broker
	start_broker "/p/bench/$1"
	BROKER_CONF=$1
}

no_broker()
{
	[ -z "$BROKER_CONF" ] || stop_broker || return
	BROKER_CONF=
}

# An interface for the guest, in a bridge of dom0's, and its address.
give_network()
{
	xl network-attach "$1" bridge=benchbr script=/p/bench/vif.sh mac="00:16:3e:00:00:0$2" || return
	# shellcheck disable=SC2016 # the guest's to expand
	guest "$1" sh -c '
		while read -r module; do insmod "/modules/net/$module" || exit; done </modules/net/list
		n=0
		until ip link set eth0 up 2>/dev/null; do
			n=$((n + 1))
			[ $n -lt 100 ] || exit
			sleep 0.1
		done
		ip addr add 10.0.0.'"$2"'/24 dev eth0'
}

network()
{
	[ -z "$NETWORK" ] || return 0
	NETWORK=yes
	while read -r module; do insmod "/modules/net/$module" || return; done </modules/net/list
	brctl addbr benchbr && ip link set benchbr up && give_network "$A" 1 && give_network "$B" 2
}

# Both guests go over to the kernel's driver: the modules of the variant "kernel".
drivers()
{
	[ -z "$DRIVERS" ] || return 0
	DRIVERS=yes
	for guest in $A $B; do
		# As many pages as the userspace frontend has here.
		load_driver "$guest" tx_pages=896 rx_pages=1024 || return
		# As much for a port as the userspace frontend has without a limit.
		guest "$guest" sh -c 'echo 16777216 >/sys/module/xen_vmsgfront/parameters/buffer_max'
	done
}

# wait_ready TAG: until a program in dom0 has said so.
is_ready() { grep -q ready "$XT/dom0.$1.out"; }

relayed()
{
	to_a=/local/domain/0/bench/$1-a
	to_b=/local/domain/0/bench/$1-b
	dom0_bg "$1" relay "$A_ID" "$B_ID" "$to_a" "$to_b" "$2"
	wait_for 10 is_ready "$1" || return
	both_ends "$1" "--path vchan --links $2 --domid 0 --channel $to_a" \
		"--path vchan --links $2 --domid 0 --channel $to_b"
	status=$?
	dom0_wait "$1" 10 || dom0_kill "$1" KILL
	return $status
}

# prepare PATH: what it needs is there then, and what it does not is not.
prepare()
{
	case $1 in
	vchan | relay) no_broker ;;
	tcp) no_broker && network ;;
	ours-*)
		case $1 in
		*-nopool) broker_is bench-nopool.conf ;;
		*) broker_is bench.conf ;;
		esac
		case $1 in ours-kernel*) drivers ;; esac
		;;
	*) fail "there is no path $1" ;;
	esac
}

# run_one RUN PATH LINKS
run_one()
{
	case $2 in
	vchan)
		channel=/local/domain/$B_ID/data/bench-$1
		both_ends "$1" "--path vchan --links $3 --domid $B_ID --channel $channel" \
			"--path vchan --links $3 --domid $A_ID --channel $channel --server"
		;;
	relay) relayed "$1" "$3" ;;
	tcp)
		both_ends "$1" "--path tcp --links $3 --peer 10.0.0.2" "--path tcp --links $3"
		;;
	*) both_ends "$1" "--path ours --links $3 --peer $B" "--path ours --links $3 --peer $A" ;;
	esac
}
