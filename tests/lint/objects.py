#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check what the compiled libraries need and hold.

Usage: objects.py [--freestanding] ARCHIVE...

No library has a variable that can change: all state hangs from a context.
With --freestanding, the archives need nothing from outside but the few
functions that any compiler takes for granted (a kernel has them too).
"""
import re
import subprocess
import sys

MUTABLE = re.compile(r"^(?!\.data\.rel\.ro)(\.bss|\.data|\.data\.rel|\.data\.rel\.local|\.tbss|\.tdata|\*COM\*)(\.\w+)?$")
GRANTED = {"memcpy", "memmove", "memset", "memcmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_",
           "__memcpy_chk", "__memmove_chk", "__memset_chk"}
# objdump -t: value, seven flag characters, section, size, visibility, name
SYMBOL = re.compile(r"^[0-9a-f]{8,} (.{7}) (\S+)\t[0-9a-f]+ +(?:\.(?:hidden|internal) )?(\S+)$")


def symbols(archive):
    """(object file, flags, section, name) of every symbol."""
    text = subprocess.run(["objdump", "-t", archive], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout
    member = archive
    for line in text.splitlines():
        if line.endswith("file format elf64-x86-64") or ": " in line and "file format" in line:
            member = line.split(":")[0]
        found = SYMBOL.match(line)
        if found:
            yield member, *found.groups()


def main():
    args = sys.argv[1:]
    freestanding = "--freestanding" in args
    errors = 0
    defined, needed = set(), []
    for archive in (a for a in args if not a.startswith("--")):
        for member, flags, section, name in symbols(archive):
            if section == "*UND*":
                needed.append((member, name))
            else:
                defined.add(name)
            if MUTABLE.match(section) and flags[6] == "O":
                print(f"{archive}({member}): {name} is a variable that can change")
                errors += 1
    if freestanding:
        for member, name in needed:
            if name not in defined | GRANTED:
                print(f"{member} needs {name}, which a kernel may not have")
                errors += 1
    print(f"objects: {len(defined)} symbols, {errors} errors")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
