"""Runs on a device in place of its SFTP server: the real one with a lie, of sizes or of where files end."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

REAL = "/usr/lib/openssh/sftp-server"
STATUS, DATA, ATTRS = 101, 103, 105
END_OF_FILE, HAS_SIZE = 1, 1


def packets(stream: IO[bytes]) -> Iterator[bytes]:
    """Each packet's body."""
    while len(head := stream.read(4)) == 4:
        yield stream.read(*struct.unpack(">I", head))


def changed(body: bytes, lie: str) -> bytes:
    """The packet with the lie in it, if it is one that can lie."""
    kind, rest = body[0], body[5:]
    if lie == "endless" and kind == STATUS and struct.unpack(">I", rest[:4])[0] == END_OF_FILE:
        return bytes([DATA]) + body[1:5] + struct.pack(">I", 32768) + b"x" * 32768
    if lie in ("huge", "zero") and kind == ATTRS and struct.unpack(">I", rest[:4])[0] & HAS_SIZE:
        size = 2**62 if lie == "huge" else 0
        return body[:9] + struct.pack(">Q", size) + body[17:]
    return body


def main() -> None:
    """Until the client is gone."""
    server = subprocess.Popen([REAL], stdout=subprocess.PIPE)
    assert server.stdout
    lie = Path("/etc/zoo/sftp-lie").read_text()
    out = os.fdopen(1, "wb", buffering=0)
    for body in packets(server.stdout):
        told = changed(body, lie)
        out.write(struct.pack(">I", len(told)) + told)


if __name__ == "__main__":
    main()
