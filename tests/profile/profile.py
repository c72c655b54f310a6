#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions per message, by stage and by function.

Usage: profile.py [--top N] [--messages N] PROGRAM [ARGUMENT...]

`make profile` runs it over tests/profile/stream.c: N messages of LEN bytes, WINDOW under way
in each of FLOWS flows from one guest to another one, with POOLS=no by grant copy, among IDLE
guests that do nothing.  The program runs twice under valgrind's callgrind, with few messages
and with N more, and what is printed is the difference for one message: what starting and
ending take is in both.  Counts are of instructions as the processor has them, in both guests'
library and in the daemon; the simulated Xen is told apart as "tests" and what libraries do as
"libraries" (most of that is memcpy()).  They are the same on every machine with the same
compiler and libraries, and say nothing of caches.
"""
import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

FEW = 2000
# A string instruction counts once for each byte that it moves: memcpy() is to do without.
ENVIRONMENT = {**os.environ, "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS"}
LINE = re.compile(r"^\s*([\d,]+) \(\s*[\d.]+%\)\s+(\S+?):(\S.*?)(?: \[[^\]]*\])?$")
# Copies that the compiler made of a function, and calls of it by itself.
SUFFIX = re.compile(r"('\d+|\.(constprop|part|isra|cold|lto_priv)(\.\d+)?)+$")
PROJECT = ("backend", "broker", "common", "frontend", "tests")


def place(path):
    """A file's path within the project, or "" if it is a library's."""
    path = os.path.normpath(path)
    if os.path.isabs(path):
        path = os.path.relpath(path)
    return path if path.split("/")[0] in PROJECT else ""


def run(program, messages, rest, folder):
    """Instructions by (file, function)."""
    out = os.path.join(folder, f"callgrind.{messages}")
    ran = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program,
                          str(messages), *rest], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)
    if ran.returncode != 0:
        sys.exit(ran.stdout)
    text = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", out], check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    counts = collections.Counter()
    for line in text.splitlines():
        found = LINE.match(line)
        if found:
            count, path, function = found.groups()
            counts[place(path), SUFFIX.sub("", function)] += int(count.replace(",", ""))
    return counts


def by_function(counts):
    """What headers have inlined into a function is that function's: (file, function) again."""
    home = {}
    for path, function in counts:
        if path.endswith(".c"):
            home[function] = path
    merged = collections.Counter()
    for (path, function), count in counts.items():
        merged[home.get(function, path), function] += count
    return merged


def show(counts, messages, top, out):
    folders, files = collections.Counter(), collections.Counter()
    for (path, _), count in counts.items():
        folder = path.split("/")[0] if path else "libraries"
        folders[folder] += count
        if folder not in ("tests", "libraries"):
            files[path] += count
    print(f"{sum(folders.values()) / messages:9.1f} instructions per message", file=out)
    for name, count in folders.most_common():
        print(f"{count / messages:9.1f} {name}", file=out)
    print("\nby file", file=out)
    for name, count in files.most_common():
        if count >= messages / 10:
            print(f"{count / messages:9.1f} {name}", file=out)
    print("\nby function", file=out)
    for (path, function), count in counts.most_common(top):
        print(f"{count / messages:9.1f} {function}  {path or 'library'}", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--top", type=int, default=60)
    parser.add_argument("program")
    parser.add_argument("rest", nargs="*")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        few = run(args.program, FEW, args.rest, folder)
        many = run(args.program, FEW + args.messages, args.rest, folder)
    many.subtract(few)
    print("profile:", args.messages, "messages,", " ".join(args.rest))
    show(by_function(many), args.messages, args.top, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
