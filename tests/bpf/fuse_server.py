#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One file on a FUSE file system, served by hand (no library): fuse_server.py FILE DIR. Prints "ready" when mounted.
From SIGUSR1 on it takes requests and answers none (nobody can kill those who wait then); at SIGTERM it unmounts and ends."""
import ctypes
import os
import signal
import struct
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, ACCESS, INTERRUPT, BATCH_FORGET = 1, 2, 3, 14, 15, 17, 18, 25, 26, 34, 36, 42
ROOT, FILE, ENOENT, ENOSYS = 1, 2, 2, 38
libc = ctypes.CDLL(None, use_errno=True)


def attributes(node, size):
    mode = 0o40755 if node == ROOT else 0o100755
    return struct.pack("=6Q10I", node, size, (size + 511) // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def answer(opcode, node, body, name, content):
    """The answer's body, or an error number."""
    size = 0 if node == ROOT else len(content)
    if opcode == INIT:
        return struct.pack("=4I2H2I2H8I", 7, 31, 65536, 0, 16, 12, 131072, 1, 32, 0, *[0] * 8)
    if opcode == LOOKUP:
        if body.rstrip(b"\0").decode() != name:
            return ENOENT
        return struct.pack("=4Q2I", FILE, 0, 0, 0, 0, 0) + attributes(FILE, len(content))
    if opcode == GETATTR:
        return struct.pack("=Q2I", 0, 0, 0) + attributes(node, size)
    if opcode == OPEN:
        return struct.pack("=Q2I", 1, 0, 0)
    if opcode == READ:
        _, offset, length = struct.unpack_from("=2QI", body)
        return content[offset:offset + length]
    if opcode == STATFS:
        return struct.pack("=5Q10I", 1, 0, 0, 1, 0, 4096, 255, 4096, *[0] * 7)
    return b"" if opcode in (RELEASE, FLUSH, ACCESS) else ENOSYS


def main():
    path, place = sys.argv[1:]
    with open(path, "rb") as f:
        content = f.read()
    fuse = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"flamegate-test", place.encode(), b"fuse.flamegate", 0, options):
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    mute = []
    signal.signal(signal.SIGUSR1, lambda *_: mute.append(True))

    def end(*_):
        libc.umount2(place.encode(), 2)
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    while True:
        request = os.read(fuse, 1 << 20)
        _, opcode, unique, node = struct.unpack_from("=2I2Q", request)
        if mute or opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            continue
        out = answer(opcode, node, request[40:], os.path.basename(path), content)
        error, out = (-out, b"") if isinstance(out, int) else (0, out)
        os.write(fuse, struct.pack("=IiQ", 16 + len(out), error, unique) + out)


if __name__ == "__main__":
    main()
