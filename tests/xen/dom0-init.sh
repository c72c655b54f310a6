#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# dom0's init, up to the moment at which the machine is put into a snapshot.
#
# It starts what Xen needs, boots the guests and then waits for lines on the
# virtio console and runs them.  It knows nothing of scenarios or of the
# project: all that comes with the payload disk, which must not be read here
# (a snapshot of it in the page cache would hide later payloads).
export PATH=/sbin:/bin:/usr/sbin:/usr/bin

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /run /tmp /var/run /var/lock /var/log/xen/console
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /run
mount -t tmpfs -o size=90% tmp /tmp
rm -rf /var/run && ln -s /run /var/run
mkdir -p /run/xen /run/xenstored /run/xt /var/lib/xen /var/lib/xenstored

# say TEXT: to the serial port, where the harness looks for such lines.
say() { echo "xen-test: $1" >/dev/console; }

stop()
{
	say "$1 failed"
	exec sh
}

say 'dom0 is up'
while read -r module; do
	insmod "/modules/$module" || stop "insmod $module"
done </modules/list
mount -t xenfs xenfs /proc/xen

# By the kernel's command line: xenstored or oxenstored.
# shellcheck disable=SC2154
"$xenstored" --pid-file /run/xenstored.pid || stop "$xenstored"
timeout 20 xen-init-dom0 || stop xen-init-dom0
xenconsoled --log=guest --pid-file=/run/xenconsoled.pid || stop xenconsoled

for guest in /guests/*.cfg; do
	xl create -q "$guest" || stop "xl create $guest"
	say "${guest##*/} is started"
done
for guest in /guests/*.cfg; do
	guest=${guest##*/}
	log=/var/log/xen/console/guest-${guest%.cfg}.log
	tries=0
	until grep -q 'xen-test: guest is waiting' "$log" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || stop "guest ${guest%.cfg}"
		sleep 0.1
	done
	say "${guest%.cfg} is up"
	xenstore-read "/local/domain/$(xl domid "${guest%.cfg}")/console/tty" \
		>"/run/xt/${guest%.cfg}.tty" || stop "the console of ${guest%.cfg}"
done

# The port that is a terminal: hvc0 is Xen's own console.
tty=/dev/hvc1
[ -c $tty ] || stop "the virtio console"
# shellcheck disable=SC2094 # it is a terminal
exec <$tty >$tty 2>&1
stty raw -echo
echo "xen-test: machine is waiting"
while read -r line; do
	eval "$line"
done
