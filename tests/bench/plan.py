# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: rows, and the runs in which two processes get them done.

A row is one figure of the report, a dictionary of the fields in KEYS.  A run
is a pair of processes, one in each guest, that does the works of several rows
over one set of links (bench.h); scenario.sh starts one run after the other.
"""
import json
import os

KEYS = ("path", "guest", "mode", "work", "style", "bytes", "pairs")
GUESTS = ("pv", "pvh")

SIZES = (64, 1024, 4096, 65536, 1 << 20)
PAIRS = (4, 16)
# Messages of the first, short try; how many are counted the programs find out.
ONEWAY = {64: 500, 1024: 300, 4096: 150, 65536: 16, 1 << 20: 4}
ECHO = 10   # for each that is under way

# Where hypercalls, events and system calls are counted (count.sh): works, their bytes, and two
# numbers of messages, the difference of which is what counts.
COUNTED = {("oneway", 64): (2000, 32_000), ("oneway", 4096): (1000, 11_000),
           ("rtt", 64): (100, 600), ("echo64", 64): (1000, 11_000)}


class Run:
    """name: also of its plan; path: what scenario.sh is to do."""

    def __init__(self, name, guest, path, links):
        self.name, self.guest, self.path, self.links = name, guest, path, links
        self.works = []     # (id, row)

    def again(self, number):
        """The same works once more."""
        run = Run(f"{self.name}-{number}", self.guest, self.path, self.links)
        run.works = self.works
        return run

    @property
    def tag(self):
        """What it is called in the machine."""
        return f"{self.guest}-{self.name}"

    def plan(self):
        """What bench.c reads."""
        lines = []
        for number, row in self.works:
            window = window_of(row["work"])
            count = row.get("exact") or (
                ECHO * window * row["pairs"] if window else ONEWAY[row["bytes"]])
            lines.append(f"{number} {'echo' if window else 'oneway'} "
                         f"{'map' if row['mode'] == 'map' else 'copy'} {row['style']} "
                         f"{row['bytes']} {window or 1} {count}"
                         f"{' exact' if 'exact' in row else ''}\n")
        return "".join(lines)


def window_of(work):
    """Messages under way in an echo; 0 for a one-way work."""
    return 0 if work == "oneway" else 1 if work == "rtt" else int(work[len("echo"):])


def _rows(path, guest, mode):
    """All rows of one way between two guests."""
    ours = path.startswith("ours")

    def row(work, style, size, pairs=1):
        return dict(zip(KEYS, (path, guest, mode, work, style, size, pairs)))

    for size in SIZES:
        yield row("oneway", "buffer", size)
        if ours:
            yield row("oneway", "inplace", size)
        if path == "ours-kernel" and mode == "copy" and size <= 4096:
            yield row("oneway", "batch", size)
    for size in (64, 4096):
        yield row("rtt", "buffer", size)
    for window in (4, 16, 64):
        yield row(f"echo{window}", "buffer", 64)
    for pairs in PAIRS if mode == "copy" else ():
        yield row("oneway", "buffer", 64, pairs)
        yield row("oneway", "buffer", 4096, pairs)
        yield row("echo4", "buffer", 64, pairs)


# In the order in which scenario.sh does them: what it starts for one it keeps
# for the next ones.
WAYS = (("vchan", "copy"), ("relay", "copy"), ("ours-user", "copy"), ("ours-user", "map"),
        ("ours-user", "copy-nopool"), ("ours-kernel", "copy-nopool"), ("ours-kernel", "copy"),
        ("ours-kernel", "map"), ("tcp", "copy"))


def wanted(row, words):
    """Words of one field are alternatives, of different fields are all wanted."""
    for key in KEYS:
        known = {word for word in words if word in VALUES[key]}
        if known and str(row[key]) not in known:
            return False
    return True


def all_rows(guest):
    return [row for path, mode in WAYS for row in _rows(path, guest, mode)]


VALUES = {key: {str(row[key]) for guest in GUESTS for row in all_rows(guest)}
          for key in KEYS if key != "pairs"}
# Else 64 would be a number of bytes and 4 one of pairs.
VALUES["pairs"] = {f"{n}" for n in (1, *PAIRS)}


def unknown(words):
    return [word for word in words if not any(word in values for values in VALUES.values())]


def runs(guest, words, rounds=1):
    """The runs for the rows that the words name; all if there are none.

    All of them are done as often as rounds says, one after the other each time.
    """
    found = []
    for number, row in enumerate(all_rows(guest)):
        if not wanted(row, words):
            continue
        path = row["path"] + ("-nopool" if row["mode"] == "copy-nopool" else "")
        name = f"{path}-{row['pairs']}"
        run = next((r for r in found if r.name == name), None)
        if not run:
            run = Run(name, guest, path, row["pairs"])
            found.append(run)
        run.works.append((number, row))
    return [run if rounds == 1 else run.again(n) for n in range(rounds) for run in found]


def counting_runs(guest, words):
    """The runs for the counters of rows that the words name."""
    todo = []
    for number, row in enumerate(all_rows(guest)):
        numbers = COUNTED.get((row["work"], row["bytes"]))
        if not numbers or row["pairs"] > 1 or row["style"] != "buffer" \
                or row["mode"] == "copy-nopool" or not wanted(row, words):
            continue
        for count in numbers:
            # The harness's tags have 32 characters.
            todo.append(Run(f"{number}-{count}", f"{guest}-count", row["path"], 1))
            todo[-1].works.append((number, {**row, "exact": count}))
    return todo


def machines(words, counts, rounds):
    """What the machines are to run: (variant of the scenario, [Run])."""
    found = [(guest, runs(guest, words, rounds)) for guest in GUESTS]
    if counts:
        found += [(f"{guest}-count", counting_runs(guest, words)) for guest in GUESTS]
    return [(variant, todo) for variant, todo in found if todo]


def write(folder, words, counts, rounds):
    """Puts plans and lists of runs into the folder, for the machines and read()."""
    os.makedirs(folder, exist_ok=True)
    todo = machines(words, counts, rounds)
    for variant, several in todo:
        for run in several:
            with open(os.path.join(folder, f"{run.tag}.plan"), "w", encoding="ascii") as f:
                f.write(run.plan())
        with open(os.path.join(folder, f"{variant}.runs"), "w", encoding="ascii") as f:
            f.writelines(f"{run.tag} {run.path} {run.links}\n" for run in several)
    with open(os.path.join(folder, "plan.json"), "w", encoding="ascii") as f:
        json.dump([vars(run) for _, several in todo for run in several], f)
    return todo


def read(folder):
    """What was written there, and so what the machines did: {variant: [Run]}."""
    with open(os.path.join(folder, "plan.json"), encoding="ascii") as f:
        found = json.load(f)
    todo = {}
    for fields in found:
        works = fields.pop("works")
        run = Run(**fields)
        run.works = works
        todo.setdefault(run.guest, []).append(run)
    return todo
