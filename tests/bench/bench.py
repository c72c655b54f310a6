#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the benchmark; README.md beside it says what it measures.

    bench.py plan --payload DIR [--counts] [--rounds N] [WORD...]
                      what scenario.sh is to do; prints the names of scenarios
    bench.py report --payload DIR --out DIR --json FILE [--parallel] [--failed]
                      tables, rows and pictures of what came out
    bench.py check --json FILE --baseline FILE [WORD...]
                      what got worse

WORDs choose rows by their fields: `64 oneway pv`.  All without any.
"""
import argparse
import json
import os
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import check
import counts
import limits
import picture
import plan
import results
import table


def make_plan(options):
    todo = plan.write(os.path.join(options.payload, "bench"), options.words, options.counts,
                      options.rounds)
    for variant, runs in todo:
        rows = sum(len(run.works) for run in runs)
        print(f"bench: {variant}: {rows} works in {len(runs)} runs", file=sys.stderr)
    # What the harness is to be told.
    print(" ".join(f"bench+{variant}" for variant, _ in todo))
    return 0 if todo else 1


def collect(options):
    """All that the machines brought, and what is missing."""
    measured = results.Measured()
    for variant, runs in plan.read(os.path.join(options.payload, "bench")).items():
        folder = os.path.join(options.out, f"bench+{variant}")
        try:
            with open(os.path.join(folder, "results"), encoding="utf-8", errors="replace") as f:
                text = f.read()
        except FileNotFoundError:
            measured.errors.append(f"the machine for {variant} brought no results")
            continue
        if variant.endswith("-count"):
            counted = counts.Counted(folder, text, runs)
            measured.counted += counted.rows
            measured.errors += counted.errors
        else:
            measured.add(text, runs)
    return measured


def write_out(measured, file):
    """Rows and pictures; returns the files' names."""
    with open(file, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(json.dumps(row) for row in measured.joined()) + "\n]\n")
    files = [file]
    for guest in plan.GUESTS:
        if any(row["guest"] == guest for row in measured.rows):
            files.append(f"{os.path.splitext(file)[0]}-{guest}.svg")
            with open(files[-1], "w", encoding="utf-8") as f:
                f.write(picture.draw(measured.rows, guest))
    return files


def report(options):
    measured = collect(options)
    if options.failed:
        measured.errors.append("not everything went well on the machines, see above")
    if options.parallel:
        lines = ["real time on parallel processors, as multiples of libvchan's, median of "
                 f"{results.REPEATS} in each of the rounds", *table.tables(measured.rows, relative=True),
                 *limits.parallel(measured.rows)]
        files = []
    else:
        lines = ["instructions of the whole machine for each message, median of "
                 f"{results.REPEATS}", *table.tables(measured.rows),
                 *table.counters(measured.counted), *limits.lines(measured.rows),
                 *limits.saturation(measured.counted)]
        files = write_out(measured, options.json)
    print("\n".join([*lines, *table.spread(measured.rows), ""]))
    for error in measured.errors:
        print(f"bench: error: {error}")
    verdict = "FAILED" if measured.errors else "ok"
    print(f"bench: {verdict}: {len(measured.rows)} rows measured, {len(measured.errors)} errors"
          + (f"; {' '.join(files)}" if files else ""))
    return 1 if measured.errors else 0


def load(file):
    try:
        with open(file, encoding="utf-8") as f:
            return json.load(f)
    except FileNotFoundError:
        return None


def check_baseline(options):
    rows, baseline = load(options.json), load(options.baseline)
    if rows is None or baseline is None:
        print(f"bench-check: FAILED: there is no {options.baseline if rows else options.json}")
        return 1
    worse, better, missing = check.compare(rows, baseline, options.words)
    for title, lines in (("better", better), ("missing", missing), ("WORSE", worse)):
        for line in lines:
            print(f"{title:<8}{line}")
    bad = worse or missing
    print(f"bench-check: {'FAILED' if bad else 'ok'}: {len(worse)} rows are more than "
          f"{check.WORSE:.0%} worse than {options.baseline}, {len(better)} better, "
          f"{len(missing)} missing")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("plan", "report", "check"))
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--payload", help="folder with what the machine gets")
    parser.add_argument("--out", help="folder with what came out of machines")
    parser.add_argument("--json", help="file for the rows")
    parser.add_argument("--baseline", help="rows to compare with")
    parser.add_argument("--rounds", type=int, default=1, help="how often all is measured")
    parser.add_argument("--parallel", action="store_true",
                        help="the machines counted real time")
    parser.add_argument("--failed", action="store_true", help="a scenario has failed")
    parser.add_argument("--counts", action="store_true",
                        help="also count hypercalls, events and system calls")
    options = parser.parse_intermixed_args()
    bad = plan.unknown(options.words)
    if bad:
        print(f"bench: FAILED: nothing is called {' '.join(bad)}; there are "
              + " ".join(f"{k} {'|'.join(sorted(v))};" for k, v in plan.VALUES.items()))
        return 2
    actions = {"plan": make_plan, "report": report, "check": check_baseline}
    return actions[options.action](options)


if __name__ == "__main__":
    sys.exit(main())
