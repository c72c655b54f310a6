# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a guest's kernel spins with interrupts off, seen from outside.

That is what a PVH guest's kernel may do when an interrupt came while it had them
off, as from QEMU's SVM without svm-plugin.c: mostly in
ktime_get_update_offsets_now(), for a sequence count that the timekeeper below it
on the stack is about to make even.

Neither Xen nor dom0 stops, but one processor has all its time used up.  Of the
domains only a PVH guest's kernel runs with the processor's interrupt flag off,
and the project's driver, a module, nowhere does.
"""
import re
import time

from common import Failure

QUIET = 60          # seconds without output before the first look
BETWEEN = 5         # seconds from look to look
LOOKS = 8           # that see the same
NEAR = 256          # bytes: the length of a loop
KERNEL = range(0xffffffff80000000, 0xffffffffa0000000)     # without modules


class Spinning(Failure):
    """A guest's kernel does, and will for ever."""


def spot(registers):
    """Where a guest's kernel is with interrupts off; None: it is not."""
    found = re.search(r"^RIP=([0-9a-f]{16}) RFL=([0-9a-f]{8}) .*CPL=0", registers, re.M)
    if not found:
        return None
    rip, flags = (int(digits, 16) for digits in found.groups())
    return rip if rip in KERNEL and not flags & 0x200 else None


class Lookout:
    """Told of output and of the passing time; raises Spinning."""

    def __init__(self, box):
        self.box, self.seen = box, []
        self.next = time.monotonic() + QUIET

    def output(self):
        self.seen = []
        self.next = time.monotonic() + QUIET

    def tick(self):
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + BETWEEN
        here = spot(self.box.monitor("info registers"))
        if here is None or self.seen and abs(here - self.seen[0]) > NEAR:
            self.seen = []
        if here is not None:
            self.seen.append(here)
        if len(self.seen) == LOOKS:
            raise Spinning(
                f"a guest's kernel spins at {here:#x} with interrupts off, which "
                "neither Xen nor a module brought about: see tests/xen/spin.py")
