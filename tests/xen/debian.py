# SPDX-License-Identifier: GPL-2.0-or-later
"""A small Debian with systemd, for the scenarios that say `# root: debian`.

It is what dom0 becomes in them: PID 1 hands over to systemd in this tree, in
a machine that was loaded from the snapshot like any other (dom0-run.sh).  So
it holds no kernel and no Xen, just an init, udev, and the libraries that our
programs are installed on.

mmdebstrap makes it of the distribution's packages; like everything that is
made of them it is kept until their versions change.
"""
import os
import re
import shutil
import subprocess

from common import Failure, digest, path, say

PACKAGES = ("systemd-sysv", "udev", "kmod", "libxengnttab1", "libxenevtchn1", "libxenstore4",
            "libxenmisc4.17", "libinih1")
# Nobody reads these here; without them it is half as large.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/i18n/*")
HOOK = r"""
chroot "$1" dpkg --purge --force-all apt libapt-pkg6.0 gpgv >/dev/null 2>&1
rm -rf "$1/usr/lib/x86_64-linux-gnu/gconv" "$1/usr/share/zoneinfo" "$1/var/cache/apt"
"""


def _versions():
    text = subprocess.run(["apt-cache", "policy", *PACKAGES], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout
    return re.findall(r"^(\S+):$|^  Candidate: (\S+)$", text, re.M)


def root():
    """The tree as a tar archive; made for now if need be."""
    key = digest(list(PACKAGES), list(LEFT_OUT), HOOK, _versions())
    target = path("debian", key[:16] + ".tar")
    if os.path.exists(target):
        return target
    if not shutil.which("mmdebstrap"):
        raise Failure("mmdebstrap is not installed")
    say("making a Debian with systemd for dom0 (a minute)")
    shutil.rmtree(path("debian"), ignore_errors=True)
    os.makedirs(path("debian"))
    hook = path("debian", "hook.sh")
    with open(hook, "w", encoding="ascii") as f:
        f.write(HOOK)
    command = ["mmdebstrap", "--quiet", "--format=tar", "--variant=minbase",
               "--include=" + ",".join(PACKAGES),
               *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
               f'--customize-hook=sh {hook} "$1"', "bookworm", target + ".new"]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise Failure(f"mmdebstrap failed:\n{result.stderr}")
    os.replace(target + ".new", target)
    return target
