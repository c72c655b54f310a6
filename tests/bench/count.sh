# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# For scenario.sh: what a run costs beside instructions, from the start of its processes to their
# end. Of two runs that differ in the number of messages, the difference is the messages' own.
# Results get, besides,
#
#	N RUN NAME NUMBER
#
# for the counters `events` (that came to any of the domains, but for timers), `daemon_syscalls` (of
# the broker or relay), `guest_syscalls` (of the guests' processes), `dom0_time`, `source_time` and
# `sink_time` (of the domains). The machine's hypercalls are in the trace RUN.trace, for counts.py.
SYSCALLS=/sys/kernel/tracing/events/raw_syscalls/sys_enter
# The interrupts that events are to Linux, but for those of the timer and between processors; not
# /proc/interrupts, where an event channel is not to be seen any more once it was closed.
EVENTS=/sys/kernel/tracing/events/irq/irq_handler_entry
COUNTED_PATH=

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
		in_domain "$domain" sh -c "echo hist:keys=common_pid:size=4096 >$SYSCALLS/trigger
			echo hist:keys=name >$EVENTS/trigger"
	done
	xentrace -D -S 1024 -e 0x00201000 "$1" >/dev/null 2>&1 &
	tracer=$!
	cputime >"$XT"/cputime.before
}

# What a domain has counted since: events, and system calls of the process or, without one, of all.
counted()
{
	in_domain "$1" sh -c "cat $SYSCALLS/hist $EVENTS/hist
		echo '!hist:keys=common_pid' >$SYSCALLS/trigger
		echo '!hist:keys=name' >$EVENTS/trigger" |
		awk -v pid="${2:-}" '
			/name: (timer|resched|callfunc|irqwork|spinlock)/ { next }
			/name: / { events += $NF }
			/common_pid: / && (pid == "" || $3 + 0 == pid) { calls += $NF }
			END { print events + 0, calls + 0 }'
}

# count_end RUN DAEMON: the process whose system calls are the daemon's.
count_end()
{
	cputime >"$XT"/cputime.after
	kill -INT "$tracer"
	wait "$tracer"
	{
		counted dom0 "$2"
		counted "$A"
		counted "$B"
	} | awk -v run="$1" '
		{ events += $1 }
		NR == 1 { daemon = $2 }
		NR > 1 { guests += $2 }
		END {
			print "N", run, "events", events
			print "N", run, "daemon_syscalls", daemon
			print "N", run, "guest_syscalls", guests
		}' >>"$RESULTS"
	awk -v run="$1" -v a="$A_ID" -v b="$B_ID" '
		FNR == NR { before[$1] = $2; next }
		$1 == 0 { print "N", run, "dom0_time", $2 - before[0] }
		$1 == a { print "N", run, "source_time", $2 - before[a] }
		$1 == b { print "N", run, "sink_time", $2 - before[b] }
		' "$XT/cputime.before" "$XT/cputime.after" >>"$RESULTS"
}

# measure RUN PATH LINKS
measure()
{
	prepare "$2" || return
	# The first run of programs brings in their pages, and counts for nothing.
	[ "$2" = "$COUNTED_PATH" ] || run_one "$@" || return
	COUNTED_PATH=$2
	count_begin "/tmp/$1.trace"
	run_one "$@"
	measured=$?
	case $2 in
	ours-*) daemon=$(cat "$BROKER_PID") ;;
	relay) daemon=$(cat "$XT/dom0.$1.pid") ;;
	*) daemon=0 ;;
	esac
	count_end "$1" "$daemon"
	save_file "/tmp/$1.trace"
	rm "/tmp/$1.trace"
	return $measured
}
