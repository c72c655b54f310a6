# SPDX-License-Identifier: GPL-2.0-or-later
"""Take a Linux bzImage apart, and put it together with a faster compression.

Most of a cold boot would go into unpacking XZ: Xen unpacks dom0's kernel,
and libxl the guests' at each `xl create`, both slowly under emulation.  So
dom0 gets a bzImage repacked with LZ4 and the guests the plain ELF file.

A bzImage is a real-mode setup part, then the protected-mode code, which
holds the compressed kernel (the "payload") with its unpacked size in four
bytes at its end.  Neither Xen nor libxl runs the code: both look up the
payload's place in the setup header, so the repacked file needs nothing
after the setup part but the payload.  See Documentation/x86/boot.rst of
Linux and xen/arch/x86/bzimage.c of Xen.
"""
import lzma
import struct
import subprocess
import zlib

from common import Failure

SETUP_SECTS, MAGIC, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x202, 0x248, 0x24C


def _setup_size(image):
    if image[MAGIC:MAGIC + 4] != b"HdrS":
        raise Failure("the kernel is not a bzImage")
    return ((image[SETUP_SECTS] or 4) + 1) * 512


def _unpack(payload):
    if payload[:6] == b"\xfd7zXZ\x00":
        return lzma.LZMADecompressor().decompress(payload)
    if payload[:2] == b"\x1f\x8b":
        return unpack_gzip(payload)
    if payload[:4] == b"\x02\x21\x4c\x18":
        return _run(["lz4", "-dc"], payload)
    if payload[:4] == b"\x28\xb5\x2f\xfd":
        # The others do not mind the size at the end.
        return _run(["zstd", "-dcq"], payload[:-4])
    raise Failure("the kernel is packed in a way this does not know: "
                  + payload[:6].hex())


def _run(command, data):
    return subprocess.run(command, input=data, check=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def vmlinux(image):
    """The plain ELF kernel in a bzImage."""
    start = _setup_size(image) + struct.unpack_from("<I", image,
                                                    PAYLOAD_OFFSET)[0]
    length = struct.unpack_from("<I", image, PAYLOAD_LENGTH)[0]
    kernel = _unpack(image[start:start + length])
    if kernel[:4] != b"\x7fELF":
        raise Failure("the unpacked kernel is not an ELF file")
    return kernel


def lz4_image(image, kernel):
    """The bzImage with its payload packed by LZ4 instead."""
    setup = bytearray(image[:_setup_size(image)])
    packed = _run(["lz4", "-l", "-9", "-c"], kernel)
    packed += struct.pack("<I", len(kernel))
    struct.pack_into("<I", setup, PAYLOAD_OFFSET, 0)
    struct.pack_into("<I", setup, PAYLOAD_LENGTH, len(packed))
    return bytes(setup) + packed


def unpack_gzip(data):
    return zlib.decompressobj(31).decompress(data)
