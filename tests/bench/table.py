# SPDX-License-Identifier: GPL-2.0-or-later
"""The report in words: tables of instructions per message, and the limits.

In a table of one kind of guest, rows are works and columns are ways.
"""
from plan import GUESTS, window_of
from results import size

COLUMNS = (("vchan", "copy", "vchan"), ("relay", "copy", "relay"), ("tcp", "copy", "tcp"),
           ("ours-user", "copy", "user copy"), ("ours-user", "map", "map"),
           ("ours-user", "copy-nopool", "no pool"),
           ("ours-kernel", "copy", "kernel copy"), ("ours-kernel", "map", "map"),
           ("ours-kernel", "copy-nopool", "no pool"))
STYLES = {"buffer": "", "inplace": ", in place", "batch": ", batches"}


def number(value):
    if value < 1000:
        return f"{value:.0f}"
    if value < 10_000:
        return f"{value:,.0f}"
    return f"{value / 1000:,.1f}k" if value < 100_000 else f"{value / 1000:,.0f}k"


def work_label(row):
    name = {"oneway": "one way", "rtt": "round trip"}.get(
        row["work"], f"echo, window {window_of(row['work'])}")
    pairs = f", {row['pairs']} pairs" if row["pairs"] > 1 else ""
    return f"{name} {size(row['bytes'])}{pairs}"


def aligned(lines):
    """Cells in columns, the first to the left, the others to the right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                      for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
            for line in lines]


def _order(row):
    works = ("oneway", "rtt", "echo4", "echo16", "echo64")
    return (row["pairs"], works.index(row["work"]), row["bytes"],
            list(STYLES).index(row["style"]))


def _cell(row, base, relative):
    if not row:
        return "-"
    if not relative:
        return number(row["instructions"])
    return f"{row['instructions'] / base['instructions']:.2f}" if base else "-"


def tables(rows, relative=False):
    """relative: to libvchan's figure, or the relay's, as times are worth nothing by themselves."""
    lines = []
    for guest in GUESTS:
        mine = [row for row in rows if row["guest"] == guest]
        columns = [c for c in COLUMNS if any((r["path"], r["mode"]) == c[:2] for r in mine)]
        if not columns:
            continue
        keys = {}
        for row in sorted(mine, key=_order):
            keys.setdefault((work_label(row), row["style"]), {})[row["path"], row["mode"]] = row
        cells = [[f"{guest.upper()} to {guest.upper()}", *(c[2] for c in columns)]]
        for (text, style), found in keys.items():
            # There is no "in place" for the others: theirs are the same.
            other = keys.get((text, "buffer"), {})
            line = [text + STYLES[style]]
            for path, mode, _ in columns:
                row = found.get((path, mode))
                if not row and style != "buffer" and not path.startswith("ours"):
                    row = other.get((path, mode))
                base = other.get(("vchan", "copy"), other.get(("relay", "copy")))
                line.append(_cell(row, base, relative))
            cells.append(line)
        lines += ["", *aligned(cells)]
    return lines


def counters(rows):
    """What was counted for each message."""
    if not rows:
        return []
    cells = [["for each message", "hypercalls", "(of event channels)", "events", "system calls:", "daemon", "both ends",
              "instructions:", "dom0", "source", "sink"]]
    for row in rows:
        cells.append([f"{row['guest']} {row['path']} {row['mode']} {work_label(row)}",
                      f"{row['hypercalls']:.3f}", f"{row['event_hypercalls']:.3f}",
                      f"{row['events']:.3f}", "",
                      f"{row['daemon_syscalls']:.3f}", f"{row['guest_syscalls']:.3f}", "",
                      *(number(row[k]) for k in ("dom0_time", "source_time", "sink_time"))])
    return ["", *aligned(cells)]


def spread(rows):
    """How well repeats agree."""
    if not rows:
        return []
    worst = sorted(rows, key=lambda row: -row["spread"])[:3]
    typical = sorted(row["spread"] for row in rows)[len(rows) // 2]
    return ["", f"spread of {len(rows)} rows' repeats: median {typical:.1%}; largest "
            + ", ".join(f"{row['spread']:.1%} ({row['path']} {row['guest']} {row['mode']} "
                        f"{work_label(row)})" for row in worst)]
