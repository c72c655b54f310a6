#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs each fuzzer for a while.  Usage: sh tests/run-fuzz.sh BUILD-FOLDER SECONDS FUZZER...
#
# It starts from the inputs kept in tests/fuzz/corpus/FUZZER; new ones and crashes stay in the
# build folder, and what is worth keeping is moved to the corpus by hand.
set -eu

build=$1
seconds=$2
shift 2
[ $# -gt 0 ] || { echo 'fuzz: there are no fuzzers'; exit 0; }

failed=0
for name in "$@"; do
	found=$build/corpus/$name
	crashes=$build/crashes/$name
	kept=tests/fuzz/corpus/$name
	mkdir -p "$found" "$crashes"
	echo "fuzz: $name, $seconds s"
	[ -d "$kept" ] || kept=
	if "$build/fuzz/$name" -max_total_time="$seconds" -artifact_prefix="$crashes/" \
		-print_final_stats=1 "$found" ${kept:+"$kept"}; then
		echo "fuzz: $name: ok"
	else
		echo "fuzz: $name: FAILED, the input is in $crashes"
		failed=$((failed + 1))
	fi
done
if [ "$failed" -gt 0 ]; then
	echo "fuzz: $failed of $# fuzzers failed"
	exit 1
fi
echo "fuzz: all $# fuzzers passed"
