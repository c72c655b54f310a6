# SPDX-License-Identifier: GPL-2.0-or-later
"""An interactive shell in dom0 of a machine loaded from the snapshot.

The terminal is put into raw mode and passed through, Ctrl-C included; the
machine ends with the shell.
"""
import os
import selectors
import sys
import termios
import tty

import snapshot
from common import Failure, path


def run(saved, disk, start):
    box = snapshot.load(saved, disk, path("log", "shell.serial.log"))
    keyboard = sys.stdin.fileno()
    settings = termios.tcgetattr(keyboard) if os.isatty(keyboard) else None
    try:
        if settings:
            columns, rows = os.get_terminal_size(keyboard)
            start = f"stty rows {rows} cols {columns}; {start}"
            tty.setraw(keyboard)
        box.send(f"{start} shell")
        with selectors.DefaultSelector() as selector:
            for source in (keyboard, box.text, box.data):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    data = os.read(key.fd, 65536)
                    if not data and key.fileobj != keyboard:
                        raise Failure("QEMU ended: " + box.last_words())
                    if not data:
                        selector.unregister(keyboard)
                    elif key.fileobj == keyboard:
                        box.text.sendall(data)
                    elif key.fileobj == box.text:
                        os.write(1, data)
                    elif data.startswith(b"EXIT"):
                        return 0
    finally:
        if settings:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, settings)
        box.kill()
