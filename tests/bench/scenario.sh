# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The part of `make bench` that runs in dom0: all ways between two guests, in one boot. The variant
# is the guests' type, pv or pvh, or one of these and -count, and /p/bench/VARIANT.runs says what to
# run, in an order in which what is not measured is not there yet:
#
#	RUN PATH LINKS		PATH as bench.py's, the plan being /p/bench/RUN.plan
#
# While two ends are busy nothing else runs in dom0 but what waits for them.
# limit: 7200
# quiet-limit: 1800
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

RESULTS=/run/xt/results

case $XT_VARIANT in
pv | pv-count) A=alice B=mallory ;;
pvh | pvh-count)
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
# shellcheck source=tests/bench/paths.sh
. /p/bench/paths.sh
case $XT_VARIANT in
*-count)
	# shellcheck source=tests/bench/count.sh
	. /p/bench/count.sh
	;;
*) measure() { prepare "$2" && run_one "$@"; } ;;
esac

: >$RESULTS
while read -r run path links; do
	t=$(now_ms)
	check "$path $run" measure "$run" "$path" "$links" </dev/null
	note "  took $(($(now_ms) - t)) ms of the machine's time"
	save_file $RESULTS
done <"/p/bench/$XT_VARIANT.runs"
check 'no kernel has complained' dmesg_clean
[ ! -e /p/bench/symbols ] || { cat /proc/kallsyms >/tmp/kallsyms && save_file /tmp/kallsyms; }
