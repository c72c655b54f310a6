#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the benchmark; README.md beside it says what it measures.

    bench.py plan --payload DIR [WORD...]      what scenario.sh is to do
    bench.py report --out DIR --json FILE [WORD...]
                                               tables of what came out

WORDs choose rows by their fields: `64 oneway pv`.  All without any.
"""
import argparse
import json
import os
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import limits
import plan
import results
import table


def make_plan(options):
    folder = os.path.join(options.payload, "bench")
    todo = [run for guest in plan.GUESTS for run in plan.write(folder, guest, options.words)]
    rows = sum(len(run.works) for run in todo)
    print(f"bench: {rows} rows in {len(todo)} runs")
    return 0 if todo else 1


def report(options):
    measured = results.Measured()
    for guest in plan.GUESTS:
        runs = plan.runs(guest, options.words)
        if not runs:
            continue
        try:
            with open(os.path.join(options.out, f"bench+{guest}", "results"),
                      encoding="utf-8", errors="replace") as f:
                measured.add(f.read(), runs)
        except FileNotFoundError:
            measured.errors.append(f"the machine with {guest} guests brought no results")
    with open(options.json, "w", encoding="utf-8") as f:
        json.dump(measured.rows, f, indent=1)
        f.write("\n")
    print("\n".join(["instructions of the whole machine for each message, median of "
                     f"{results.REPEATS}", *table.tables(measured.rows),
                     *table.spread(measured.rows), *limits.lines(measured.rows), ""]))
    for error in measured.errors:
        print(f"bench: error: {error}")
    verdict = "FAILED" if measured.errors else "ok"
    print(f"bench: {verdict}: {len(measured.rows)} rows measured, {len(measured.errors)} errors; "
          f"{options.json}")
    return 1 if measured.errors else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("plan", "report"))
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--payload", help="folder with what the machine gets")
    parser.add_argument("--out", help="folder with what came out of machines")
    parser.add_argument("--json", help="file for the rows")
    options = parser.parse_intermixed_args()
    bad = plan.unknown(options.words)
    if bad:
        print(f"bench: FAILED: nothing is called {' '.join(bad)}; there are "
              + " ".join(f"{k} {'|'.join(sorted(v))};" for k, v in plan.VALUES.items()))
        return 2
    return {"plan": make_plan, "report": report}[options.action](options)


if __name__ == "__main__":
    sys.exit(main())
