"""Questions to the Raspberry Pi's firmware: through its mailbox (/dev/vcio), else the command vcgencmd.

The mailbox needs no process, so it can be asked often. Message and call number are those of vcgencmd's own
source: words of 32 bits [size, 0, tag, length, 0, error, text ..., 0]; the answer comes in the same place.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from typing import Callable, Optional

from farm_agent.sensors import SensorError
from farm_agent.sensors.common import command

DEVICE = "/dev/vcio"
TEXT_BYTES = 1024
GENCMD_TAG = 0x00030080
ANSWERED = 0x80000000
HEAD = struct.Struct("<6I")
SIZE = HEAD.size + TEXT_BYTES + 4
# _IOWR(100, 0, char *): the size of a pointer is part of the number.
CALL = (3 << 30) | (struct.calcsize("P") << 16) | (100 << 8)

Ask = Callable[[str], str]


def request(question: str) -> bytearray:
    """The mailbox message for a question. Raises SensorError ``sensor.bad-text`` when it is too long."""
    text = question.encode()
    if len(text) >= TEXT_BYTES:
        raise SensorError("the question is too long for the firmware", code="sensor.bad-text")
    head = HEAD.pack(SIZE, 0, GENCMD_TAG, TEXT_BYTES, 0, 0)
    return bytearray(head + text.ljust(TEXT_BYTES, b"\0") + b"\0\0\0\0")


def answer(message: bytes) -> str:
    """The text in an answered message. Raises SensorError ``sensor.silent``, ``sensor.bad-text``."""
    if len(message) != SIZE:
        raise SensorError("the firmware's answer has the wrong size", code="sensor.bad-text")
    _, state, _, _, _, error = HEAD.unpack_from(message)
    if state != ANSWERED or error != 0:
        raise SensorError(f"the firmware refused: state {state:#x}, error {error}", code="sensor.silent")
    return message[HEAD.size : HEAD.size + TEXT_BYTES].split(b"\0")[0].decode("utf-8", "replace")


def by_mailbox(question: str) -> str:
    """Ask once. Raises SensorError, or OSError where there is no mailbox that this user may open."""
    message = request(question)
    handle = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, CALL, message, True)  # noqa: FBT003 - the answer is written into the message
    finally:
        os.close(handle)
    return answer(bytes(message))


def by_command(question: str) -> str:
    """The same through vcgencmd. Raises SensorError of ``command.run``."""
    return command.run(["vcgencmd", *question.split()])


def mailbox() -> Optional[Ask]:
    """The mailbox if it answers; None where it is missing or closed to this user."""
    with contextlib.suppress(OSError, SensorError):
        if by_mailbox("get_throttled").startswith("throttled="):
            return by_mailbox
    return None
