# SPDX-License-Identifier: GPL-2.0-or-later
"""What came out of the machine, as rows with figures.

A results file has, for each run, `run NAME STATUS` and what the two processes
printed: `R ID REPEAT MESSAGES NANOSECONDS` for each repeat of a work.
"""
import re
import statistics

import plan

REPEATS = 3     # in one run


class Measured:
    """The rows that have a figure, and what went wrong, in words."""

    def __init__(self):
        self.rows, self.errors = [], []
        self.counted = []   # rows with counters, of counts.py

    def add(self, text, runs):
        """text: of one machine's results file; runs: what it was to do."""
        per_run, name = {}, None
        for line in text.splitlines():
            if match := re.fullmatch(r"run (\S+) (\d+)", line):
                name = match.group(1)
                per_run[name] = []
                if match.group(2) != "0":
                    self.errors.append(f"{name}: its source ended with status {match.group(2)}")
            elif name and (match := re.fullmatch(r"R (\d+) (\d+) (\d+) (\d+)", line)):
                number, repeat, count, ns = map(int, match.groups())
                per_run[name].append((number, repeat, ns / count))
            elif line:
                self.errors.append(f"{name}: {line}")
        rows = {}
        for run in runs:
            found = per_run.get(run.tag, [])
            for number, row in run.works:
                _, values, wanted = rows.get(number, (None, [], 0))
                values += [value for n, _, value in found if n == number]
                rows[number] = (row, values, wanted + REPEATS)
        for row, values, wanted in rows.values():
            self._row(row, values, wanted)

    def _row(self, row, values, wanted):
        if len(values) != wanted:
            self.errors.append(f"no figure for {label(row)}")
            return
        middle = statistics.median(values)
        self.rows.append({**row, "instructions": round(middle, 1 if middle < 1000 else 0),
                          "spread": round((max(values) - min(values)) / middle, 4)})


    def joined(self):
        """Rows as they are kept, with their counters if there are any."""
        counters = {}
        for row in self.counted:
            key = tuple(row[k] for k in plan.KEYS)
            counters[key] = {k: v for k, v in row.items()
                             if k not in plan.KEYS and k != "exact"}
        return [{**row, **counters.get(tuple(row[k] for k in plan.KEYS), {})}
                for row in self.rows]


def label(row):
    pairs = f", {row['pairs']} pairs" if row["pairs"] > 1 else ""
    return (f"{row['path']} {row['guest']} {row['mode']} {row['work']} "
            f"{row['style']} {size(row['bytes'])}{pairs}")


def size(n):
    for unit, one in (("MiB", 1 << 20), ("KiB", 1024)):
        if n >= one and n % one == 0:
            return f"{n // one} {unit}"
    return f"{n} B"
