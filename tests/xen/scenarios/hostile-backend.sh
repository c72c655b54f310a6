# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A broker that breaks the rules: the guest's driver closes the device with one
# line that says why, whatever was under way fails, the process goes on, the
# driver can be unloaded, and the guest lives.
# limit: 600
# quiet-limit: 120

# What raw-endpoint says when everything under way has failed, or was answered.
FAILED='info connected bind 0 send 4 ok ? down [1-4] other 0 recv * EHOSTDOWN resolve EHOSTDOWN again EHOSTDOWN flush 0 unbind 0'
SERVED='info connected bind 0 send 4 ok 4 down 0 other 0 recv * bye resolve 0 again 0 flush 0 unbind 0'
GONE='endpoints: 0 closing: 0 unanswered: 0 busy-grants: 0'
NEWLINE='
'

# matches PATTERN...: what raw-endpoint said, line by line.
matches()
{
	pattern=$1
	shift
	for line in "$@" 'unload 0'; do pattern=$pattern$NEWLINE$line; done
	# shellcheck disable=SC2254 # it is a pattern
	case $said in
	$pattern) return 0 ;;
	esac
	printf '%s\n' "$said"
	return 1
}

# outcome OUTCOME REASON: what was said is what has to be said.
outcome()
{
	case $1 in
	broken) matches "$FAILED" "phase: closed *$GONE" "said 71 the backend broke the protocol: $2" ;;
	refused) matches 'info none bind * send *' "phase: closed *$GONE" "said [0-9]* $2" ;;
	closed) matches "$FAILED" "phase: closed *$GONE" ;;
	held) matches "$FAILED" "phase: closed *$GONE" 'said 11 pages stay until the other side lets go of them' ;;
	removed) matches "$FAILED" "phase: [ca][lb]*$GONE" ;; # closed or absent
	lives | late | narrow) matches "$SERVED" "*phase: connected *$GONE" ;;
	odd) matches 'info connected bind 0 send 4 ok 2 down 0 other 2 recv 1 bye resolve 0 again 0 flush 0 unbind 0' \
		"phase: connected *$GONE" ;;
	short) matches 'info connected bind 0 (EMSGSIZE) send 0 *' "phase: connected *$GONE" ;;
	waits) matches 'info none bind * send *' 'phase: [so]*' ;;
	silent) matches 'info connected bind 0 send 4 ok 0 down 0 other 0 recv 0 ETIMEDOUT resolve ETIMEDOUT again 0 flush ETIMEDOUT unbind 0' \
		'phase: connected *endpoints: 1 closing: 1 unanswered: 5 *' ;;
	mute) matches 'info connected killed 1' 'phase: connected *endpoints: 1 closing: 1 *' ;;
	*) false ;;
	esac
}

# run_cases GUEST HOW CASE...: what was said is in /tmp/said.
run_cases()
{
	guest=$1
	how=$2
	shift 2
	dom0_bg evil evil-backend "$(cat "/tmp/$guest.id")" "$@"
	guest_out "$guest" raw-endpoint "$how" "$@" >/tmp/said 2>&1
	[ "$1" != hold-pages ] || held
	dom0_wait evil 15 || {
		fail "$guest: evil-backend ends with status $?"
		dom0_output evil
	}
}

# check_cases: all of those that were run.
check_cases()
{
	exec 3</tmp/said
	read -r _ name <&3
	while [ "$name" ]; do
		said='' next=''
		while read -r line <&3; do
			case $line in case\ *) next=${line#case }; break ;; esac
			said=$said${said:+$NEWLINE}$line
		done
		expected=$(grep "^$name " /tmp/cases)
		expected=${expected#* }
		# shellcheck disable=SC2086 # the first word, and the rest
		check "$guest: $name: $expected" outcome "${expected%% *}" "${expected#* }"
		[ "$name" != storm ] || stood
		name=$next
	done
	exec 3<&-
}

# run_one_by_one GUEST HOW CASE...: for those that need more than that.
run_one_by_one()
{
	guest=$1
	as=$2
	shift 2
	for one in "$@"; do
		how=$as
		case $one in
		storm) how=count ;;
		bind-unanswered) how='kill' ;;
		esac
		run_cases "$guest" "$how" "$one"
		check_cases
	done
}

# The storm is over.
stood()
{
	loops=${said#*"${NEWLINE}loops "}
	loops=${loops%%"$NEWLINE"*}
	events=${said#*events-received: }
	events=${events%% *}
	check "a loop in the guest counts on: ${loops% *} before, ${loops#* } during" \
		test "${loops#* }" -gt $((${loops% *} / 10))
	check "the driver was woken $events times" test "$events" -lt 500
	dom0_output evil
}

# The driver is gone, and some of its pages are still mapped here.
held()
{
	# shellcheck disable=SC2016 # the guest's to expand
	check 'the guest uses its memory' guest "$guest" sh -c \
		'while read -r name kb _; do [ "$name" != MemAvailable: ] || break; done </proc/meminfo
		dd if=/dev/zero of=/tmp/all bs=1M count=$((kb * 3 / 4096)) 2>/dev/null && rm /tmp/all'
	check 'and not what is still mapped' dom0_running evil
	dom0_kill evil
}

# names PATTERN [EVERY]: the cases whose names match, or every so manieth of them.
names()
{
	awk -v every="${2:-1}" -v pattern="$1" '$1 ~ pattern && !(n++ % every) { print $1 }' /tmp/cases
}

evil-backend list >/tmp/cases
for guest in alice bob; do domid $guest >/tmp/$guest.id; done
IN_RINGS='^(tx|rx|ev|both)-'
TO_DEVICE='^(storm|late-offer|close|end|hold-pages|remove-.*|many-epochs|no-answers|bind-unanswered|never-connected)$'

note "alice (PV), with a driver that is loaded anew for each case"
# shellcheck disable=SC2046 # words
{
	run_cases alice plain $(names "$IN_RINGS")
	check_cases
	run_one_by_one alice plain $(names "$TO_DEVICE")
	run_cases alice plain $(names '^(nothing|state-nonsense)$|=')
	check_cases
}
note 'bob (PVH), with a driver that stays: what a case leaves behind is the next one'\''s'
# shellcheck disable=SC2046
{
	run_cases bob keep $(names "$IN_RINGS" 2) nothing
	check_cases
	run_one_by_one bob plain $(names "$TO_DEVICE")
}

check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
