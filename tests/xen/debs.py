# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetch the distribution's Xen, kernel and libraries without installing them.

The test machine is made of Debian packages that must never be installed on
the developer's own machine: a hypervisor and a kernel there would change its
boot menu.  So the packages are only downloaded (`apt-get download` needs no
root) and unpacked below build/xen/.  The list is fixed: a dependency closure
computed by apt would draw in grub, Python and udev, none of which the tiny
dom0 uses.

The set of package versions is a part of the key of everything built from
them, so a security update in the archive leads to one new image and boot.
Where apt knows no versions (its lists were removed to save space) the
packages already fetched go on being used.
"""
import json
import os
import re
import shutil
import subprocess
import time

from common import (DEBUG, DEFAULT_KERNEL, DOM0_KERNEL, KERNEL, Failure, digest,
                    read_text, say, write_text)

XEN = "4.17"
PACKAGES = [
    f"xen-hypervisor-{XEN}-amd64", f"xen-utils-{XEN}", "xen-utils-common",
    "xenstore-utils", f"libxenmisc{XEN}", "libxencall1", "libxendevicemodel1", "libxenevtchn1",
    "libxenforeignmemory1", "libxengnttab1", "libxenhypfs1", "libxenstore4",
    "libxentoolcore1", "libxentoollog1",
    "libc6", "libgcc-s1", "zlib1g", "libyajl2", "libuuid1", "liblzma5",
    "libzstd1", "busybox-static",
]
LINUX_SOURCE = f"linux-source-{DEFAULT_KERNEL}"
if DEBUG:
    PACKAGES.append(LINUX_SOURCE)
# Meta packages: what they depend on names the current kernel.
KERNEL_META = ("linux-image-amd64" if DOM0_KERNEL == DEFAULT_KERNEL else
               f"linux-image-{DOM0_KERNEL}-amd64")


def _apt(*args):
    result = subprocess.run(args, capture_output=True, text=True,
                            env={**os.environ, "LC_ALL": "C"})
    return result.stdout if result.returncode == 0 else ""


def _kernel_package():
    for line in _apt("apt-cache", "show", "--no-all-versions",
                     KERNEL_META).splitlines():
        match = re.match(r"Depends: .*\b(linux-image-[0-9][^ ,]*)", line)
        if match:
            return match.group(1)
    return None


def _candidates():
    """{package: candidate version}, or None if apt does not know them all."""
    kernel = _kernel_package()
    if not kernel:
        return None
    wanted = [*PACKAGES, kernel]
    found, name = {}, None
    for line in _apt("apt-cache", "policy", *wanted).splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":").split(":")[0]
        elif line.startswith("  Candidate: ") and "(none)" not in line:
            found[name] = line.split(": ", 1)[1]
    return found if all(w in found for w in wanted) else None


def _refresh_lists():
    """Ask apt for fresh package lists; needs root, or a sudo that asks not."""
    command = ["apt-get", "update", "-q"]
    if os.geteuid() != 0:
        command = ["sudo", "-n", *command]
    say("refreshing the package lists (apt-get update)")
    try:
        if subprocess.run(command, capture_output=True).returncode == 0:
            return
    except FileNotFoundError:
        pass
    say("  that failed; going on with the lists there are")


def _have(folder):
    """{package: version} of the .deb files in the folder."""
    have = {}
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        match = re.match(r"(.+?)_(.+)_(amd64|all)\.deb$", name)
        if match:
            have[match.group(1)] = match.group(2).replace("%3a", ":")
    return have


def _complete(have):
    return (all(p in have for p in PACKAGES)
            and any(p.startswith(f"linux-image-{DOM0_KERNEL}.") for p in have))


def _lists_signature():
    """Changes whenever apt's idea of the archive may have changed."""
    files = []
    for folder in ("/var/lib/apt/lists", "/etc/apt", "/etc/apt/sources.list.d",
                   "/etc/apt/preferences.d"):
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            info = os.stat(os.path.join(folder, name))
            if not os.path.isdir(os.path.join(folder, name)):
                files.append([name, info.st_size, info.st_mtime_ns])
    return digest(json.dumps([PACKAGES, KERNEL_META, files]))


def versions(folder):
    """The package versions an image is to be built from, by name.

    Asking apt takes a second or two, so its answer is kept for as long as
    its lists stay the same.
    """
    note = os.path.join(folder, f"versions-{KERNEL}.json")
    signature = _lists_signature()
    try:
        known = json.loads(read_text(note) or "{}")
    except ValueError:
        known = {}
    if known.get("lists") != signature:
        wanted = _ask_apt(folder)
        known = {"lists": _lists_signature(), "wanted": wanted}
        os.makedirs(folder, exist_ok=True)
        write_text(note, json.dumps(known))
    return known["wanted"]


def release(wanted):
    """The kernel's name for itself, as `uname -r` says it."""
    prefix = "linux-image-"
    return next(p for p in wanted if p.startswith(prefix))[len(prefix):]


def _ask_apt(folder):
    wanted = _candidates()
    if wanted is None:
        have = _have(folder)
        if _complete(have):
            return {p: v for p, v in have.items() if p in PACKAGES
                    or p.startswith(f"linux-image-{DOM0_KERNEL}.")}
        _refresh_lists()
        wanted = _candidates()
    if wanted is None:
        raise Failure("apt offers no Xen and kernel packages: this needs "
                      "Debian 12 (bookworm) on amd64 and its package lists "
                      "(apt-get update)")
    return wanted


def _download(folder, names):
    """apt-get download, with a sign of life; returns apt's errors, if any."""
    with subprocess.Popen(
            ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root",
             *names], cwd=folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT) as process:
        errors, last = [], time.monotonic()
        for line in process.stdout:
            got = re.match(r"Get:(\d+) \S+ \S+ \S+ (\S+) ", line)
            if got and time.monotonic() > last + 2:
                last = time.monotonic()
                say(f"  {got.group(1)} of {len(names)}: {got.group(2)}")
            if line.startswith(("E:", "W:", "Err:")):
                errors.append(line)
    if process.returncode == 0:
        return ""
    return "".join(errors).strip() or f"exit status {process.returncode}"


def fetch(folder, wanted):
    """Bring the .deb files of these versions into the folder.

    Returns what was fetched: if the archive has moved on since apt's lists
    were made, that is newer than what was asked for.
    """
    os.makedirs(folder, exist_ok=True)
    have = _have(folder)
    missing = [p for p, v in wanted.items() if have.get(p) != v]
    if not missing:
        return wanted
    say(f"downloading {len(missing)} packages (about "
        f"{220 if LINUX_SOURCE in missing else 80} MB in all)")
    for name in os.listdir(folder):
        if name.split("_")[0] in missing:
            os.unlink(os.path.join(folder, name))
    for attempt in (1, 2, 3):
        error = _download(folder, [f"{p}={wanted[p]}" for p in missing])
        if not error:
            return wanted
        say(f"  download failed (attempt {attempt} of 3)")
        _refresh_lists()
        wanted = _candidates() or wanted
        missing = [p for p, v in wanted.items() if _have(folder).get(p) != v]
    raise Failure("cannot download the packages:\n" + error)


def unpack(folder, wanted, root):
    """Unpack the packages side by side below root (which is emptied)."""
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(root)
    have = {}
    for name in os.listdir(folder):
        have[name.split("_")[0]] = os.path.join(folder, name)
    for package in wanted:
        subprocess.run(["dpkg-deb", "-x", have[package], root], check=True)
