# SPDX-License-Identifier: GPL-2.0-or-later
"""Build what the machine boots: Xen, dom0's kernel and its initial RAM disk.

dom0 lives in one initramfs: busybox, the Xen tools with their libraries, the
kernel modules, and below /guests what is needed to create guests at any time
(kernel, initramfs, configurations).  A guest's initramfs holds busybox and
modules only, and one big real file for transfers to use, the kernel image.

Nothing of the project itself is in here: that is the payload (payload.py),
so that a change of the project never costs a new boot.
"""
import lzma
import os
import re
import shutil
import subprocess

import bzimage
import debs
import debugkernel
from common import BOOT, DEBUG, HERE, Failure, digest, path, read_text, say, write_text

INPUTS = ("image.py", "bzimage.py", "debs.py", "dom0-init.sh", "guest-init.sh",
          "block.sh", *(debugkernel.INPUTS if DEBUG else ()))
# There is no debug kernel for PVH guests yet.
GUESTS = {"alice": "pv", "bob": "pv" if DEBUG else "pvh", "mallory": "pv"}
GUEST_MEMORY_MB = 256 if DEBUG else 192
# The self-tests of the crypto code are a third of a kernel's boot here.
GUEST_ARGS = ("console=hvc0 rdinit=/init pci=noearly mitigations=off "
              "nokaslr rodata=off cryptomgr.notests panic=-1 oops=panic "
              + (debugkernel.ARGS if DEBUG else "quiet"))

XEN_PROGRAMS = ("xl", "xenstored", "oxenstored", "xenconsoled",
                "xen-init-dom0", "libxl-save-helper", "xenctx", "xentrace")
XENSTORE_CLIENTS = ("read", "write", "list", "ls", "rm", "exists", "chmod",
                    "watch")
DOM0_MODULES = ("xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd",
                "xenfs", "xen-blkback", "virtio_pci", "virtio_blk",
                "virtio_console")
GUEST_MODULES = ("xen-evtchn", "xen-gntdev", "xen-gntalloc", "xen-privcmd",
                 "xenfs", "xen-blkfront")
# There to be loaded by who wants a network (tests/bench), from /modules/net.
DOM0_NET_MODULES = ("bridge", "xen-netback")
GUEST_NET_MODULES = ("xen-netfront",)


class Cpio:
    """A newc archive in memory; parents are made as needed."""

    def __init__(self):
        self.parts, self.seen, self.inode = [], set(), 0

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self.inode += 1
        raw = name.encode() + b"\0"
        head = "070701" + "".join(f"{value:08x}" for value in (
            self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(raw), 0))
        for part in (head.encode() + raw, data):
            self.parts.append(part + b"\0" * (-len(part) % 4))
        self.seen.add(name)

    def folder(self, name):
        if name and name not in self.seen:
            self.folder(os.path.dirname(name))
            self._entry(name, 0o040755)

    def add(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self._entry(name, 0o100000 | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self._entry(name, 0o120777, target.encode())

    def node(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self._entry(name, 0o020600, rdev=(major, minor))

    def bytes(self):
        self._entry("TRAILER!!!", 0)
        return b"".join(self.parts)


class Root:
    """The unpacked packages, looked up by file name or the end of a path."""

    def __init__(self, folder):
        self.folder, self.files = folder, {}
        for where, _, names in os.walk(folder):
            for name in names:
                self.files.setdefault(name, []).append(
                    os.path.join(where, name))

    def find(self, name):
        for file in self.files.get(os.path.basename(name), ()):
            if file.endswith("/" + name):
                return file
        raise Failure(f"the packages hold no file {name}")

    def read(self, name):
        with open(self.find(name), "rb") as f:
            return f.read()

    def program(self, name):
        """A program of xen-utils, not the wrapper script of the same name."""
        own = os.path.join(self.folder, f"usr/lib/xen-{debs.XEN}/bin", name)
        return own if os.path.exists(own) else os.path.join(
            self.folder, "usr/bin", name)

    def libraries(self, programs):
        """{soname: file} of all that the programs need, the loader with them."""
        loader = self.find("ld-linux-x86-64.so.2")
        folders = ":".join(os.path.join(self.folder, d, "x86_64-linux-gnu")
                           for d in ("lib", "usr/lib"))
        found = {"ld-linux-x86-64.so.2": loader}
        for program in programs:
            text = subprocess.run(
                [loader, "--inhibit-cache", "--library-path", folders,
                 "--list", program], capture_output=True, text=True).stdout
            if "not found" in text:
                raise Failure(f"libraries missing for {program}:\n{text}")
            found.update(re.findall(r"(\S+) => (/\S+)", text))
        # glibc loads it by name when a thread is cancelled; xl does that.
        found["libgcc_s.so.1"] = self.find("libgcc_s.so.1")
        return found

    def _module(self, names):
        """(file name, contents) of the module that has one of these names."""
        for name in names:
            if f"{name}.ko" in self.files:
                return f"{name}.ko", self.read(f"{name}.ko")
            if f"{name}.ko.xz" in self.files:
                return f"{name}.ko", lzma.decompress(self.read(f"{name}.ko.xz"))
        return None, None

    def modules(self, names):
        """[(file name, contents)] in an order in which they can be loaded."""
        done = {}
        builtin = {os.path.basename(line)[:-3].replace("-", "_") for line in
                   self.read("modules.builtin").decode().splitlines()}

        def visit(name):
            key = name.replace("-", "_")
            if key in done:
                return
            file, data = self._module({key, name, key.replace("_", "-")})
            if not file and key in builtin:
                return
            if not file:
                raise Failure(f"the kernel has no module {name}")
            needed = re.search(rb"\0depends=([^\0]*)\0", data)
            for other in (needed.group(1).decode().split(",") if needed else ()):
                if other:
                    visit(other)
            done[key] = (file, data)

        for name in names:
            visit(name)
        return list(done.values())


def _source(name):
    with open(os.path.join(HERE, name), "rb") as f:
        return f.read()


def _add_modules(cpio, folder, modules):
    for file, data in modules:
        cpio.add(f"{folder}/{file}", data)
    cpio.add(f"{folder}/list", "".join(f"{f}\n" for f, _ in modules).encode())


def _base(root, init, modules, net_modules):
    """What both kinds of initramfs hold."""
    cpio = Cpio()
    for folder in ("proc", "sys", "dev", "tmp", "run", "p"):
        cpio.folder(folder)
    cpio.node("dev/console", 5, 1)
    cpio.add("init", _source(init), 0o755)
    cpio.add("bin/busybox", root.read("bin/busybox"), 0o755)
    applets = subprocess.run([root.find("bin/busybox"), "--list"], check=True,
                             capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            cpio.link(f"bin/{applet}", "busybox")
    cpio.link("sbin", "bin")
    _add_modules(cpio, "modules", root.modules(modules))
    _add_modules(cpio, "modules/net", root.modules(net_modules))
    cpio.add("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n")
    cpio.add("etc/group", b"root:x:0:\n")
    return cpio


def guest_kernel(kind):
    """Where dom0 has it."""
    return f"/guests/vmlinux-{kind}" if DEBUG else "/guests/vmlinux"


def guest_config(name, kind):
    lines = [f'name = "{name}"', f'type = "{kind}"',
             f"memory = {GUEST_MEMORY_MB}",
             f"maxmem = {GUEST_MEMORY_MB}",
             "vcpus = 1", f'kernel = "{guest_kernel(kind)}"',
             'ramdisk = "/guests/initrd"', f'extra = "{GUEST_ARGS} guest_name={name}"',
             'disk = [ "format=raw,vdev=xvda,access=ro,backendtype=phy,'
             'target=/dev/vda" ]',
             'on_crash = "destroy"', 'on_reboot = "destroy"',
             # QEMU's TSC does not look reliable to Xen, which would emulate it then: 1300
             # instructions for each system call of a PV guest, whose kernel reads it then.
             # And QEMU's SVM has no TSC ratio.
             'tsc_mode = "native"']
    return "\n".join(lines) + "\n"


def _dom0_initrd(root, kernels, guest_initrd):
    cpio = _base(root, "dom0-init.sh", DOM0_MODULES, DOM0_NET_MODULES)
    programs = [root.program(p) for p in XEN_PROGRAMS]
    clients = [root.find(f"bin/xenstore-{c}") for c in XENSTORE_CLIENTS]
    for file in [*programs, *clients]:
        with open(file, "rb") as f:
            cpio.add(f"usr/sbin/{os.path.basename(file)}", f.read(), 0o755)
    # libxl looks for its helper where the package has it.
    cpio.link(f"usr/lib/xen-{debs.XEN}/bin", "/usr/sbin")
    for soname, file in root.libraries([*programs, clients[0]]).items():
        with open(file, "rb") as f:
            cpio.add(f"lib/x86_64-linux-gnu/{soname}", f.read(), 0o755)
    cpio.link("lib64/ld-linux-x86-64.so.2",
              "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    cpio.add("etc/xen/xl.conf", b'autoballoon="off"\n')
    cpio.add("etc/xen/oxenstored.conf", root.read("xen/oxenstored.conf"))
    cpio.add("etc/xen/scripts/block", _source("block.sh"), 0o755)
    for file, kernel in kernels.items():
        cpio.add(file.lstrip("/"), kernel)
    cpio.add("guests/initrd", guest_initrd)
    for name, kind in GUESTS.items():
        cpio.add(f"guests/{name}.cfg", guest_config(name, kind).encode())
    return cpio.bytes()


def build():
    """Bring the folder BOOT up to date; returns the key of its contents."""
    sources = [("file", os.path.join(HERE, name)) for name in INPUTS]
    folder, cache = path(BOOT), path("debs")
    wanted = debs.versions(cache)
    key = digest(*sources, sorted(wanted.items()))
    if read_text(os.path.join(folder, "key")) == key:
        return key
    wanted = debs.fetch(cache, wanted)
    key = digest(*sources, sorted(wanted.items()))
    if DEBUG:
        debugkernel.ensure()
    say("building the boot images of Xen, dom0 and the guests")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    debs.unpack(cache, (p for p in wanted if p != debs.LINUX_SOURCE),
                path("root"))
    root = Root(path("root"))
    linux = root.read(next(n for n in root.files if n.startswith("vmlinuz-")))
    kernel = bzimage.vmlinux(linux)
    kernels = {guest_kernel(kind): debugkernel.vmlinux(kind) if DEBUG else kernel
               for kind in GUESTS.values()}
    # A debug kernel has all of them built in.
    guest = _base(root, "guest-init.sh", () if DEBUG else GUEST_MODULES,
                  () if DEBUG else GUEST_NET_MODULES)
    guest.add("boot/vmlinuz", linux)
    # They run once the payload has brought the libraries.
    for client in XENSTORE_CLIENTS:
        guest.add(f"bin/xenstore-{client}",
                  root.read(f"bin/xenstore-{client}"), 0o755)
    write = {
        "xen.elf": bzimage.unpack_gzip(root.read(f"xen-{debs.XEN}-amd64.gz")),
        "vmlinuz": bzimage.lz4_image(linux, kernel),
        "initrd": _dom0_initrd(root, kernels, guest.bytes()),
    }
    for name, data in write.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    shutil.rmtree(path("root"))
    write_text(os.path.join(folder, "key"), key)
    return key
