# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What a scenario can use.  It runs in dom0 (busybox sh); README.md shows how
# to write one.  Names with xt_ are the harness's own.
#
# State is kept in files below /run/xt, because parts of a scenario may well
# run in subshells:
#	NAME.sock		the socket of a guest's hub
#	NAME.driver		the guest's kernel had the driver of the project
#	NAME.TAG.out, .rc	output and exit status of a background command,
#				NAME being dom0 or a guest
#	checks, failures	a line for each

XT=/run/xt
# shellcheck disable=SC2034 # for scenarios
XT_GUESTS="alice bob mallory"
XT_CONSOLES=/var/log/xen/console

# --- words and verdicts ---------------------------------------------------

# note TEXT: says what comes next.
note() { printf '%s\n' "-- $*"; }

# fail TEXT: the scenario has failed, but goes on.
fail()
{
	printf '%s\n' "$*" >>$XT/failures
	printf 'FAILED  %s\n' "$*"
}

# check DESCRIPTION CMD...: the scenario fails if the command does.
check()
{
	xt_what=$1
	shift
	echo >>$XT/checks
	if "$@"; then
		printf 'ok      %s\n' "$xt_what"
	else
		fail "$xt_what"
		return 1
	fi
}

# check_not DESCRIPTION CMD...: the scenario fails if the command succeeds.
check_not()
{
	xt_what=$1
	shift
	check "$xt_what" xt_not "$@"
}

xt_not() { ! "$@"; }

# now_ms: the machine's clock in milliseconds since its boot.
now_ms()
{
	xt_clock
	echo "$xt_now"
}

# The same in $xt_now: a new process is expensive here.
xt_clock()
{
	read -r xt_up _ </proc/uptime
	xt_now=${xt_up%.*}${xt_up#*.}0
}

# wait_for SECONDS CMD...: until the command is true; false after SECONDS.  They
# are the machine's; in the parallel mode they pass while the host does other
# things, and count as XT_PATIENCE times as many.
wait_for()
{
	xt_clock
	xt_end=$((xt_now + $1 * 1000 * ${XT_PATIENCE:-1}))
	shift
	until "$@"; do
		xt_clock
		[ "$xt_now" -lt "$xt_end" ] || return 1
		sleep 0.05
	done
}

# save_file PATH [NAME]: a copy in the harness's out/SCENARIO folder.
save_file()
{
	xt_name=${2:-${1##*/}}
	until mkdir $XT/port.lock 2>/dev/null; do sleep 0.05; done
	# Of a growing file (a log) just what there is now is sent.
	xt_size=$(stat -L -c %s "$1") && {
		printf 'FILE %s %s\n' "$xt_size" "$xt_name" >&9
		head -c "$xt_size" "$1" >&9
	}
	rmdir $XT/port.lock
}

# --- guests ---------------------------------------------------------------

# domid NAME: prints the domain's id; false if there is no such domain.
domid() { xl domid "$1" 2>/dev/null; }

# guest NAME CMD...: runs it there, prints its output behind the guest's
# name, and returns its exit status (200: the guest went away meanwhile).
guest()
{
	xt_name=$1
	shift
	guest-exec -p "$(printf '%-7s| ' "$xt_name")" $XT/"$xt_name".sock "$@"
}

# guest_out NAME CMD...: the same with the bare output, as for $(...).
guest_out()
{
	xt_name=$1
	shift
	guest-exec $XT/"$xt_name".sock "$@"
}

# guest_bg NAME TAG CMD...: starts it there and goes on.  Output and status
# are kept under the tag.
guest_bg()
{
	xt_job=$XT/$1.$2
	rm -f "$xt_job.rc"
	: >"$xt_job.out"
	(
		name=$1 tag=$2
		shift 2
		guest-exec -t "$tag" $XT/"$name".sock "$@" >"$xt_job.out" 2>&1
		echo $? >"$xt_job.rc.new"
		mv "$xt_job.rc.new" "$xt_job.rc"
	) &
}

# guest_wait NAME TAG [TIMEOUT]: until it has ended; returns its exit status,
# or 124 after TIMEOUT (60) seconds.
guest_wait()
{
	wait_for "${3:-60}" test -e "$XT/$1.$2.rc" || return 124
	return "$(cat "$XT/$1.$2.rc")"
}

# guest_running NAME TAG: true while it runs.
guest_running() { [ ! -e "$XT/$1.$2.rc" ]; }

# guest_output NAME TAG: what it has printed so far.
guest_output() { cat "$XT/$1.$2.out"; }

# guest_kill NAME TAG [SIGNAL]: to the command and all its children (TERM).
guest_kill()
{
	xt_number=$(kill -l "${3:-TERM}") || return
	guest-exec -k "$xt_number" -t "$2" $XT/"$1".sock
}

# dom0_bg TAG CMD..., dom0_wait TAG [TIMEOUT], dom0_running TAG, dom0_output
# TAG, dom0_kill TAG [SIGNAL]: the same for programs in dom0.  The signal goes
# to the program alone.
dom0_bg()
{
	xt_job=$XT/dom0.$1
	rm -f "$xt_job.rc" "$xt_job.pid"
	: >"$xt_job.out"
	(
		shift
		"$@" >"$xt_job.out" 2>&1 &
		echo $! >"$xt_job.pid"
		wait $! 2>/dev/null
		echo $? >"$xt_job.rc.new"
		mv "$xt_job.rc.new" "$xt_job.rc"
	) &
	until [ -s "$xt_job.pid" ]; do sleep 0.01; done
}

dom0_wait() { guest_wait dom0 "$@"; }
dom0_running() { guest_running dom0 "$1"; }
dom0_output() { guest_output dom0 "$1"; }

dom0_kill()
{
	dom0_running "$1" && kill -"${2:-TERM}" "$(cat "$XT/dom0.$1.pid")"
}

# destroy_guest NAME: at once, as `xl destroy` does.
destroy_guest()
{
	xl destroy "$1" || return
	rm -f "$XT/$1.tty"
	wait_for 10 test ! -e $XT/"$1".sock
}

# create_guest NAME: boots it; commands can follow at once.
create_guest()
{
	xt_log=$XT_CONSOLES/guest-$1.log
	xt_before=$(xt_boots "$xt_log")
	xl create -q /guests/"$1".cfg >$XT/create.out 2>&1 || {
		cat $XT/create.out
		return 1
	}
	wait_for 60 xt_booted "$xt_log" "$xt_before" || {
		fail "guest $1 does not boot"
		return 1
	}
	xt_start_hub "$1"
	guest_ready "$1"
}

# A scenario can have something done in every guest that it creates.
guest_ready() { :; }

xt_boots()
{
	if [ -e "$1" ]; then
		grep -a -c 'xen-test: guest is waiting' "$1"
	else
		echo 0
	fi
}

xt_booted() { [ "$(xt_boots "$1")" -gt "$2" ]; }

# The line that a guest's init waits for; as dom0's own one in run.py.
XT_START="mkdir -p /p; blockdev --flushbufs /dev/xvda; \
dd if=/dev/xvda bs=64k count=$XT_BLOCKS 2>/dev/null | \
tar -xf - -C /p && exec sh /p/xt/guest-run.sh"

# The terminal of its console is known if dom0-init.sh has booted it.
xt_start_hub()
{
	if [ ! -e "$XT/$1.tty" ] && xt_domid=$(xl domid "$1"); then
		xenstore-read "/local/domain/$xt_domid/console/tty" >"$XT/$1.tty"
	fi
	read -r xt_tty <"$XT/$1.tty" &&
		hub "$1" "$xt_tty" $XT/"$1".sock "$XT_START" && return
	fail "there is no way to talk to $1"
	return 1
}

# restored_guest NAME: it was restored by xl; it takes commands again. Those that
# ran go on in it, unheard.
restored_guest()
{
	rm -f "$XT/$1.tty"
	wait_for 10 xt_no_hub "$1"
	XT_START=$(printf '\036hey 0 ') xt_start_hub "$1" && guest "$1" true
}

xt_no_hub() { [ ! -S "$XT/$1.sock" ]; }

# Those that take commands, the scenario's own ones with them.
xt_running_guests()
{
	for xt_file in "$XT"/*.sock; do
		[ -S "$xt_file" ] && basename "$xt_file" .sock
	done
}

# --- the machine's health -------------------------------------------------

# assert_no_zombies: no domain is dying, and none has lost its name.
assert_no_zombies()
{
	xl list | tail -n +2 | grep -E '^\(null\)| [rbpsc-]{5}d ' && return 1
	return 0
}

XT_BAD='BUG:|BUG at|WARNING:|Oops|Call Trace|general protection|Kernel panic|soft lockup|blocked for more than|unable to handle|segfault at|trap [a-z ]*ip:'
# What the checks of KERNEL=debug say without any of these words: SLUB, poisoned pages, UBSAN,
# kmemleak, and RCU. Lockdep and KASAN begin with WARNING: or BUG:, and the others stop at a BUG().
XT_BAD="$XT_BAD|BUG [^ ]+ \\(|overwritten|Object already free|pagealloc: |UBSAN: |ODEBUG: |unreferenced object|\
suspicious RCU usage|rcu_[a-z]* (self-)?detected|lockdep is turned off|locking correctness validator"

# dmesg_clean: no kernel has complained, dom0's, the guests' or Xen.
dmesg_clean()
{
	xt_found=$(
		dmesg | grep -E "$XT_BAD" | sed 's/^/dom0: /'
		xl dmesg | grep -E 'BUG|Assertion|Panic|domain_crash|FATAL|Triple fault' |
			sed 's/^/xen: /'
		for xt_log in "$XT_CONSOLES"/guest-*.log; do
			grep -a -E "$XT_BAD" "$xt_log" |
				grep -a -v "$(printf '\036')" |
				sed "s|^|${xt_log##*/guest-}: |"
		done
		for xt_name in $(xt_running_guests); do
			guest_out "$xt_name" sh /p/xt/guest-dmesg.sh >"$XT/$xt_name.dmesg"
			grep -a -E "$XT_BAD" "$XT/$xt_name.dmesg" | sed "s/^/$xt_name: /"
		done
	)
	[ -z "$xt_found" ] || {
		printf '%s\n' "$xt_found"
		for xt_log in "$XT"/*.dmesg; do save_file "$xt_log"; done
		return 1
	}
}

# --- the end --------------------------------------------------------------

xt_tail()
{
	[ -s "$2" ] || return
	printf '%s\n' "..... the end of $1:"
	tail -n 15 "$2" | tr -d '\r'
}

# What Xen knows of a guest that does not answer: whether it waits with an event
# pending, or runs, and where.
xt_silent()
{
	xt_domid=$(xl domid "$1") || return
	xt_what='with'
	[ -e "$XT/$1.driver" ] || xt_what='without'
	echo "..... $1 does not answer, a kernel $xt_what the driver, domain $xt_domid:"
	xl debug-keys q
	xl dmesg | awk -v domid="$xt_domid:" '
		/General information for domain/ { mine = $NF == domid }
		/Rangesets|Memory pages/ { skip = 1 }
		/VCPU information/ { skip = 0 }
		mine && !skip'
	for _ in 1 2; do
		timeout 5 xenctx -a "$xt_domid" 0 | sed '/^dr0/,/^dr7/d'
		sleep 0.2
	done
}

# Who is there, but for kernel threads.
xt_processes()
{
	echo '..... processes of dom0:'
	# shellcheck disable=SC2009 # pgrep does not show states
	ps -o pid,ppid,stat,args | grep -v ' \['
	for xt_name in $(xt_running_guests); do
		echo "..... processes of $xt_name:"
		timeout 5 guest-exec $XT/"$xt_name".sock \
			sh -c 'ps -o pid,ppid,stat,args | grep -v " \["' || xt_silent "$xt_name"
	done
}

# What helps to understand a failure.
xt_post_mortem()
{
	for xt_file in "$XT"/*.out; do
		xt_job=${xt_file##*/}
		[ -e "$xt_file" ] && xt_tail "${xt_job%.out}" "$xt_file"
	done
	dmesg | tail -n +$(($(cat $XT/dmesg.before) + 1)) >$XT/dmesg
	xt_tail "dom0's kernel messages" $XT/dmesg
	for xt_file in /run/*.log; do
		[ -e "$xt_file" ] && xt_tail "${xt_file##*/}" "$xt_file"
	done
	for xt_file in "$XT_CONSOLES"/guest-*.log /run/*.log /tmp/core.*; do
		[ -e "$xt_file" ] && save_file "$xt_file"
	done
	echo '..... domains:'
	timeout 10 xl list
}

# xt_finish SCENARIO: prints the verdict and hands it to the harness.
xt_finish()
{
	[ -s $XT/checks ] || fail 'the scenario checked nothing'
	if [ -s $XT/failures ]; then
		xt_post_mortem
		echo '..... failed:'
		sed 's/^/  /' $XT/failures
		echo "scenario $1: failed"
		printf 'EXIT 1\n' >&9
	else
		echo "scenario $1: passed"
		printf 'EXIT 0\n' >&9
	fi
	# The harness reads the terminal up to here.
	printf '\036end\n'
}
