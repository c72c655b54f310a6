# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The part of `make bench` that runs in dom0: all ways between two guests, in one boot. The variant
# is the guests' type, pv or pvh, and /p/bench/VARIANT.runs says what to run,
#
#	RUN PATH LINKS		PATH as bench.py's, the plan being /p/bench/RUN.plan
#
# in an order in which what is not measured is not there: no broker, no driver and no network
# before they are needed. While two ends are busy nothing else runs in dom0 but what waits for them.
# limit: 1800
# quiet-limit: 600
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

RESULTS=/run/xt/results
RUNS=/p/bench/$XT_VARIANT.runs

case $XT_VARIANT in
pv) A=alice B=mallory ;;
pvh)
	A=bob B=carol
	sed 's/bob/carol/' /guests/bob.cfg >/guests/carol.cfg
	check 'there is a second guest' create_guest carol
	;;
*)
	fail "there are no guests of type '$XT_VARIANT'"
	exit
	;;
esac
A_ID=$(domid $A)
B_ID=$(domid $B)

# 1024 pages to grant to others are not enough for channels of 2 MiB each.
for guest in $A $B; do
	guest $guest sh -c 'echo 65536 >/sys/module/xen_gntalloc/parameters/limit'
done
echo 65536 >/sys/module/xen_gntalloc/parameters/limit

# both_ends RUN SOURCE-ARGS SINK-ARGS: until the plan is done; keeps what they print.
both_ends()
{
	guest_bg $B "$1" bench sink --plan "/p/bench/$1.plan" $3
	# Its output is what is waited for, and nothing polls meanwhile.
	guest_out $A bench source --plan "/p/bench/$1.plan" $2 >"$XT/$A.$1.out" 2>&1
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

run_one()
{
	case $2 in
	vchan)
		channel=/local/domain/$B_ID/data/bench-$1
		both_ends "$1" "--path vchan --links $3 --domid $B_ID --channel $channel" \
			"--path vchan --links $3 --domid $A_ID --channel $channel --server"
		;;
	ours-*)
		case $2 in
		*-nopool) broker_is bench-nopool.conf ;;
		*) broker_is bench.conf ;;
		esac
		both_ends "$1" "--path ours --links $3 --peer $B" "--path ours --links $3 --peer $A"
		;;
	*) fail "there is no path $2" ;;
	esac
}

BROKER_CONF=
: >$RESULTS
# shellcheck disable=SC2094 # it is read to its end before
while read -r run path links; do
	t=$(now_ms)
	check "$XT_VARIANT $run" run_one "$run" "$path" "$links" </dev/null
	note "  took $(($(now_ms) - t)) ms of the machine's time"
done <"$RUNS"
save_file $RESULTS
check 'no kernel has complained' dmesg_clean
