#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs the distribution packages that the named groups need, and nothing when they are all
# there.  Usage: sh tests/deps.sh [--list] GROUP...
#
# It asks dpkg what is missing first, so that a prepared machine (or one without network) pays
# nothing for it.  A machine that is not Debian is left alone: the build then names what it lacks.
set -eu

packages() {
	case $1 in
	build) echo gcc make libc6-dev binutils pkg-config libxen-dev libsystemd-dev libinih-dev \
		nettle-dev ;;
	test) echo check python3 ;;
	coverage) echo gcovr python3 ;;
	lint) echo clang clang-format clang-tidy cppcheck shellcheck python3 ;;
	profile) echo valgrind python3 ;;
	fuzz) echo clang libclang-rt-dev ;;
	# Those of one kernel: the name says which.
	linux-headers-*) echo make gcc "$1" ;;
	xen) echo qemu-system-x86 qemu-utils python3 cpio lz4 xz-utils zstd busybox-static kmod \
		mmdebstrap ;;
	# What a kernel is made with (tests/xen/debugkernel.py).
	debug-kernel) echo make gcc bc bison flex libelf-dev perl xz-utils ;;
	*)
		echo "deps: unknown group '$1' (build test coverage lint profile fuzz xen linux-headers-*" \
			"debug-kernel)" >&2
		exit 2
		;;
	esac
}

list=
[ "${1:-}" != --list ] || { list=y; shift; }
[ $# -gt 0 ] || { echo "usage: sh tests/deps.sh [--list] GROUP..." >&2; exit 2; }

wanted=
for group in "$@"; do
	wanted="$wanted $(packages "$group")"
done
if [ -n "$list" ]; then
	# shellcheck disable=SC2086 # a list of words
	printf '%s\n' $wanted | sort -u
	exit 0
fi
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps: not a Debian machine; needed are the equivalents of:$wanted" >&2
	exit 0
fi

missing=
for package in $wanted; do
	case " $missing " in *" $package "*) continue ;; esac
	# shellcheck disable=SC2016 # dpkg's own variable, not the shell's
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps: missing, and neither root nor sudo to install them:$missing" >&2
		exit 1
	fi
	sudo=sudo
fi

# The lock is shared with whatever else installs packages at this moment: wait for it.
apt() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
		-o Dpkg::Use-Pty=0 -o APT::Color=0 "$@"
}

echo "deps: installing ($*):$missing"
# A fresh machine knows no package yet, and an old list names files that are gone.
all_known() {
	for package in $missing; do
		LC_ALL=C apt-cache policy "$package" | grep -q 'Candidate: [^(]' || return 1
	done
}
# shellcheck disable=SC2086 # a list of words
if ! all_known; then
	echo "deps: fetching the list of packages"
	apt update
	apt install -y --no-install-recommends $missing
elif ! apt install -y --no-install-recommends $missing; then
	echo "deps: renewing the list of packages and trying again"
	apt update
	apt install -y --no-install-recommends $missing
fi || {
	echo "deps: could not install:$missing" >&2
	exit 1
}
echo "deps: installed:$missing"
