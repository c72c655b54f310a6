# SPDX-License-Identifier: GPL-2.0-or-later
"""One QEMU process with Xen in it, its channels, and its certain end.

A machine talks to the harness over three socket pairs, handed to QEMU as
descriptors (no path, so no length limit and no race at the start):

  text  the virtio console: lines to run go in, what they print comes out
  data  a virtio serial port: files and the exit status come out (control.py)
  qmp   QEMU's own control channel

Xen's and dom0's kernel messages go by the serial port into a log file.

Nothing waits for ever: watch() ends when its caller is satisfied, or the
machine crashes or ends, or one of the two limits of wall time is over, the
whole one or the one without a byte of output.  kill() ends QEMU for certain.
"""
import json
import os
import selectors
import signal
import socket
import subprocess
import time

from common import BOOT, Failure, path

MEMORY_MB = 2560
DOM0_MB = 704

# SMAP kills dom0 on this QEMU (7.2) at once, and `erms` makes every string
# instruction a different number of counted instructions.  With XSAVE (which
# AVX needs) processes of dom0 now and then get each other's vector registers
# at a switch, and so wrong bytes from memcpy and wrong answers from strcmp;
# `smoke registers` looks for that.
CPU = "max,-smap,-smep,-pku,-xsave"
CLOCKS = {
    # Time is the number of instructions executed: the same run again gives
    # the same order of events, and a loaded host changes no measurement.
    "icount": ["-accel", "tcg,thread=single,tb-size=256", "-smp", "1",
               "-icount", "shift=0,sleep=off",
               "-rtc", "base=2024-01-01,clock=vm", "-cpu", CPU + ",-erms"],
    # Real time and two processors that really run at once.
    "parallel": ["-accel", "tcg,thread=multi,tb-size=256", "-smp", "2",
                 "-rtc", "base=2024-01-01", "-cpu", CPU],
}
# For QEMU: what mends its SVM, and another one, with what it is given; see tests/profile.
SVM_PLUGIN = path("qemu", "svm-plugin.so")
PLUGIN = os.environ.get("XEN_PLUGIN")
XEN_ARGS = (f"console=com1 com1=115200,8n1 dom0_mem={DOM0_MB}M,max:{DOM0_MB}M "
            "dom0_max_vcpus=1 sched=credit bootscrub=0 "
            "loglvl=warning guest_loglvl=warning")
DOM0_ARGS = ("console=hvc0 rdinit=/init quiet mitigations=off rodata=off "
             "cryptomgr.notests panic=-1")

live = set()
stopping = False


class Overdue(Failure):
    """A limit of wall time is over."""


def arguments(clock, payload, memory, boots=None):
    """QEMU's arguments but for the descriptors; the payload disk is vda.

    The file `memory` is the machine's memory.  A machine that boots, with the
    xenstored of that name, writes to it; others change private copies of its
    pages.
    """
    # setpriv: QEMU dies with us even if we are killed without a word.
    return ["setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", *CLOCKS[clock],
            "-machine", "pc,memory-backend=ram", "-m", f"{MEMORY_MB}M",
            "-object", f"memory-backend-file,id=ram,size={MEMORY_MB}M,"
                       f"mem-path={memory},share={'on' if boots else 'off'}",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            # What Linux does not know itself it hands to init.
            *(["-kernel", path(BOOT, "xen.elf"), "-append", XEN_ARGS,
               "-initrd", f"{path(BOOT, 'vmlinuz')} {DOM0_ARGS} "
                          f"xenstored={boots},{path(BOOT, 'initrd')}"] if boots else []),
            "-drive", f"file={payload},if=none,id=payload,format=raw,"
                      "readonly=on",
            "-device", "virtio-blk-pci,drive=payload",
            "-device", "virtio-serial-pci",
            "-device", "virtconsole,chardev=text,name=text",
            "-device", "virtserialport,chardev=data,name=data"]


class Machine:
    """boots: the name of its xenstored; None: it is loaded from a snapshot."""

    def __init__(self, clock, payload, serial_log, memory, boots=None):
        ours, theirs = {}, {}
        command = arguments(clock, payload, memory, boots)
        for name in ("text", "data", "qmp"):
            ours[name], theirs[name] = socket.socketpair()
            command += ["-chardev",
                        f"socket,id={name},fd={theirs[name].fileno()}"]
        command += ["-mon", "chardev=qmp,mode=control", "-serial", "stdio",
                    "-plugin", SVM_PLUGIN]
        if not boots:
            command += ["-incoming", "defer"]
            if PLUGIN:
                command += ["-plugin", PLUGIN]
        self.serial_log = serial_log
        with open(serial_log, "wb") as log:
            # A session of its own: Ctrl-C at the terminal is ours to handle.
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[s.fileno() for s in theirs.values()],
                start_new_session=True)
        live.add(self)
        for sock in theirs.values():
            sock.close()
        self.text, self.data, self.qmp = ours["text"], ours["data"], ours["qmp"]
        self.qmp_stream = self.qmp.makefile("rwb")
        self.qmp.settimeout(60)
        self.answer("QMP")
        self.command("qmp_capabilities")

    # QMP

    def answer(self, key):
        while True:
            try:
                line = self.qmp_stream.readline()
            except TimeoutError:
                self.kill()
                raise Overdue("QEMU does not answer") from None
            if not line:
                self.kill()
                raise Failure("QEMU ended: " + self.last_words())
            message = json.loads(line)
            if "error" in message:
                self.kill()
                raise Failure("QEMU: " + message["error"].get("desc", "?"))
            if key in message:
                return message[key]

    def command(self, name, **arguments_):
        request = {"execute": name}
        if arguments_:
            request["arguments"] = arguments_
        try:
            self.qmp_stream.write(json.dumps(request).encode() + b"\n")
            self.qmp_stream.flush()
        except OSError:
            pass    # answer() says how QEMU ended
        return self.answer("return")

    def monitor(self, line):
        """What the monitor for people prints."""
        return self.command("human-monitor-command", **{"command-line": line})

    def migrate(self, direction, command, limit):
        """Save or load the machine but for its memory, through a command.

        Memory shared with a file is left out of the stream ("ignored"); it
        is in the file already.
        """
        self.command("migrate-set-capabilities", capabilities=[
            {"capability": "x-ignore-shared", "state": True}])
        self.command(direction, uri=f"exec:{command}")
        end = time.monotonic() + limit
        while True:
            status = self.command("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled") or time.monotonic() > end:
                self.kill()
                raise Overdue(f"the snapshot's transfer is {status}")
            time.sleep(0.02)

    # Channels

    def send(self, line):
        self.text.sendall(line.encode() + b"\n")

    def watch(self, on_text, on_data, limit, quiet_limit, on_tick=None):
        """Hand what comes out to the two functions until one returns True.

        on_tick is called at least once a second.

        The machine is left running when a limit is over, so that the caller
        may ask it for its view of things.
        """
        now = time.monotonic()
        end, quiet_end = now + limit, now + quiet_limit
        handlers = {self.text: on_text, self.data: on_data}
        with selectors.DefaultSelector() as selector:
            for sock in handlers:
                selector.register(sock, selectors.EVENT_READ)
            while True:
                now = time.monotonic()
                if now >= end or now >= quiet_end:
                    raise Overdue(
                        f"watchdog: not done after {limit:.0f} s"
                        if now >= end else
                        f"watchdog: no output for {quiet_limit:.0f} s")
                ready = selector.select(min(end, quiet_end, now + 1) - now)
                if on_tick:
                    on_tick()
                if not ready and self.has_crashed():
                    raise Failure("Xen or dom0 has crashed")
                for key, _ in ready:
                    try:
                        data = key.fileobj.recv(65536)
                    except ConnectionResetError:
                        data = b""
                    if not data:
                        self.kill()
                        raise Failure("QEMU ended: " + self.last_words())
                    quiet_end = time.monotonic() + quiet_limit
                    if handlers[key.fileobj](data):
                        return

    # The end

    def last_words(self, lines=15):
        """The end of what Xen, dom0's kernel and QEMU have said."""
        try:
            with open(self.serial_log, "rb") as f:
                text = f.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.replace("\r", "").splitlines()[-lines:])

    def has_crashed(self):
        """What Xen says before a reboot that may never come."""
        text = self.last_words()
        return "Hardware Dom0 crashed" in text or "Panic on CPU" in text

    def kill(self):
        if self.process.poll() is None:
            # The process group: a save or load under way has a cat in it.
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        for sock in (self.text, self.data, self.qmp):
            sock.close()
        live.discard(self)


def kill_all():
    """For the end of the harness itself; nobody need report a failure."""
    global stopping     # pylint: disable=global-statement
    stopping = True
    for machine in list(live):
        machine.kill()
