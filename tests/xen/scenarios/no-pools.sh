# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# The mix of the scenario "mixed" with pools refused by the configuration: every
# page is copied by the hypervisor, with the same result.
# limit: 900
# quiet-limit: 300
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

start_broker no-pools.conf
traffic_between alice bob --mode copy --count 10000
traffic_between alice mallory --mode copy --count 10000
check 'nothing was copied between mapped pools' test "$(counter memcpys)" = 0
check 'the hypervisor copied' test "$(counter delivered-grant-copy-messages)" -gt 70000
xenmsgctl status
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
