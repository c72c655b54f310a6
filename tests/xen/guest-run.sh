#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Run in a guest by its init's shell once the payload is unpacked: set up the
# environment of commands, and become the agent.
# shellcheck disable=SC1091
. /p/xt/env.sh
mkdir -p /tmp /lib64
ln -sf /p/lib/ld-linux-x86-64.so.2 /lib64/ld-linux-x86-64.so.2
cd /tmp || exit
exec agent
