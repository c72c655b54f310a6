# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of the others' instructions ours may take, and whether it does.

Each limit is for PV guests and for PVH guests, and for both frontends: the
userspace one decides, the kernel's is shown beside it.
"""
from plan import GUESTS
from results import size
from table import aligned

OTHERS = ("vchan", "relay", "tcp")
# work, bytes, mode, style: ours over vchan, relay, tcp
LIMITS = (
    ("oneway", 64, "copy", "buffer", (1.0, 0.5, 0.05)),
    ("oneway", 1024, "copy", "buffer", (1.2, 0.65, 0.08)),
    ("oneway", 4096, "copy", "buffer", (1.15, 0.6, 0.1)),
    ("oneway", 4096, "copy", "inplace", (0.75, 0.4, 0.06)),
    ("oneway", 65536, "copy", "inplace", (0.8, 0.4, 0.06)),
    ("oneway", 65536, "map", "inplace", (0.1, 0.05, 0.01)),
    ("oneway", 1 << 20, "map", "inplace", (0.1, 0.05, 0.01)),
    ("rtt", 64, "copy", "buffer", (2.2, 1.1, 0.6)),
    ("echo64", 64, "copy", "buffer", (1.7, 0.95, 0.1)),
)


def _find(rows, **fields):
    for row in rows:
        if row["pairs"] == 1 and all(row[k] == v for k, v in fields.items()):
            return row["instructions"]
    return None


def ratios(rows):
    """[(guest, path, limit, [ratio or None])] where ours was measured."""
    found = []
    for guest in GUESTS:
        for path in ("ours-user", "ours-kernel"):
            for limit in LIMITS:
                work, count, mode, style, _ = limit
                mine = _find(rows, path=path, guest=guest, work=work, bytes=count, mode=mode,
                             style=style)
                if mine is None:
                    continue
                theirs = [_find(rows, path=other, guest=guest, work=work, bytes=count)
                          for other in OTHERS]
                found.append((guest, path, limit, [mine / t if t else None for t in theirs]))
    return found


SATURATION = (("hypercalls", 0.05), ("events", 0.02), ("daemon_syscalls", 0.1))


def saturation(counted):
    """The limits of what a message of a stream may cost beside instructions."""
    found = []
    for row in counted:
        if not row["path"].startswith("ours") or (row["work"], row["bytes"]) != ("oneway", 64):
            continue
        holds = all(row[name] < most for name, most in SATURATION)
        found.append([f"{row['guest']} {row['path']} {row['mode']} stream of 64 B",
                      *(f"{row[name]:.3f} ({most})" for name, most in SATURATION),
                      "holds" if holds else "OVER"])
    if not found:
        return []
    head = ["for each message (limit)", *(name.replace("_", " ") for name, _ in SATURATION), ""]
    return ["", *aligned([head, *found])]


# Real time, the broker being allowed to poll: ours over the relay.
PARALLEL = (("rtt", 64, 0.8), ("oneway", 4096, 0.8))


def parallel(rows):
    """What the broker costs in time where processors run at once."""
    found = []
    for guest in GUESTS:
        for work, count, most in PARALLEL:
            mine, theirs = (_find(rows, path=path, guest=guest, work=work, bytes=count,
                                  mode="copy", style="buffer") for path in ("ours-user", "relay"))
            if mine and theirs:
                found.append([f"{guest} ours-user {work} {size(count)} copy",
                              f"{mine / theirs:.2f} ({most})",
                              "holds" if mine / theirs <= most else "OVER"])
    return ["", *aligned([["ours : theirs (limit)", "relay", ""], *found])] if found else []


def lines(rows):
    cells = [["ours : theirs (limit)", *OTHERS, ""]]
    for guest, path, (work, count, mode, style, most), found in ratios(rows):
        where = {"buffer": "", "inplace": " in place"}[style]
        line = [f"{guest} {path} {work} {size(count)} {mode}{where}"]
        holds = True
        for ratio, limit in zip(found, most):
            over = "" if ratio is None or ratio <= limit else "!"
            line.append("-" if ratio is None else f"{over}{ratio:.3f} ({limit})")
            holds &= ratio is None or ratio <= limit
        if any(found):
            cells.append([*line, "holds" if holds else "OVER"])
    return ["", *aligned(cells)] if len(cells) > 1 else []
