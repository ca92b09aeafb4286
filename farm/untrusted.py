"""What a device says is foreign: made harmless, or refused, before anything else here looks at it."""

from __future__ import annotations

import dataclasses
import math
import re

from farm.errors import InfrastructureError
from farm_agent.errors import spelled_out
from farm_agent.wire import Blob

MOST_FETCHED_BYTES = 256 * 1024 * 1024  # of samples or traces: what may also be unpacked of them
LARGEST_NUMBER = 2**63  # what a database keeps, and nothing that anybody measures reaches
LONGEST_MESSAGE = 4000

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CODE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_NEVER_NEGATIVE = re.compile(r".*_(ns|bytes|khz|s|runs)|count|cores|index|seq|next_seq|fence")
_MAY_STEP_BACK = ("clock_step_ns", "suspended_ns")


def harmless(data: object) -> object:
    """JSON data with colours dropped, and all that drives a terminal, or that no database keeps, spelled out.

    Raises ValueError for a number that is too large, RecursionError for data that are nested too deeply.
    """
    if isinstance(data, str):
        return text(data)
    if isinstance(data, list):
        return [harmless(item) for item in data]
    if isinstance(data, dict):
        return {text(key): harmless(value) for key, value in data.items()}
    if isinstance(data, int) and abs(data) >= LARGEST_NUMBER:
        raise ValueError(f"a number of {data.bit_length()} bits")
    return data


def text(foreign: str) -> str:
    """A text without colours; control characters other than tabs and line ends as ``\\xNN``."""
    if foreign.isascii() and foreign.isprintable():
        return foreign
    return spelled_out(_COLOUR.sub("", foreign))


def is_code(word: str) -> bool:
    """Whether this can be the code of an error."""
    return _CODE.fullmatch(word) is not None


def plain_name(blob: Blob, limit_bytes: int) -> Blob:
    """The blob, if its name is a file's in the folder where it is to be put, and its size one that we take.

    Raises InfrastructureError agent.garbled, link.too-large.
    """
    if not _FILE.fullmatch(blob.name) or not re.fullmatch(r"[0-9a-f]{64}", blob.sha256):
        raise garbled(f"the agent names a file {blob.name[:80]!r}, which is no name of a file of a job")
    if blob.size_bytes > limit_bytes:
        raise InfrastructureError(
            f"the device wants to send {blob.size_bytes / 2**20:.0f} MiB as {blob.name}",
            code="link.too-large",
            fix="measure for a shorter time, and look at what the device runs: its agent keeps less",
        )
    return blob


def check_numbers(value: object, path: str) -> None:
    """Raises InfrastructureError agent.garbled for a negative or infinite time, size or count."""
    if isinstance(value, (tuple, list)):
        for number, item in enumerate(value):
            check_numbers(item, f"{path}[{number}]")
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _check_field(field.name, getattr(value, field.name), f"{path}.{field.name}")


def _check_field(name: str, value: object, path: str) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        check_numbers(value, path)
    elif _NEVER_NEGATIVE.fullmatch(name) and name not in _MAY_STEP_BACK:
        if not math.isfinite(value) or value < 0:
            raise garbled(f"the agent's answer cannot be true: {path} is {value!r}")
    elif isinstance(value, float) and math.isinf(value):
        raise garbled(f"the agent's answer cannot be true: {path} is {value!r}")


def garbled(message: str) -> InfrastructureError:
    """The error for an answer that no agent of ours gives."""
    return InfrastructureError(
        message, code="agent.garbled", fix="run the command again: the agent is shipped anew when it differs"
    )
