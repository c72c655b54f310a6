# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot the machine once and keep it; start every later machine from there.

A snapshot is the state of the running machine, with all guests up and dom0
waiting for its first line.  It is two files: the memory, which QEMU has had
mapped while it ran, and the rest as QEMU's migration stream.  A load maps
the memory file privately and reads only what it comes to use, so it takes
part of a second, and machines side by side share what they do not change.
There is one snapshot per clock mode, made anew only if the boot images, QEMU
or its arguments change.

The payload disk is a part of the machine but its contents are not a part of
the snapshot: nothing has read them then, so each load may have another one
of the same size.
"""
import fcntl
import os
import subprocess
import time

import image
import machine
from common import Failure, digest, path, read_text, say, write_text
from payload import SIZE

# Wall seconds.  A boot takes 20 to 40 on two cores of 2020s hardware.
BOOT_LIMIT, BOOT_QUIET_LIMIT, LOAD_LIMIT, SAVE_LIMIT = 300, 240, 60, 120


def _qemu_version():
    try:
        return subprocess.run(["qemu-system-x86_64", "--version"], check=True,
                              capture_output=True, text=True).stdout
    except FileNotFoundError:
        raise Failure("qemu-system-x86_64 is not installed") from None


def _key(clock, images):
    # The arguments name files below build/, whose contents `images` stands
    # for: a moved tree keeps its snapshot.
    args = " ".join(machine.arguments(clock, "payload", "memory", True))
    return digest(images, args.replace(path(), ""), SIZE, _qemu_version())


def _boot(clock, file):
    """One cold boot, saved to the file."""
    blank = path("blank.img")
    with open(blank, "wb") as f:
        f.truncate(SIZE)
    started = time.monotonic()
    if os.path.exists(file + ".memory"):
        os.unlink(file + ".memory")     # those who run from it keep it
    box = machine.Machine(clock, blank, path("log", f"boot-{clock}.log"),
                          file + ".memory")
    seen = bytearray()

    def on_text(data):
        seen.extend(data)
        return b"xen-test: machine is waiting" in seen

    try:
        box.watch(on_text, lambda data: False, BOOT_LIMIT, BOOT_QUIET_LIMIT)
        say(f"  booted in {time.monotonic() - started:.0f} s; saving it")
        box.command("stop")
        box.migrate("migrate", f"cat > '{file}.state'", SAVE_LIMIT)
    finally:
        box.kill()


def ensure(clock):
    """The file of an up-to-date snapshot, booted for now if need be."""
    for folder in ("log", "snapshot"):
        os.makedirs(path(folder), exist_ok=True)
    # Two runs at once must not build the same thing.
    with open(path("lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        key = _key(clock, image.build())
        file = path("snapshot", clock)
        if read_text(file + ".key") == key:
            return file
        write_text(file + ".key", "")
        say(f"booting Xen, dom0 and {len(image.GUESTS)} guests once, "
            f"for the {clock} snapshot (half a minute)")
        try:
            _boot(clock, file)
        except machine.Overdue as error:
            say(f"  {error}: trying once more")
            _boot(clock, file)
        write_text(file + ".key", key)
        size = os.stat(file + ".memory").st_blocks >> 11
        say(f"  snapshot of {size} MiB kept")
        return file


def load(clock, file, payload, serial_log):
    """A running machine, as it was when the snapshot was taken."""
    for attempt in (1, 2):
        try:
            box = machine.Machine(clock, payload, serial_log, file + ".memory",
                                  load=True)
            box.migrate("migrate-incoming", f"cat '{file}.state'", LOAD_LIMIT)
            box.command("cont")
            return box
        except machine.Overdue as error:
            if attempt == 2:
                raise
            say(f"loading the snapshot: {error}: trying once more")
    raise AssertionError("unreachable")
