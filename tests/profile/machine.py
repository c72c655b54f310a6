#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose the instructions of a work of `make bench` were, in the whole machine.

Usage: machine.py [--top N] --counts FILE... --results FILE --symbols KALLSYMS PROGRAM...

`make profile-xen W='...'` has tcg-plugin.c count what is executed while one work is measured.
Programs are told by their bytes, so both guests and dom0 are one where they run the same;
the kernel's functions by dom0's /proc/kallsyms.  Functions of guests' modules have no names,
Xen is one.  Calls are those of a function's first block.
"""
import argparse
import bisect
import collections
import os
import subprocess

XEN, KERNEL, MODULES = 0xffff82d000000000, 0xffffffff80000000, 0xffffffffc0000000
USER_END = 0x800000000000
PAGE = 4096


class Symbols:
    def __init__(self, found):
        found = sorted(set(found))
        self.at = [address for address, _ in found]
        self.names = [name for _, name in found]

    def find(self, address):
        """Name, and whether it begins there."""
        i = bisect.bisect(self.at, address) - 1
        return (self.names[i], self.at[i] == address) if i >= 0 else ("?", False)


class Program:
    """An ELF file: what is executable in it, and its functions."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        with open(path, "rb") as f:
            self.data = f.read()
        found = []
        for option in ([], ["-D"]):
            out = subprocess.run(["nm", *option, "--defined-only", path], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True, check=False).stdout
            words = [line.split() for line in out.splitlines()]
            found += [(int(w[0], 16), w[2]) for w in words if len(w) == 3 and w[1] in "tTwWi"]
        self.symbols = Symbols(found)
        out = subprocess.run(["readelf", "-lW", path], stdout=subprocess.PIPE, text=True,
                             check=True).stdout
        words = [line.split() for line in out.splitlines()]
        self.segments = [(int(w[1], 16), int(w[2], 16), int(w[4], 16)) for w in words
                         if w and w[0] == "LOAD" and "E" in "".join(w[6:-1])]

    def places(self, address, code):
        """Where the code may be: (address without relocation)."""
        for offset, base, size in self.segments:
            at = self.data.find(code, offset, offset + size)
            while at >= 0:
                if (at - offset + base - address) % PAGE == 0:
                    yield at - offset + base
                at = self.data.find(code, at + 1, offset + size)


def libraries(programs):
    found = set()
    for program in programs:
        out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, check=False).stdout
        found |= {os.path.realpath(word) for word in out.split() if word.startswith("/")}
    return sorted(path for path in found if os.path.exists(path))


class Places:
    """Finds the functions of user programs; where a program is loaded, most blocks agree on."""

    def __init__(self, paths):
        self.programs = [Program(path) for path in paths + libraries(paths)]

    def resolve(self, blocks):
        """{(address, code): (program, function, begins)} of (address, code, instructions)."""
        found, bases = {}, collections.Counter()
        for address, code, weight in blocks:
            hits = found[address, code] = [
                (program, place) for program in self.programs
                for place in program.places(address, code[:12])]
            if len(hits) <= 3:
                for program, place in hits:
                    bases[program.name, address - place] += weight
        for (address, code), hits in found.items():
            weight, best = max(((bases[p.name, address - place], (p, place)) for p, place in hits),
                               key=lambda hit: hit[0], default=(0, None))
            found[address, code] = ((best[0].name, *best[0].symbols.find(best[1])) if weight
                                    else ("other programs", "?", False))
        return found


def read_kernel(path):
    with open(path, encoding="ascii") as f:
        words = [line.split() for line in f]
    return Symbols((int(w[0], 16), w[2]) for w in words if w[1] in "tTwW")


def read_blocks(path):
    """(address, executions, instructions, code)"""
    with open(path, encoding="ascii") as f:
        for line in f:
            address, _, executed, size, code = line.split()
            yield int(address, 16), int(executed), int(executed) * int(size), bytes.fromhex(code)


def count(path, kernel, places):
    """Instructions by part; instructions and calls by (part, function)."""
    blocks = list(read_blocks(path))
    user = places.resolve([(a, code, n) for a, _, n, code in blocks if a < USER_END])
    parts, functions, calls = (collections.Counter() for _ in range(3))
    for address, executed, instructions, code in blocks:
        if address < USER_END:
            part, name, begins = user[address, code]
        elif address >= MODULES:
            part, name, begins = "kernel", "of modules", False
        elif address >= KERNEL:
            part, (name, begins) = "kernel", kernel.find(address)
        else:
            part, name, begins = ("Xen" if address >= XEN else "other"), "", False
        parts[part] += instructions
        functions[part, name] += instructions
        calls[part, name] += executed if begins else 0
    return parts, functions, calls


def messages_of(path):
    """Of all repeats of the last work in the results."""
    with open(path, encoding="ascii") as f:
        rows = [line.split() for line in f if line.startswith("R ")]
    return sum(int(row[3]) for row in rows if row[1] == rows[-1][1])


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--top", type=int, default=60)
    parser.add_argument("--counts", nargs="+", required=True)
    parser.add_argument("--results", required=True)
    parser.add_argument("--symbols", required=True)
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    # The first, short try of each work is counted as well.
    last = max(args.counts, key=lambda path: int(path.rsplit(".", 1)[1]))
    messages = messages_of(args.results)
    parts, functions, calls = count(last, read_kernel(args.symbols), Places(args.programs))
    print(f"{messages} messages, {sum(parts.values()) / messages:,.0f} instructions each")
    for part, n in parts.most_common():
        print(f"{n / messages:12,.1f}  {part}")
    print("\ninstructions      calls  function")
    for (part, name), n in functions.most_common(args.top):
        print(f"{n / messages:12,.1f} {calls[part, name] / messages:10.3f}  {part}: {name}")


if __name__ == "__main__":
    main()
