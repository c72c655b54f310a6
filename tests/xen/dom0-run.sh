#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# dom0 after a snapshot was loaded and the payload unpacked: bring up the
# command channels to the guests, run one scenario, report how it went.
#
#	dom0-run.sh scenario NAME	dom0-run.sh shell
#
# What is printed goes to the harness's terminal.  Files and the exit status
# go out by the serial port named "data" (control.py); fd 9 is that port in
# all children, as it can be opened only once.
# shellcheck disable=SC1091
. /p/xt/env.sh

scenario=${2:-}
script=/p/scenarios/${scenario%%+*}.sh
if [ $$ -eq 1 ] && [ "$scenario" ] && grep -q '^# root: debian$' "$script"; then
	# It goes on as a child of systemd's, with these same arguments.
	exec sh /p/xt/systemd.sh "$@"
fi

ln -sf /p/lib/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2

for port in /sys/class/virtio-ports/*; do
	[ "$(cat "$port/name")" = data ] && exec 9>"/dev/${port##*/}"
done

. /p/xt/lib.sh
cd /tmp || exit

: >"$XT/checks"
: >"$XT/failures"
for guest in $XT_GUESTS; do
	xt_start_hub "$guest"
done

if [ "$1" = shell ]; then
	stty sane
	echo "dom0 of the test machine. Try: xl list; guest alice uname -a; exit"
	# ENV is what an interactive shell reads first.
	ENV=/p/xt/lib.sh setsid -c sh -i
	# The terminal was hung up with its shell, the port was not.
	printf 'EXIT 0\n' >&9
	exec sleep 3600
fi

# NAME+VARIANT: what a variant means is up to the scenario.
XT_VARIANT=${scenario#"${scenario%%+*}"}
export XT_VARIANT="${XT_VARIANT#+}"
dmesg | wc -l >"$XT/dmesg.before"

sh -c '. /p/xt/lib.sh; . "$0"; exit 0' "$script" </dev/null &
pid=$!

# The watchdog's request, if it comes.
(
	read -r _ || exit
	kill -STOP $pid
	fail 'the watchdog has ended it'
	xt_processes
	xt_finish "$scenario"
) </dev/hvc1 &

wait $pid
status=$?
[ $status -eq 0 ] || fail "the script ended with exit status $status"
xt_finish "$scenario"
exec sleep 3600
