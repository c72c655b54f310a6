# SPDX-License-Identifier: GPL-2.0-or-later
"""Hypercalls, events and system calls for each message, from what count.sh brought.

Two runs of a work differ in the number of messages only; what the longer one
has more of is the messages' own.  A run's hypercalls are those in a trace of
Xen: PV guests' hypercalls, and VMMCALL of the others.
"""
import os
import re
import struct

from results import label

# xen/include/public/trace.h
PV_HYPERCALL, VMMCALL = 0x0020100d, 0x00082012
EVENT_CHANNEL_OP = 32
COUNTERS = ("events", "daemon_syscalls", "guest_syscalls", "dom0_time", "source_time", "sink_time")


def hypercalls(file):
    """(all, those about event channels) in a trace."""
    with open(file, "rb") as f:
        data = f.read()
    at = count = events = 0
    while at + 4 <= len(data):
        word, = struct.unpack_from("<I", data, at)
        event, extra, timed = word & 0x0fffffff, word >> 28 & 7, word >> 31
        at += 4 + 8 * timed
        if event in (PV_HYPERCALL, VMMCALL) and extra and at + 4 <= len(data):
            op, = struct.unpack_from("<I", data, at)
            count += 1
            events += op & 0xfffff == EVENT_CHANNEL_OP
        at += 4 * extra
    return count, events


class Counted:
    """{row's number: {counter: for each message}} of one machine."""

    def __init__(self, folder, text, runs):
        self.errors, self.rows = [], []
        per_run = self._parse(text)
        works = {}
        for run in runs:
            for number, row in run.works:
                works.setdefault(number, []).append((row["exact"], run.tag, row))
        for pair in works.values():
            (few, short, row), (many, long, _) = sorted(pair, key=lambda work: work[0])
            one = self._counters(folder, short, per_run)
            other = self._counters(folder, long, per_run)
            if one and other:
                self.rows.append({**row, **{k: round((other[k] - one[k]) / (many - few), 3)
                                            for k in other}})
            else:
                self.errors.append(f"no counters for {label(row)}")

    @staticmethod
    def _parse(text):
        per_run = {}
        for line in text.splitlines():
            if match := re.fullmatch(r"N (\S+) (\w+) (-?\d+)", line):
                per_run.setdefault(match.group(1), {})[match.group(2)] = int(match.group(3))
        return per_run

    @staticmethod
    def _counters(folder, tag, per_run):
        found = per_run.get(tag)
        trace = os.path.join(folder, f"{tag}.trace")
        if not found or not all(name in found for name in COUNTERS) or not os.path.exists(trace):
            return None
        total, about_events = hypercalls(trace)
        return {"hypercalls": total, "event_hypercalls": about_events, **found}
