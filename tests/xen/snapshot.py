# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot the machine once and keep it; start every later machine from there.

A snapshot is the state of the running machine, with all guests up and dom0
waiting for its first line.  It is two files: the memory, which QEMU has had
mapped while it ran, and the rest as QEMU's migration stream.  A load maps
the memory file privately and reads only what it comes to use, so it takes
part of a second, and machines side by side share what they do not change.
There is one snapshot per clock mode, kernel and xenstored, made anew only if
the boot images, QEMU or its arguments change.

The payload disk is a part of the machine but its contents are not a part of
the snapshot: nothing has read them then, so each load may have another one
of the same size.
"""
import fcntl
import os
import re
import subprocess
import time

import image
import machine
from common import DEBUG_PATIENCE, KERNEL, Failure, digest, path, say
from payload import SIZE

# Wall seconds.  A boot takes 25 to 60 on two cores of 2020s hardware.
BOOT_LIMIT, LOAD_LIMIT, SAVE_LIMIT = 300 * DEBUG_PATIENCE, 60, 120


def _qemu_version():
    try:
        return subprocess.run(["qemu-system-x86_64", "--version"], check=True,
                              capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise Failure("qemu-system-x86_64 is not installed") from None


def _key(clock, xenstored, images):
    # The arguments name files below build/, whose contents `images` stands
    # for: a moved tree keeps its snapshot.
    args = " ".join(machine.arguments(clock, "payload", "memory", xenstored))
    return digest(images, args.replace(path(), ""), SIZE, _qemu_version())


class Snapshot:
    """The files of one snapshot, named by the key of all it depends on.

    Whoever uses a snapshot holds a shared lock on it, so that a newer one
    (another branch of the source, say) does not take it away under a run.
    """

    def __init__(self, clock, xenstored, key):
        self.kind = f"{clock}-{xenstored}-{KERNEL}"
        self.clock, self.xenstored = clock, xenstored
        self.name = f"{self.kind}-{key[:16]}"
        self.memory = path("snapshot", self.name + ".memory")
        self.state = path("snapshot", self.name + ".state")
        # Held until the harness ends.
        self.lock = open(self.memory, "ab")     # pylint: disable=R1732
        fcntl.flock(self.lock, fcntl.LOCK_SH)

    def exists(self):
        return os.path.exists(self.state)

    def remove_others(self):
        for name in os.listdir(path("snapshot")):
            other, kind = os.path.splitext(path("snapshot", name))
            if not name.startswith(self.kind + "-") or kind != ".memory" \
                    or name == self.name + kind:
                continue
            with open(other + kind, "rb") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                for suffix in (".memory", ".state"):
                    if os.path.exists(other + suffix):
                        os.unlink(other + suffix)


class _Milestones:
    """Shows what dom0-init.sh writes to the serial port while it boots."""

    def __init__(self, log):
        self.log, self.shown = log, 0

    def __call__(self):
        with open(self.log, "rb") as f:
            found = re.findall(rb"^xen-test: (.*?)\r?$", f.read(), re.M)
        for text in found[self.shown:]:
            say("  " + text.decode(errors="replace"))
            if text.endswith(b" failed"):
                # It waits for a hand at its console; nobody is there.
                raise machine.Overdue(text.decode(errors="replace"))
        self.shown = len(found)


def _boot(snapshot):
    """One cold boot, saved to the snapshot's files."""
    blank = path("snapshot", "blank.img")
    with open(blank, "wb") as f:
        f.truncate(SIZE)
    with open(snapshot.memory, "wb"):
        pass    # empty it: zeros take no room in the file
    log = path("log", f"boot-{snapshot.kind}.log")
    started = time.monotonic()
    box = machine.Machine(snapshot.clock, blank, log, snapshot.memory,
                          snapshot.xenstored)
    seen = bytearray()

    def on_text(data):
        seen.extend(data)
        return b"xen-test: machine is waiting" in seen

    try:
        box.watch(on_text, lambda data: False, BOOT_LIMIT, BOOT_LIMIT,
                  _Milestones(log))
        say(f"  booted in {time.monotonic() - started:.0f} s; saving it")
        box.command("stop")
        box.migrate("migrate", f"cat > '{snapshot.state}.new'", SAVE_LIMIT)
    except Failure as error:
        raise type(error)(f"{error}\n..... the end of {log}:\n"
                          + box.last_words()) from None
    finally:
        box.kill()
    os.replace(snapshot.state + ".new", snapshot.state)


def ensure(clock, xenstored):
    """An up-to-date snapshot, booted for now if need be."""
    for folder in ("log", "snapshot"):
        os.makedirs(path(folder), exist_ok=True)
    # Two runs at once must not build the same thing.
    with open(path("lock"), "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run, which prepares the machine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        snapshot = Snapshot(clock, xenstored, _key(clock, xenstored, image.build()))
        if snapshot.exists():
            return snapshot
        say(f"booting Xen, dom0 and {len(image.GUESTS)} guests once, "
            f"for the {snapshot.kind} snapshot (about a minute)")
        try:
            _boot(snapshot)
        except Failure as error:
            if clock != "parallel" and not isinstance(error, machine.Overdue):
                raise
            say(f"  {error}\n  trying once more")
            _boot(snapshot)
        size = os.stat(snapshot.memory).st_blocks >> 11
        say(f"  snapshot of {size} MiB kept")
        snapshot.remove_others()
        return snapshot


def load(snapshot, payload, serial_log):
    """A running machine, as it was when the snapshot was taken."""
    for attempt in (1, 2):
        box = machine.Machine(snapshot.clock, payload, serial_log,
                              snapshot.memory)
        try:
            box.migrate("migrate-incoming", f"cat '{snapshot.state}'",
                        LOAD_LIMIT)
            box.command("cont")
            return box
        except machine.Overdue as error:
            box.kill()
            if attempt == 2:
                raise
            say(f"loading the snapshot: {error}: trying once more")
        except BaseException:
            box.kill()
            raise
    raise AssertionError("unreachable")
