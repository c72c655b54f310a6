#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check who includes whom, the licence lines and the sizes of files.

The modules form layers, and an include goes down only:

    include, xenstore-schema  <-  common  <-  backend  <-  broker
    include  <-  frontend/core  <-  frontend/user  <-  frontend/lib/user
    include  <-  frontend/core  <-  frontend/linux
    common   <-  frontend/lib   <-  frontend/lib/user, frontend/lib/kernel
    include  <-  frontend/map   <-  frontend/user, frontend/lib/kernel

frontend/lib knows no way to the device; each is in a folder of its own below.
The one over the kernel's driver knows no engine.  frontend/map is what both ways
need: mapping pages of other domains.
frontend/core sees the protocol header and common/xen-compat.h alone, not even
the C library, because a kernel compiles it as well.  Product code never
includes tests.  Each of Xen's libraries is used in the one place named here.
"""
import ast
import os
import re
import sys

# folder: the folders or files (ends in .h or .def) of the project that it may include.
# The longest matching folder counts; its own files are always allowed.
SCHEMA = "xenstore-schema"
MAY_INCLUDE = {
    "include": [],
    SCHEMA: ["include"],
    "common": ["include", SCHEMA],
    "backend": ["common", "include/xen", SCHEMA],
    "broker": ["backend", "common", "include/xen", SCHEMA],
    "frontend/core": ["include/xen/io/vmsgif.h", "common/xen-compat.h"],
    "frontend/linux": ["frontend/core", "include/xen/io/vmsgif.h", "include/uapi",
                       "common/xen-compat.h"],
    "frontend/map": ["include/xen/io/vmsgif.h"],
    "frontend/user": ["frontend/core", "frontend/map", "common", "include", SCHEMA],
    "frontend/lib": ["common", "include"],
    "frontend/lib/user": ["frontend/lib", "frontend/user", "frontend/core", "common", "include"],
    "frontend/lib/kernel": ["frontend/lib", "frontend/map", "common", "include"],
    "frontend/cli": ["common", "include/xenmsg.h"],
    "tests": [""],
}
# These may include no header of the system either.
FREESTANDING = ["frontend/core"]

# On the dom0 side (backend, broker), who may include a header of Xen's libraries.
DOM0 = ["backend", "broker"]
ONLY_IN = {
    "xengnttab.h": ["backend/chan.c", "backend/grants.c"],
    "xenevtchn.h": ["backend/chan.c", "backend/grants.c"],
    "xenstore.h": ["backend/xs.c"],
    "xenctrl.h": ["backend/domains.c"],
}

# folder or file: licence.  The longest match counts.
GPL = "GPL-2.0-or-later"
LGPL = "LGPL-2.1-or-later"
DUAL = "(GPL-2.0-only OR MIT)"
LICENCE = {
    "": GPL,
    "include": "MIT",
    "include/xenmsg.h": LGPL,
    "include/uapi": "((GPL-2.0 WITH Linux-syscall-note) OR MIT)",
    SCHEMA: "MIT",
    "common": DUAL,
    "frontend/core": DUAL,
    "frontend/linux": "GPL-2.0-only",
    "frontend/map": LGPL,
    "frontend/user": LGPL,
    "frontend/lib": LGPL,
}
# Prose, data and settings have no licence line; the folders' licences hold for them.
UNMARKED = (".md", ".txt", ".conf", ".json", ".svg", ".service", ".socket", ".editorconfig",
            ".gitignore", ".gitattributes", ".clang-format", ".clang-tidy")
UNMARKED_PATHS = ("COPYING", "tests/fuzz/corpus", "LICENSES")

# A file that is longer does too much.  Most of a protocol header is documentation.
LINES_WARN = 500
LINES_ERROR = 600
LINES_EXEMPT = ("tests", "include/xen/io")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
SPDX = re.compile(r"SPDX-License-Identifier: (.*?)(?:\s*\*/)?\s*$")


def within(path, folder):
    return folder == "" or path == folder or path.startswith(folder + "/")


def longest(path, table):
    fits = [folder for folder in table if within(path, folder)]
    return max(fits, key=len) if fits else None


def sources():
    """Every file of the project, as paths from its top."""
    for where, folders, names in os.walk("."):
        folders[:] = sorted(f for f in folders
                            if f not in (".git", "__pycache__") and not f.startswith("build"))
        for name in sorted(names):
            path = os.path.normpath(os.path.join(where, name))
            if not os.path.islink(path):
                yield path


class Checker:
    def __init__(self):
        self.errors = 0

    def error(self, path, line, text):
        print(f"{path}:{line}: {text}")
        self.errors += 1

    def resolve(self, path, quoted, angled):
        """The project's file that an include means, or None if it is the system's."""
        name = quoted or angled
        places = [os.path.dirname(path)] if quoted else []
        for place in places + [".", "include"]:
            found = os.path.normpath(os.path.join(place, name))
            if os.path.isfile(found):
                return found
        return None

    def check_include(self, path, line, quoted, angled):
        name = quoted or angled
        folder = longest(path, MAY_INCLUDE)
        target = self.resolve(path, quoted, angled)
        if target is None:
            if quoted:
                self.error(path, line, f'"{name}" is no file of the project')
            elif any(within(path, f) for f in FREESTANDING):
                self.error(path, line, f"{folder} includes no system header, but <{name}>")
            elif any(within(path, f) for f in DOM0) and path not in ONLY_IN.get(name, [path]):
                self.error(path, line, f"<{name}> is for {' and '.join(ONLY_IN[name])} alone")
            return
        if longest(target, MAY_INCLUDE) == folder:
            return
        if not any(within(target, allowed) for allowed in MAY_INCLUDE[folder]):
            self.error(path, line, f"{folder} must not include {target}")

    def check_c(self, path, lines):
        if longest(path, MAY_INCLUDE) is None:
            self.error(path, 1, "is in no folder that the layers name")
            return
        for number, text in enumerate(lines, 1):
            found = INCLUDE.match(text)
            if found:
                self.check_include(path, number, *found.groups())

    def check_licence(self, path, lines):
        if path.endswith(UNMARKED) or any(within(path, p) for p in UNMARKED_PATHS):
            return
        wanted = LICENCE[longest(path, LICENCE)]
        for number, text in enumerate(lines[:3], 1):
            found = SPDX.search(text)
            if found:
                if found.group(1) != wanted:
                    self.error(path, number, f"is {found.group(1)}, its folder is {wanted}")
                return
        self.error(path, 1, f"has no line 'SPDX-License-Identifier: {wanted}' at its top")

    def check_size(self, path, lines):
        if any(within(path, p) for p in LINES_EXEMPT):
            return
        if len(lines) > LINES_ERROR:
            self.error(path, len(lines), f"has more than {LINES_ERROR} lines")
        elif len(lines) > LINES_WARN:
            print(f"{path}:{len(lines)}: warning: has more than {LINES_WARN} lines")

    def check(self, path):
        try:
            with open(path, encoding="utf-8") as f:
                text = f.read()
        except UnicodeDecodeError:
            return  # not text
        lines = text.splitlines()
        self.check_licence(path, lines)
        if path.endswith((".c", ".h", ".def")):
            self.check_c(path, lines)
            self.check_size(path, lines)
        if path.endswith(".py"):
            try:
                ast.parse(text, path)
            except SyntaxError as error:
                self.error(path, error.lineno, error.msg)


def main():
    checker = Checker()
    count = 0
    for path in sources():
        checker.check(path)
        count += 1
    print(f"dependencies: {count} files, {checker.errors} errors")
    return 1 if checker.errors else 0


if __name__ == "__main__":
    sys.exit(main())
