#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run clang-tidy on one file, without the leaks it only believes in.

Usage: tidy.py FILE -- COMPILER-FLAGS...

The analyzer does not know __attribute__((cleanup)): it takes what such a
variable frees at the end of its scope for a leak.  Those reports are dropped.
"""
import re
import subprocess
import sys

HEAD = re.compile(r"^(\S[^:\n]*):(\d+):\d+: (error|warning): (.*)$")
LEAK = re.compile(r"Potential leak of memory pointed to by '(?:\*?&?)(\w+)'")
CLEANUP = re.compile(r"_cleanup_\(\w+\)[^;=]*?\b(\w+)\s*(?:=|;|\[)")


def false(message, cleaned):
    leak = LEAK.search(message)
    return bool(leak) and leak.group(1) in cleaned


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as f:
        cleaned = set(CLEANUP.findall(f.read()))
    tidy = subprocess.run(["clang-tidy", "--quiet", *sys.argv[1:]], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # A report is its head and the notes and source lines up to the next head.
    reports, lines = 0, []
    keep = True
    for line in tidy.stdout.splitlines():
        head = HEAD.match(line)
        if head:
            keep = not false(head.group(4), cleaned)
            reports += keep
        if keep:
            lines.append(line)
    if reports:
        print("\n".join(lines))
        return 1
    # It failed, and not over something that was dropped: say why (it did not even parse?).
    if tidy.returncode != 0 and "warning" not in tidy.stdout and "error" not in tidy.stdout:
        print(tidy.stdout + tidy.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
