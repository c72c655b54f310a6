# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The installed service in a Debian dom0: systemd starts it at boot and again
# after it died, restarts it at a word, and ends it when it hangs; guests notice
# a pause. It runs as its own user, and is as locked up as can be.
# limit: 900
# quiet-limit: 300
# root: debian
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

# In the tree that systemd runs in.
in_debian() { env -u LD_LIBRARY_PATH -u LD_BIND_NOW SYSTEMD_COLORS=0 SYSTEMD_URLIFY=0 chroot "$XT_ROOT" "$@"; }
property() { in_debian systemctl show -P "$1" xenmsgd.service; }
is_active() { in_debian systemctl -q is-active xenmsgd.service; }
booted() { case $(in_debian systemctl is-system-running) in running | degraded) ;; *) false ;; esac; }
another_pid() { is_active && [ "$(property MainPID)" != "$1" ]; }

note 'systemd boots dom0'
check 'it has booted' wait_for 120 booted
in_debian systemctl --no-pager --failed --quiet
check 'the service is active' wait_for 10 is_active
in_debian systemctl --no-pager status xenmsgd.service
check 'it runs as its own user' test \
	"$(stat -c %U "/proc/$(property MainPID)" | tail -n 1)" != root
serve bob echo 7 --echo
check 'alice and bob talk' guest alice xenmsg ping -q -c 10 -i 0.1 bob

note 'alice pings all the time, whatever happens to the service'
guest_bg alice ping xenmsg ping -i 0.1 -W 60 bob
pid=$(property MainPID)
in_debian systemctl restart xenmsgd.service
check 'restarted' wait_for 20 another_pid "$pid"
pid=$(property MainPID)
kill -9 "$pid"
check 'it comes back after kill -9' wait_for 20 another_pid "$pid"
pid=$(property MainPID)
kill -STOP "$pid"
check 'the watchdog ends it when it hangs' wait_for 60 another_pid "$pid"
check 'the journal says so' \
	in_debian journalctl -q -u xenmsgd --grep 'Watchdog timeout' -n 1 --no-pager
sleep 2
guest_kill alice ping INT
guest_wait alice ping 10
check 'not one ping was lost' nothing_lost alice ping
guest_output alice ping | tail -n 2

check_not 'a port that the policy does not know is refused' guest mallory xenmsg send nobody:9 -m x
check 'the journal has a field for the rule' \
	in_debian journalctl -q -u xenmsgd XENMSG_RULE='name is unknown' -n 1
exposure=$(in_debian systemd-analyze --no-pager security xenmsgd.service | sed -n 's/.*exposure level for xenmsgd.service: \([0-9.]*\).*/\1/p')
note "systemd-analyze security: $exposure"
check 'that is at most 2.0' awk "BEGIN { exit !($exposure <= 2.0) }"
check 'stopped cleanly' in_debian systemctl stop xenmsgd.service
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
