#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Print branch coverage per file and check it against limits.

Usage: coverage.py --objects FOLDER GROUP=PERCENT=GLOB[,GLOB...]...

Each group's branches are summed over its files; a group below its limit fails.
A group whose files do not exist yet is named and passes.  Branches of
assert() are left out: what it asserts cannot be made false by a test.
"""
import argparse
import fnmatch
import glob
import json
import subprocess
import sys


def measure(objects):
    """{file: (branches taken, branches, lines run, lines)} as gcovr sees them."""
    command = ["gcovr", "--root", ".", "--object-directory", objects, objects,
               "--filter", r"(common|frontend|backend|broker)/",
               "--exclude-branches-by-pattern", r"^\s*(static_)?assert\(",
               "--exclude-unreachable-branches", "--exclude-throw-branches",
               "--json-summary", "-"]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {f["filename"]: (f["branch_covered"], f["branch_total"],
                            f["line_covered"], f["line_total"])
            for f in json.loads(text)["files"]}


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", required=True)
    parser.add_argument("groups", nargs="+")
    args = parser.parse_args()

    print("coverage: reading the counters", flush=True)
    files = measure(args.objects)
    print(f"{'file':44} {'branches':>16} {'':>7} {'lines':>16}")
    for name, (taken, branches, run, lines) in sorted(files.items()):
        print(f"{name:44} {taken:>7} of {branches:>5} {percent(taken, branches):6.1f}%"
              f" {run:>7} of {lines:>5} {percent(run, lines):6.1f}%")
    print()

    below = []
    for group in args.groups:
        name, limit, patterns = group.split("=")
        patterns = patterns.split(",")
        exist = [f for p in patterns for f in glob.glob(p) if f.endswith(".c")]
        if not exist:
            print(f"coverage: {name}: has no files yet, limit {limit}% not applied")
            continue
        # A source file without counters was never even linked into a test.
        unseen = sorted(f for f in exist if f not in files)
        counts = [c for f, c in files.items()
                  if any(fnmatch.fnmatch(f, p) for p in patterns)]
        taken, branches = sum(c[0] for c in counts), sum(c[1] for c in counts)
        ok = percent(taken, branches) >= float(limit) and not unseen
        print(f"coverage: {name}: {percent(taken, branches):.1f}% of {branches} branches,"
              f" limit {limit}%" + ("" if ok else ": BELOW THE LIMIT"))
        for f in unseen:
            print(f"coverage: {name}: {f} is in no test")
        if not ok:
            below.append(name)
    print(f"coverage: below the limit: {', '.join(below)}" if below
          else "coverage: all limits kept")
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
