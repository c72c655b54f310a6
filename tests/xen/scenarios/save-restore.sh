# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# A guest with the kernel's driver is saved and restored in the middle of
# traffic with another one: what was answered with success has arrived once,
# what was under way has failed, and all go on under the new address.
# limit: 1800
# quiet-limit: 600
XT_VARIANT=kernel
# shellcheck source=tests/xen/xenmsg.sh
. /p/xt/xenmsg.sh

PROCS=4

# ledgers FROM TO: compares what FROM's processes sent with what came to TO's.
ledgers()
{
	i=0
	while [ $i -lt $PROCS ]; do
		guest_out "$1" cat /tmp/ledger.$i.sent >/tmp/sent
		guest_out "$2" cat /tmp/ledger.$i.received >/tmp/received
		awk -v who="$1 -> $2, process $i" '
			NR == FNR { came[$2]++; total++; if (came[$2] > 1) doubled++; next }
			{ answered++ }
			$2 == 0 { good++; if (!($1 in came)) lost++ }
			$2 != 0 { failed++; status[$2]++ }
			END {
				printf "        %s: %d answered, %d of them failed (", who, answered, failed
				for (s in status) printf " %d: %d", s, status[s]
				printf " ), %d came, %d lost, %d doubled\n", total, lost, doubled
				exit !(good > 0 && !lost && !doubled)
			}' /tmp/received /tmp/sent || return 1
		i=$((i + 1))
	done
}

# restored GUEST: `xl save` and `xl restore` of it.
restored()
{
	xl save "$1" /tmp/saved >/tmp/save.out 2>&1 || { cat /tmp/save.out; return 1; }
	assert_no_zombies || return 1
	xl restore /tmp/saved >/tmp/save.out 2>&1 || { cat /tmp/save.out; return 1; }
	rm -f /tmp/saved
	restored_guest "$1"
}

# start_swarms VICTIM: in both guests, on their own: what hears a guest's commands is
# lost with its domain. The last process of the one that stays is stopped, so that
# something is under way to it when the victim is saved.
start_swarms()
{
	for guest in alice bob; do
		other=$([ $guest = alice ] && echo bob || echo alice)
		stop=$([ $guest = "$1" ] || echo "--stop $((PROCS - 1))")
		guest $guest sh -c "rm -f /tmp/swarm.* /tmp/ledger.*
			(swarm --procs $PROCS --seconds 8 --linger 6 --rate 300 $stop --ledger /tmp/ledger $other
			echo \$? >/tmp/swarm.rc) >/tmp/swarm.out 2>&1 &"
	done
}

# Asked once a second: to ask is work for the guest, too.
swarm_ended()
{
	for _ in $(seq 60); do
		guest "$1" test -s /tmp/swarm.rc && return
		sleep 1
	done
	return 1
}

connected_again() { [ "$(grep -c "$1(.*is connected" $BROKER_LOG)" -gt "$2" ]; }

start_broker kernel.conf
for victim in alice bob; do
	note "$victim is saved and restored in the middle of traffic"
	start_swarms $victim
	wait_for 20 has_port alice
	wait_for 20 has_port bob
	sleep 2
	before=$(grep -c "$victim(.*is connected" $BROKER_LOG)
	check "$victim is saved and restored" restored $victim
	check 'it has a new address' wait_for 10 connected_again $victim "$before"
	for guest in alice bob; do
		check "the processes of $guest end" swarm_ended $guest
		check "all that came to $guest was right" guest $guest grep -qx 0 /tmp/swarm.rc
		guest $guest tail -n 1 /tmp/swarm.out
	done
	check "alice's ledgers agree with bob's" ledgers alice bob
	check "bob's with alice's" ledgers bob alice
	check 'what was under way to a stopped process has failed with EHOSTDOWN' \
		guest $victim grep -q ' -112$' /tmp/ledger.$((PROCS - 1)).sent
	check 'both can go on' guest alice xenmsg peers
done
note 'a save that is called off'
check 'saved, and left running' xl save -c alice /tmp/saved
rm -f /tmp/saved
serve bob echo 7 --echo
check 'alice goes on' wait_for 10 guest alice xenmsg ping -q -c 2 -i 0.1 bob
check 'no zombies' assert_no_zombies
check 'no kernel has complained' dmesg_clean
