# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2016
# The harness itself works: commands in dom0 and in guests, background
# commands, the payload, and the life and death of guests.

note "$(uname -sr) in dom0"
for name in alice bob mallory; do
	check "$name runs a command" guest "$name" uname -n -r
done
guest alice sh -c 'echo out; echo err >&2; exit 7'
check "exit status of a guest's command comes back" test $? -eq 7
