# SPDX-License-Identifier: GPL-2.0-or-later
"""What dom0 sends by the data port: files and the exit status.

    FILE <size> <name>\\n<size bytes>
    EXIT <status>\\n

A name is a plain file name; whatever else dom0 may send is not believed.
"""
import os
import re

MAX_FILE = 1 << 30


class Receiver:
    """Fed with pieces as they come; writes files below `folder`."""

    def __init__(self, folder):
        self.folder, self.buffer = folder, bytearray()
        self.left, self.file, self.status = 0, None, None

    def feed(self, data):
        self.buffer += data
        while self.buffer:
            if self.file:
                part = self.buffer[:self.left]
                self.file.write(part)
                self.left -= len(part)
                del self.buffer[:len(part)]
                self._end_of_file()
                continue
            line, newline, _ = self.buffer.partition(b"\n")
            if not newline:
                return
            del self.buffer[:len(line) + 1]
            self._line(line.decode(errors="replace"))

    def _line(self, line):
        if match := re.fullmatch(r"EXIT (\d{1,3})", line):
            self.status = int(match.group(1))
            return
        match = re.fullmatch(r"FILE (\d{1,10}) ([\w.+@-]+)", line, re.ASCII)
        if match and int(match.group(1)) <= MAX_FILE \
                and match.group(2) not in (".", ".."):
            os.makedirs(self.folder, exist_ok=True)
            self.left = int(match.group(1))
            self.file = open(os.path.join(self.folder, match.group(2)), "wb")
            self._end_of_file()

    def _end_of_file(self):
        if self.left == 0:
            self.file.close()
            self.file = None
