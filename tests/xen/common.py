# SPDX-License-Identifier: GPL-2.0-or-later
"""What every part of the harness shares: its folders, its voice, its errors.

Everything the harness makes lives below build/xen/ of the source tree, or
where XEN_BUILD points, so that removing one folder removes all of it.
"""
import hashlib
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("XEN_BUILD")
                        or os.path.join(TREE, "build", "xen"))

# The distribution's kernel for dom0 and guests: its own, or a newer one of its
# security archive; or "debug", its own for dom0 and one made for finding faults
# for the guests (debugkernel.py).
DEFAULT_KERNEL = "6.1"
KERNEL = os.environ.get("XEN_KERNEL") or DEFAULT_KERNEL
DEBUG = KERNEL == "debug"
DOM0_KERNEL = DEFAULT_KERNEL if DEBUG else KERNEL
# What all limits are multiplied by for a kernel whose checks cost that much.
DEBUG_PATIENCE = 6 if DEBUG else 1

BOOT = f"boot-{KERNEL}"     # what the machine boots, below build/xen/

_started = time.monotonic()


class Failure(Exception):
    """Something the user must read: printed without a traceback."""


def say(text):
    """Progress for a person, with the seconds since the start."""
    print(f"[{time.monotonic() - _started:5.1f}s] {text}",
          file=sys.stderr, flush=True)


def path(*parts):
    return os.path.join(BUILD, *parts)


def digest(*parts):
    """One hash over strings and the contents of files (given as ('file', p))."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, tuple):
            with open(part[1], "rb") as f:
                data = f.read()
        else:
            data = str(part).encode()
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()


def read_text(name):
    try:
        with open(name, encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def write_text(name, text):
    """Replace a file at once, so that a reader never sees half of it."""
    temporary = f"{name}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as f:
        f.write(text)
    os.replace(temporary, name)
