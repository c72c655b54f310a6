# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
# What the scenarios of xenmsg itself share: the broker in dom0, and listeners
# in guests. A scenario starts with `. /p/xt/xenmsg.sh`.

# The variant says which guests have the kernel's driver; in the others a process
# drives the device. A scenario can name those that may have it.
case $XT_VARIANT in
kernel) XM_KERNEL=${XM_KERNEL_GUESTS:-alice bob mallory} ;;
half) XM_KERNEL=alice ;;
*) XM_KERNEL= ;;
esac

has_kernel_driver()
{
	case " $XM_KERNEL " in *" $1 "*) return 0 ;; esac
	return 1
}

# load_driver GUEST [PARAMETER=VALUE...]
load_driver()
{
	xm_guest=$1
	shift
	: >"$XT/$xm_guest.driver"
	# shellcheck disable=SC2016 # the guest's to expand
	guest "$xm_guest" sh -c 'insmod "/p/modules/$(uname -r)/xen-vmsgfront.ko" "$@"' - "$@"
}

# What holds the device is the driver's module until it is unbound, as with all of Xen's.
unload_driver()
{
	: >"$XT/$1.driver"
	guest "$1" sh -c 'cd /sys/bus/xen/drivers/xen-vmsgfront || exit
		[ ! -e vmsg-0 ] || echo vmsg-0 >unbind
		rmmod xen-vmsgfront'
}

# Called by create_guest, too.
guest_ready()
{
	has_kernel_driver "$1" || return 0
	load_driver "$1" || fail "$1 cannot load the driver"
}

for xm_guest in $XM_KERNEL; do
	guest_ready "$xm_guest"
done

BROKER_LOG=/run/xenmsg.log
BROKER_PID=/run/xenmsg.pid

# start_broker CONF: a path, or from the scenarios' folder; returns when it is ready.
start_broker()
{
	mkdir -p /run/xenmsg
	case $1 in /*) xm_conf=$1 ;; *) xm_conf=/p/scenarios/$1 ;; esac
	xenmsgd -c "$xm_conf" >>$BROKER_LOG 2>&1 &
	echo $! >$BROKER_PID
	wait_for 10 broker_answers || {
		fail 'the broker does not get ready'
		cat $BROKER_LOG
		exit 1
	}
}

broker_answers() { [ -S /run/xenmsg/control ] && xenmsgctl status --json >/dev/null 2>&1; }
broker_runs() { kill -0 "$(cat $BROKER_PID)" 2>/dev/null; }
broker_ended() { ! broker_runs; }

# stop_broker: cleanly, as systemd does.
stop_broker()
{
	kill -TERM "$(cat $BROKER_PID)"
	wait_for 10 broker_ended
}

# domain_counter GUEST NAME: one of the counters that the broker has for it.
domain_counter()
{
	xenmsgctl status --json | awk -v name="\"$1\"," -v key="\"$2\":" '
		$1 == "\"name\":" { mine = $2 == name }
		$1 == key && mine { print $2 + 0 }'
}
# port_count GUEST: how many ports it has bound.
port_count() { domain_counter "$1" ports; }
has_port() { [ "$(port_count "$1")" -gt 0 ] 2>/dev/null; }

# serve GUEST TAG ARG...: `xenmsg listen` in the background, until it is bound.
serve()
{
	xm_guest=$1
	xm_tag=$2
	shift 2
	guest_bg "$xm_guest" "$xm_tag" xenmsg listen -q "$@"
	wait_for 10 listens "$xm_guest" "$xm_tag" || fail "$xm_guest does not listen"
}

# It says so first, once the broker has bound its port.
listens() { read -r xm_line <"$XT/$1.$2.out" && [ "${xm_line#listening on port}" != "$xm_line" ]; }

# unserve GUEST TAG: ends it.
unserve()
{
	guest_kill "$1" "$2" TERM
	guest_wait "$1" "$2" 10 || fail "$1 does not stop listening"
}

# refused GUEST RULE: the log says that this rule refused something of the guest.
refused() { grep -q "rule=\"$2\" refused.*$1" "$BROKER_LOG"; }

# nothing_lost GUEST TAG: by a ping that was interrupted, and may have had one
# message under way then.
nothing_lost() { grep -q ' [01] lost' "$XT/$1.$2.out"; }

# traffic_between A B OPTION...: the traffic program in both, until it ended.
traffic_between()
{
	xm_a=$1
	xm_b=$2
	shift 2
	guest_bg "$xm_b" traffic traffic "$@" "$xm_a"
	check "$xm_a <-> $xm_b $*: $xm_a got everything right" \
		guest "$xm_a" traffic "$@" "$xm_b"
	guest_wait "$xm_b" traffic 60
	check "$xm_a <-> $xm_b $*: $xm_b got everything right" test $? = 0
	guest_output "$xm_b" traffic | tail -n 1
}

# counter NAME: one of the broker's counters.
counter() { xenmsgctl status --json | sed -n "s/.*\"$1\": \\([0-9]*\\).*/\\1/p" | head -n 1; }
