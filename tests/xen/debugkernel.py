# SPDX-License-Identifier: GPL-2.0-or-later
"""Make the guests' kernels of KERNEL=debug: the distribution's source, with checks.

The distribution builds no kernel with lockdep in it, so it is made of its package
linux-source, with a minimal configuration (debug-kernel.config) that takes
minutes rather than hours.

They are made below build/xen/linux, in a folder each, whose file `key` names
all that it was made of.  The folders are also what `make module` is to be given
as KDIR.
"""
import fcntl
import glob
import os
import shutil
import subprocess
import time

import debs
from common import HERE, Failure, digest, path, read_text, say, write_text

# What the configuration is put together of, by the kind of the guests.
FRAGMENTS = {kind: ("debug-kernel.config", f"debug-kernel-{kind}.config")
             for kind in ("pv",)}
INPUTS = ("debugkernel.py", *sorted({f for files in FRAGMENTS.values()
                                     for f in files}))
# Of the guests' kernels, while they boot. Warnings are to be seen on the consoles
# of guests that are gone later.
ARGS = "loglevel=5 page_poison=1 debug_pagealloc=on kmemleak=on"


def folder(kind):
    return path("linux", kind)


def _source():
    return path("linux", "source")


def _fragment(kind):
    return "".join(read_text(os.path.join(HERE, file))
                   for file in FRAGMENTS[kind])


def _compiler():
    return subprocess.run(["gcc", "--version"], check=True, text=True,
                          capture_output=True).stdout.splitlines()[0]


def _key(kind, version):
    # A moved tree has to be made anew: Kbuild notes where its source is.
    return digest(version, _fragment(kind), _compiler(), _source())


def _unpack(wanted):
    """The distribution's source of this version, in the folder linux/source."""
    target, version = _source(), wanted[debs.LINUX_SOURCE]
    if read_text(os.path.join(target, "key")) == version:
        return
    say("unpacking the kernel's source")
    shutil.rmtree(path("linux"), ignore_errors=True)
    package = path("linux", "package")
    debs.unpack(path("debs"), [debs.LINUX_SOURCE], package)
    archive = glob.glob(os.path.join(package, "usr/src/linux-source-*.tar.xz"))
    if len(archive) != 1:
        raise Failure(f"{debs.LINUX_SOURCE} holds no archive of the source")
    os.makedirs(target)
    # Headers of graphics cards are half of the source.
    subprocess.run(["tar", "-xf", archive[0], "-C", target,
                    "--strip-components=1", "--exclude=*/drivers/gpu/*.[ch]"],
                   check=True)
    shutil.rmtree(package)
    write_text(os.path.join(target, "key"), version)


def _make(kind, log, *args):
    """One make in the kernel's folder; a sign of life every half minute."""
    jobs = len(os.sched_getaffinity(0))
    command = ["make", "-s", f"-j{jobs}", "-C", _source(), f"O={folder(kind)}",
               *args]
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                          stdout=log, stderr=log) as process:
        started = time.monotonic()
        while True:
            try:
                status = process.wait(30)
                break
            except subprocess.TimeoutExpired:
                say(f"  {time.monotonic() - started:.0f} s")
            except BaseException:
                process.terminate()
                raise
    if status != 0:
        log.flush()
        raise Failure(f"the guests' kernel cannot be made: see {log.name}\n"
                      + "\n".join(read_text(log.name).splitlines()[-15:]))


def _check_config(kind):
    """Kbuild drops without a word what lacks something else."""
    got = set(read_text(os.path.join(folder(kind), ".config")).splitlines())
    lost = [line for line in _fragment(kind).splitlines()
            if line.startswith("CONFIG_") and line not in got]
    if lost:
        raise Failure(f"the configuration for {kind} guests has lost: "
                      + " ".join(lost))


def _build(kind, key):
    target = folder(kind)
    say(f"building the debug kernel of {kind} guests (some minutes, once)")
    # What is there already Kbuild uses again as far as it can.
    os.makedirs(target, exist_ok=True)
    write_text(os.path.join(target, "key"), "")
    fragment = os.path.join(target, "fragment")
    write_text(fragment, _fragment(kind))
    os.makedirs(path("log"), exist_ok=True)
    with open(path("log", f"linux-{kind}.log"), "w", encoding="utf-8") as log:
        _make(kind, log, f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig")
        _check_config(kind)
        # The second for Module.symvers; there are no modules in it.
        _make(kind, log, "vmlinux", "modules")
    subprocess.run(["strip", "-o", os.path.join(target, "vmlinux.stripped"),
                    os.path.join(target, "vmlinux")], check=True)
    write_text(os.path.join(target, "key"), key)


def ensure():
    """Up-to-date kernels, made for now if need be."""
    wanted = debs.versions(path("debs"))
    keys = {kind: _key(kind, wanted[debs.LINUX_SOURCE]) for kind in FRAGMENTS}

    def stale():
        return [kind for kind in FRAGMENTS
                if read_text(os.path.join(folder(kind), "key")) != keys[kind]]

    if not stale():
        return
    os.makedirs(path("log"), exist_ok=True)
    # Two runs at once must not build the same thing.
    with open(path("lock-linux"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = debs.fetch(path("debs"), wanted)
        _unpack(wanted)
        for kind in stale():
            _build(kind, _key(kind, wanted[debs.LINUX_SOURCE]))


def headers():
    """{uname -r: folder to build modules in} of all."""
    ensure()
    found = {}
    for kind in FRAGMENTS:
        release = read_text(os.path.join(folder(kind),
                                         "include/config/kernel.release"))
        found[release.strip()] = folder(kind)
    return found


def vmlinux(kind):
    """The ELF kernel for guests of that kind."""
    with open(os.path.join(folder(kind), "vmlinux.stripped"), "rb") as f:
        return f.read()
