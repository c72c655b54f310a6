# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2016 # what is quoted is the guests' to expand
# The harness itself works: commands in dom0 and in guests, background
# commands, the payload, the Xen libraries and devices in PV and PVH guests,
# and the death and rebirth of a guest.

is() { [ "$1" = "$2" ] || { echo "        '$1' is not '$2'"; return 1; }; }

share_a_page()
{
	xenstore-rm "/local/domain/$(domid "$1")/data/smoke" 2>/dev/null
	guest_bg "$1" share smoke share
	check "$1 grants a page" wait_for 10 \
		xenstore-exists "/local/domain/$(domid "$1")/data/smoke"
	check "dom0 maps it and answers" smoke map "$(domid "$1")"
	check "$1 gets the answer and the event" guest_wait "$1" share 10
	check "its output is kept" \
		is "$(guest_output "$1" share)" 'dom0 says: yes, dom0 is'
}

note "this is $(uname -sr) in dom0"
sum=$(sha256sum </p/scenarios/smoke.sh)
for name in $XT_GUESTS; do
	check "$name runs a command" guest "$name" uname -nr
	check "$name has the payload" \
		is "$(guest_out "$name" sh -c 'sha256sum </p/scenarios/smoke.sh')" "$sum"
done

note 'commands in the foreground'
guest alice sh -c 'echo to stdout; echo to stderr >&2; exit 7'
check 'the exit status comes back' is $? 7
guest alice sh -c 'kill -9 $$'
check 'so does death by a signal' is $? 137
guest alice no-such-program
check 'so does a program that is not there' is $? 127
check 'arguments arrive as they are' is \
	"$(guest_out alice printf '%s|' 'a b' '' '$x' "it's" '\x' "$(printf 'ä\n\tz')")" \
	"$(printf 'a b||$x|it'"'"'s|\\x|ä\n\tz|')"
check 'a large output arrives whole' is \
	"$(guest_out bob head -c 50000 /boot/vmlinuz | sha256sum)" \
	"$(guest_out bob sh -c 'head -c 50000 /boot/vmlinuz | sha256sum')"

note 'commands in the background, in a busy guest'
guest_bg alice load sh -c 'while :; do :; done'
guest_bg alice nap sleep 1000
check 'both run' guest_running alice nap
check 'the guest still answers' guest alice echo here I am
guest_wait alice nap 1
check 'waiting ends after a while' is $? 124
check 'a signal is sent' guest_kill alice nap TERM
guest_wait alice nap 10
check 'and ends the command' is $? 143
guest_kill alice load KILL
guest_wait alice load 10
check 'the other one too' is $? 137

dom0_bg nap sleep 1000
check 'a command runs in dom0' dom0_running nap
check 'a signal is sent' dom0_kill nap HUP
dom0_wait nap 10
check 'and ends it' is $? 129

note 'the Xen libraries and devices'
for name in $XT_GUESTS; do
	share_a_page "$name"
	check "$name reads xenstore" guest_out "$name" xenstore-read name
done

note 'vector registers, several processes at once'
for name in $XT_GUESTS; do
	guest_bg "$name" one smoke registers 1 1000
	guest_bg "$name" two smoke registers 2 1000
done
dom0_bg one smoke registers 3 4000
dom0_bg two smoke registers 4 4000
for name in dom0 $XT_GUESTS; do
	check "those of $name are right" guest_wait "$name" one 100
	check "and those of its second process" guest_wait "$name" two 100
done

note 'guests die and come back'
guest_bg bob nap sleep 1000
for name in bob alice; do
	old=$(domid "$name")
	check "$name is destroyed" destroy_guest "$name"
	check_not 'and is gone' domid "$name"
	check "$name is created anew" create_guest "$name"
	check_not 'with another id' is "$(domid "$name")" "$old"
	check 'and runs commands' guest "$name" uptime
	share_a_page "$name"
done
guest_wait bob nap 1
check 'a command in the old guest is told of its end' is $? 200

note 'health'
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
head -c 1000000 /guests/initrd >/tmp/blob
check 'a file is saved' save_file /tmp/blob
