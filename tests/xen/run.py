#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the harness: run scenarios on real Xen in QEMU.

    run.py check [--payload DIR] [--tools DIR] [--parallel] [-j N] NAME...
    run.py demo  [the same options] NAME     only the scenario's own words
    run.py shell [the same options]          an interactive dom0
    run.py prepare [--parallel]              images and snapshot only
    run.py release                           `uname -r` of the guests' kernels
    run.py headers                           folders to build their modules in

Each scenario gets a machine of its own, loaded from the snapshot.  The exit
status is 0 only if all passed.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import debian
import debs
import debugkernel
import image
import machine
import payload
import shell
import snapshot
import spin
from common import DEBUG, DEBUG_PATIENCE, HERE, Failure, path, read_text, say, write_text
from control import Receiver

# Wall seconds, unless a scenario says otherwise in a comment.
LIMIT, QUIET_LIMIT = 600, 180
POST_MORTEM_LIMIT = 30
# What a scenario's own limits are multiplied by: in real time a busy host may
# well be ten times as slow as an idle one.
PATIENCE = {"icount": 1, "parallel": 6}
END = b"\x1eend\n"
# Guests get the same from lib.sh, but for the second archive.  The block
# device's first page was read before the snapshot, in search of partitions.
# The sizes are given because busybox tar would read the rest of the disk too,
# in pieces of 512 bytes.
START = ("export XT_BLOCKS={} XT_PATIENCE={} XT_DOM0_BLOCKS={} XT_ROOT_BLOCKS={}; mkdir -p /p; "
         "blockdev --flushbufs /dev/vda; "
         "unpack() {{ dd if=/dev/vda bs=64k $* 2>/dev/null | tar -xf - -C /p; }}; "
         "unpack count=$XT_BLOCKS && unpack skip=$XT_BLOCKS count=$XT_DOM0_BLOCKS && "
         "exec sh /p/xt/dom0-run.sh")

_print_lock = threading.Lock()


class Printer:
    """Shows a scenario's output live and keeps it in the log.

    Side by side with others it shows whole lines only, behind its name.
    """

    def __init__(self, name, log, alone):
        self.prefix = b"" if alone else f"{name}: ".encode()
        self.log, self.buffer, self.ended = log, bytearray(), False

    def feed(self, data):
        self.buffer += data
        if END in self.buffer:
            self.ended = True
            del self.buffer[self.buffer.index(END):]
        shown = bytes(self.buffer)
        if self.prefix and not self.ended:
            shown = shown[:shown.rfind(b"\n") + 1]
        elif not self.ended:
            # The end mark may be coming in two pieces.
            shown = shown.partition(END[:1])[0]
        del self.buffer[:len(shown)]
        self.log.write(shown)
        self.log.flush()
        if self.prefix:
            shown = b"".join(self.prefix + line
                             for line in shown.splitlines(True))
        with _print_lock:
            sys.stdout.buffer.write(shown)
            sys.stdout.buffer.flush()


def scenario_file(name, staged):
    """The script of a scenario, whose name may have a variant: NAME+VARIANT."""
    name = name.partition("+")[0]
    for folder in (staged, HERE):
        file = folder and os.path.join(folder, "scenarios", name + ".sh")
        if file and os.path.exists(file):
            return file
    known = ", ".join(sorted(n[:-3] for n in
                             os.listdir(os.path.join(HERE, "scenarios"))))
    raise Failure(f"there is no scenario {name}; there are {known}")


def read_bytes(file):
    try:
        with open(file, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


def limits(file):
    """`# limit: SECONDS` and `# quiet-limit: SECONDS` in a scenario."""
    with open(file, encoding="utf-8") as f:
        text = f.read()
    found = {k: int(v) for k, v in
             re.findall(r"^# (limit|quiet-limit): (\d+)\b", text, re.M)}
    return (found.get("limit", LIMIT) * DEBUG_PATIENCE,
            found.get("quiet-limit", QUIET_LIMIT) * DEBUG_PATIENCE)


def wants_debian(file):
    """`# root: debian` in a scenario: systemd is to be dom0's init."""
    with open(file, encoding="utf-8") as f:
        return re.search(r"^# root: debian$", f.read(), re.M)


def xenstored(file):
    """`# xenstored: oxenstored` in a scenario: dom0 has that one, not the one written in C."""
    with open(file, encoding="utf-8") as f:
        found = re.search(r"^# xenstored: (o?xenstored)$", f.read(), re.M)
    return found.group(1) if found else "xenstored"


class Result:
    """How a scenario went: passed, wall seconds, and on which machine."""

    def __init__(self, passed, seconds, broken, tries=1):
        self.passed, self.seconds = passed, seconds
        self.broken = broken    # QEMU, Xen or a kernel hung or crashed
        self.tries = tries


def attempt(name, options, start, saved, alone):
    """One scenario from load to verdict."""
    started = time.monotonic()
    out = path("out", name)
    shutil.rmtree(out, ignore_errors=True)
    receiver = Receiver(out)
    words, broken = "", False
    limit, quiet = limits(scenario_file(name, options.payload))
    with open(path("log", name + ".log"), "wb") as log:
        printer = Printer(name, log, alone)

        def on_text(data):
            lookout.output()
            printer.feed(data)
            return printer.ended and receiver.status is not None

        def on_data(data):
            lookout.output()
            receiver.feed(data)
            return printer.ended and receiver.status is not None

        try:
            box = snapshot.load(saved[xenstored(scenario_file(name, options.payload))],
                                options.disk,
                                path("log", name + ".serial.log"))
            lookout = spin.Lookout(box)
            try:
                box.send(f"{start} scenario {name}")
                box.watch(on_text, on_data, limit, quiet, lookout.tick)
            except machine.Overdue as error:
                # dom0 may still be able to tell where things stand.
                printer.feed(f"\n{error}\n".encode())
                box.send("post-mortem")
                box.watch(on_text, on_data, POST_MORTEM_LIMIT,
                          POST_MORTEM_LIMIT)
            finally:
                words = box.last_words()
                box.kill()
        except Failure as error:
            # A hang in counted instructions comes again, and is ours.
            broken = (options.clock == "parallel" or isinstance(error, spin.Spinning)) \
                and not machine.stopping
            if broken:
                printer.feed(f"\n{error}\n..... the end of the serial log:\n"
                             f"{words}\nscenario {name}: failed\n".encode())
    if receiver.status != 0:
        broken |= emulation_broke(name, out)
    return Result(receiver.status == 0, time.monotonic() - started, broken)


def run_scenario(name, options, start, saved, alone):
    """One scenario; a second machine for it if the emulation breaks down.

    QEMU 7.2 with several threads now and then hangs with Xen in it; and see
    emulation_broke().  Where dom0 still answers the watchdog it is the
    scenario that hangs, which is no excuse.
    """
    result = attempt(name, options, start, saved, alone)
    if not result.broken:
        return result
    for kind in (".log", ".serial.log"):
        if os.path.exists(path("log", name + kind)):
            os.replace(path("log", name + kind),
                       path("log", name + ".broken" + kind))
    say(f"scenario {name}: the machine hung or crashed, as emulation "
        f"does at times (see {path('log', name + '.broken.log')}): once more")
    again = attempt(name, options, start, saved, alone)
    return Result(again.passed, result.seconds + again.seconds, again.broken, 2)


def emulation_broke(name, out):
    """What no program of a guest can bring about, but QEMU 7.2's SVM does at times.

    PVH guests lose a triple fault, or get an interrupt while interrupts are off
    (svm-plugin.c, spin.py), and so lose their GS base at an entry from user mode:
    then the kernel's page-fault handler faults at its first access to per-CPU
    data until the entry stack is full. Or they stop without a word, when lib.sh
    says where; that counts only where no driver of ours is in the guest's kernel.
    """
    if b"Triple fault" in read_bytes(path("log", name + ".serial.log")):
        return True
    silent = re.findall(rb"^\.{5} (\S+) does not answer, a kernel without the driver",
                        read_bytes(path("log", name + ".log")), re.M)
    if any(image.GUESTS.get(guest.decode()) == "pvh" for guest in silent):
        return True
    consoles = [os.path.join(out, file) for file in os.listdir(out)
                if file.startswith("guest-")] if os.path.isdir(out) else []
    return any(b"ENTRY_TRAMPOLINE stack guard page was hit" in read_bytes(file)
               for file in consoles)


class Durations:
    """How long scenarios took the last time, to start the longest ones first."""

    def __init__(self, clock):
        self.file = path("log", f"seconds-{clock}.json")
        try:
            self.known = json.loads(read_text(self.file) or "{}")
        except ValueError:
            self.known = {}

    def order(self, names):
        return sorted(names, key=lambda name: -self.known.get(name, 1e9))

    def keep(self, results):
        self.known.update({name: round(result.seconds, 1)
                           for name, result in results.items()})
        write_text(self.file, json.dumps(self.known))


def check(options, start, saved):
    """Runs the scenarios and prints the closing table; true if all passed."""
    started = time.monotonic()
    durations = Durations(options.clock)
    jobs = min(options.jobs, len(options.names))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        runs = {name: pool.submit(run_scenario, name, options, start, saved,
                                  jobs == 1)
                for name in durations.order(options.names)}
        try:
            results = {name: runs[name].result() for name in options.names}
        except BaseException:
            # Leaving the pool waits for its threads: end what they watch.
            pool.shutdown(wait=False, cancel_futures=True)
            machine.kill_all()
            raise
    durations.keep(results)
    passed = sum(result.passed for result in results.values())
    print()
    for name, result in results.items():
        note = "   on the second machine" if result.tries > 1 else ""
        if not result.passed:
            note += f"   see {path('log', name + '.log')}"
        print(f"{'passed' if result.passed else 'FAILED'}  {name:<16} "
              f"{result.seconds:5.1f} s{note}")
    print(f"{'':6}  {'in all':<16} {time.monotonic() - started:5.1f} s")
    print(f"{passed} passed, {len(results) - passed} failed", flush=True)
    return passed == len(results)


def demo(options, start, saved):
    return run_scenario(options.names[0], options, start, saved, True).passed


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("check", "demo", "shell", "prepare",
                                           "release", "headers"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--payload", help="folder with the project's files")
    parser.add_argument("--tools", help="folder with the harness's programs",
                        default=path("tools"))
    parser.add_argument("--parallel", dest="clock", action="store_const",
                        const="parallel", default="icount",
                        help="real time and two processors")
    parser.add_argument("-j", "--jobs", type=int, default=0,
                        help="machines at once (default: one per processor "
                             "used, at most 2)")
    options = parser.parse_intermixed_args()
    if options.action in ("check", "demo") and not options.names:
        parser.error("which scenario?")
    if options.clock == "parallel":
        options.jobs = options.jobs or 1
    options.jobs = options.jobs or min(2, os.cpu_count() or 1)
    return options


def guest_kernels():
    """{uname -r: folder to build modules in} of all that guests boot."""
    if DEBUG:
        return debugkernel.headers()
    release = debs.release(debs.versions(path("debs")))
    return {release: f"/lib/modules/{release}/build"}


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.disk = path(f"payload.{os.getpid()}.img")
    try:
        if options.action in ("release", "headers"):
            kernels = guest_kernels()
            print("\n".join(kernels if options.action == "release"
                            else kernels.values()))
            return 0
        for name in options.names:
            scenario_file(name, options.payload)
        saved = {kind: snapshot.ensure(options.clock, kind)
                 for kind in sorted({xenstored(scenario_file(name, options.payload))
                                     for name in options.names} or {"xenstored"})}
        if options.action == "prepare":
            return 0
        root = debian.root() if any(wants_debian(scenario_file(name, options.payload))
                                    for name in options.names) else None
        blocks = payload.pack(options.payload, options.tools, options.disk, root)
        start = START.format(blocks[0], PATIENCE[options.clock] * DEBUG_PATIENCE,
                             *blocks[1:])
        if options.action == "shell":
            return shell.run(saved["xenstored"], options.disk, start)
        action = check if options.action == "check" else demo
        return 0 if action(options, start, saved) else 1
    except Failure as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    finally:
        machine.kill_all()
        if os.path.exists(options.disk):
            os.unlink(options.disk)


if __name__ == "__main__":
    sys.exit(main())
