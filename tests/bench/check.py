# SPDX-License-Identifier: GPL-2.0-or-later
"""What got worse since the baseline.

By more than the repeats of that row differ among themselves: those are noise.
"""
import plan
from results import label

WORSE = 0.03


def _key(row):
    return tuple(row[k] for k in plan.KEYS)


def compare(rows, baseline, words):
    """(worse, better, missing): lines for a person; of the rows that words choose."""
    measured = {_key(row): row for row in rows}
    worse, better, missing = [], [], []
    for old in baseline:
        if not plan.wanted(old, words):
            continue
        new = measured.get(_key(old))
        if not new:
            missing.append(f"{label(old)}: in the baseline, and not measured")
            continue
        change = new["instructions"] / old["instructions"] - 1
        if abs(change) > max(WORSE, old.get("spread", 0), new.get("spread", 0)):
            (worse if change > 0 else better).append(
                f"{label(old)}: {old['instructions']:,.0f} -> {new['instructions']:,.0f} "
                f"({change:+.1%})")
    return worse, better, missing
