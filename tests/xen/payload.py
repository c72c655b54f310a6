# SPDX-License-Identifier: GPL-2.0-or-later
"""Pack what a machine gets after its snapshot was loaded: the payload disk.

Tar archives, padded to one fixed size because the disk's size is a part of
the snapshot.  dom0 unpacks the first two to /p; guests, whose disks are slow,
only the first, without what is for dom0 alone.  The third is the tree that
systemd runs in, if a scenario wants one (debian.py).

  /p/bin, /p/...   whatever the staged folder holds (the project's programs),
                   and this machine's sha256sum, as busybox's is slow
  /p/lib           the shared libraries all those programs need, taken from
                   this machine together with the dynamic loader, so that
                   programs run with exactly the libraries they were built for
  /p/scenarios     the scenarios
  /p/xt            the harness's own programs and scripts
"""
import os
import re
import shutil
import subprocess
import tarfile

from common import HERE, Failure

SIZE = 512 << 20    # most of it is a hole
BLOCK = 64 << 10
# `root` is where the project is installed as a package would do it.
DOM0_ONLY = ("bin/xenmsgd", "bin/xenmsgctl", "bin/xenmsgd.symbols", "bin/herd", "bin/relay",
             "bin/cputime",
             "xt/hub", "xt/guest-exec", "root/")
SCRIPTS = ("env.sh", "lib.sh", "xenmsg.sh", "dom0-run.sh", "guest-run.sh", "guest-dmesg.sh",
           "systemd.sh")


def _is_elf(file):
    with open(file, "rb") as f:
        return f.read(4) == b"\x7fELF"


def _libraries(programs, own):
    """{soname: file} for the programs; `own` is searched first."""
    found = {}
    environment = {**os.environ, "LD_LIBRARY_PATH": own, "LC_ALL": "C"}
    environment.pop("LD_PRELOAD", None)
    for program in programs:
        text = subprocess.run(["ldd", program], env=environment,
                              capture_output=True, text=True).stdout
        missing = re.findall(r"(\S+) => not found", text)
        if missing:
            raise Failure(f"{program} needs {' '.join(missing)}, not found")
        for soname, file in re.findall(r"(\S+) => (/\S+)", text):
            found[soname] = file
        for file in re.findall(r"^\s*(/\S*ld-linux\S*) \(", text, re.M):
            found[os.path.basename(file)] = file
    # libc loads this one by itself, when a thread is cancelled: libxenstore's
    # reader is, at xs_close().
    text = subprocess.run(["gcc", "-print-file-name=libgcc_s.so.1"],
                          capture_output=True, text=True).stdout.strip()
    found.setdefault("libgcc_s.so.1", os.path.realpath(text))
    return found


def _archive(target, content):
    """Write {name: file} to a tar archive, in whole blocks; returns those."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT,
                      dereference=True, bufsize=BLOCK) as tar:
        for name in sorted(content):
            info = tar.gettarinfo(content[name], name)
            info.uid = info.gid = 0
            # Dated in the machine's past, or its tar would complain.
            info.uname = info.gname = ""
            info.mtime = 0
            info.type = tarfile.REGTYPE     # hard links are copied too
            info.size = os.path.getsize(content[name])
            with open(content[name], "rb") as f:
                tar.addfile(info, f)
    blocks = -(-os.path.getsize(target) // BLOCK)
    os.truncate(target, blocks * BLOCK)
    return blocks


def pack(staged, tools, target, root=None):
    """Write the disk image from the staged folder (or None) and the tools.

    root: a tar archive for systemd's tree.  Returns the numbers of 64 KiB
    blocks of the three archives.
    """
    content = {"bin/sha256sum": shutil.which("sha256sum")}  # in the archive: file

    def add_tree(folder, prefix):
        for where, _, names in os.walk(folder, followlinks=True):
            inside = os.path.relpath(where, folder)
            for name in names:
                key = os.path.normpath(os.path.join(prefix, inside, name))
                content[key] = os.path.join(where, name)

    add_tree(os.path.join(HERE, "scenarios"), "scenarios")
    add_tree(tools, "xt")
    for script in SCRIPTS:
        content[f"xt/{script}"] = os.path.join(HERE, script)
    if staged:
        add_tree(staged, "")
    own = os.path.join(staged, "lib") if staged else ""
    archives = [{n: f for n, f in content.items() if n.startswith(DOM0_ONLY) == only}
                for only in (False, True)]
    for archive in archives:
        programs = [f for f in archive.values() if _is_elf(f)]
        for soname, file in _libraries(programs, own).items():
            if f"lib/{soname}" not in archives[0]:
                archive[f"lib/{soname}"] = file

    parts = [f"{target}.{os.getpid()}.{n}.tmp" for n in range(len(archives))]
    blocks = [_archive(*pair) for pair in zip(parts, archives)]
    with open(parts[0], "ab") as disk:
        for part in (parts[1], *([root] if root else [])):
            with open(part, "rb") as more:
                shutil.copyfileobj(more, disk)
    os.unlink(parts[1])
    blocks.append(-(-os.path.getsize(root) // BLOCK) if root else 0)
    if sum(blocks) * BLOCK > SIZE:
        os.unlink(parts[0])
        raise Failure(f"the payload has {sum(blocks) * BLOCK >> 20} MiB, and "
                      f"the payload disk {SIZE >> 20}")
    os.truncate(parts[0], SIZE)
    os.replace(parts[0], target)
    return blocks
