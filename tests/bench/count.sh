# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# For scenario.sh: what a run costs in hypercalls, events and system calls, from the start of its
# processes to their end. Of two runs that differ in the number of messages, the difference is the
# messages' own. Results get, besides,
#
#	N RUN DOMAIN events NUMBER		events that came to the domain, but for its timers
#	N RUN DOMAIN syscalls PROGRAM NUMBER	of all its processes of that name
#
# and the machine's hypercalls are in the trace RUN.trace, for counts.py.
SYSCALLS=/sys/kernel/tracing/events/raw_syscalls/sys_enter

in_domain()
{
	if [ "$1" = dom0 ]; then
		shift
		"$@"
	else
		guest_out "$@"
	fi
}

for domain in dom0 $A $B; do
	in_domain "$domain" mount -t tracefs t /sys/kernel/tracing
done

count_begin()
{
	for domain in dom0 $A $B; do
		in_domain "$domain" sh -c "echo 'hist:keys=common_pid.execname:size=4096' >$SYSCALLS/trigger
			grep xen-dyn /proc/interrupts >/tmp/events"
	done
	xentrace -D -S 1024 -e 0x00201000 "$1" >/dev/null 2>&1 &
	tracer=$!
}

count_end()
{
	kill -INT "$tracer"
	wait "$tracer"
	for domain in dom0 $A $B; do
		in_domain "$domain" sh -c "cat $SYSCALLS/hist; echo '!hist:keys=common_pid.execname' >$SYSCALLS/trigger
			echo before; cat /tmp/events; echo after; grep xen-dyn /proc/interrupts" |
			awk -v head="N $1 $domain" '
				/^before/ { sign = -1; next }
				/^after/ { sign = 1; next }
				sign { events += sign * $2; next }
				$2 == "common_pid:" { calls[$3] += $NF }
				END {
					print head, "events", events
					for (name in calls)
						print head, "syscalls", name, calls[name]
				}' >>"$RESULTS"
	done
}

measure()
{
	count_begin "/tmp/$1.trace"
	run_one "$@"
	measured=$?
	count_end "$1"
	save_file "/tmp/$1.trace"
	rm "/tmp/$1.trace"
	return $measured
}
