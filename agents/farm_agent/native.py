"""The native timed loop: a C library of this architecture that came with the agent, and how it is loaded.

``agents/native/timeloop.c`` is its source; ``pack`` builds it. It needs nothing of the system but a clock.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pkgutil
import platform
import struct
import tempfile
from array import array
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Tuple

from farm_agent import faults
from farm_agent.errors import FarmError
from farm_agent.late import dataclass
from farm_agent.loop import resolution

FOLDER = "native_bin"
LEFT_OUT = FOLDER + "/absent.txt"
CLOCK_READS = 2000
MOST_ARGUMENTS = 8


class Unavailable(Exception):
    """Why something cannot be called natively here; the reader sees its text."""


@dataclass(frozen=True)
class Call:
    """One inference as a C call: ``function(*arguments)``, all addresses or sizes.

    ``status_bytes``: 0 (returns nothing), 4 (an int) or the size of a pointer; any value but zero is a
    failure, which ``error`` turns into the exception that says why.
    """

    function: int
    arguments: Tuple[int, ...]
    status_bytes: int
    error: Callable[[int], FarmError]


class _CCall(ctypes.Structure):
    """``struct farm_call`` of timeloop.c."""

    _fields_ = (
        ("clock", ctypes.c_void_p),
        ("function", ctypes.c_void_p),
        ("arguments", ctypes.c_ssize_t * MOST_ARGUMENTS),
        ("status_bytes", ctypes.c_int32),
    )


class NativeLoop:
    """The timed loop in C. ``keep`` is held as long as the loop: the owner of what ``call`` points to."""

    harness = "native"
    fallback = ""

    def __init__(self, library: Any, call: Call, keep: object = None) -> None:  # noqa: ANN401 - ctypes.CDLL
        self._library = library
        self._keep = keep
        self._error = call.error
        self._call = c_call(call)
        times = array("q", bytes(8 * CLOCK_READS))
        library.farm_clock(ctypes.byref(self._call), times.buffer_info()[0], CLOCK_READS)
        self.step_ns, self.cost_ns = resolution(times)

    def run(self, rows: array[int], first: int, count: int, until_ns: int, calls: int = 1) -> int:
        """See ``loop.Loop``. Raises the runtime's own failure as JobError ``runtime.*``."""
        if count <= 0:
            return 0
        if first < 0 or calls < 1 or 2 * (first + count) > len(rows):
            raise ValueError("the rows do not fit")
        status = ctypes.c_size_t(0)
        address = rows.buffer_info()[0] + 2 * first * rows.itemsize
        done = self._library.farm_run(
            ctypes.byref(self._call), address, count, until_ns, calls, ctypes.byref(status)
        )
        if status.value:
            int_like = self._call.status_bytes == 4
            raise self._error(ctypes.c_int32(status.value).value if int_like else status.value)
        return int(done)

    def now(self) -> int:
        """The same clock, read in C."""
        time = ctypes.c_int64()
        self._library.farm_clock(ctypes.byref(self._call), ctypes.addressof(time), 1)
        return time.value


def c_call(call: Call) -> _CCall:
    """``call`` as the C library takes it, with the clock of this process."""
    result = _CCall(_clock_address(), call.function, status_bytes=call.status_bytes)
    for index, value in enumerate(call.arguments):
        result.arguments[index] = value
    return result


def once(call: Call) -> Callable[[], None]:
    """One inference from Python, for whatever is not timed in C."""
    kinds = {0: None, 4: ctypes.c_int32}
    kind: Any = kinds.get(call.status_bytes, ctypes.c_void_p)
    prototype = ctypes.CFUNCTYPE(kind, *[ctypes.c_size_t] * len(call.arguments))
    function, arguments, error = prototype(call.function), call.arguments, call.error

    def infer() -> None:
        status = function(*arguments)
        if status:
            raise error(status)

    return infer


def load() -> Any:  # noqa: ANN401 - ctypes.CDLL
    """The C library. Raises Unavailable with the reason."""
    data = binary()
    problems = []
    for place in (_in_memory(data), _in_a_file(data, None), _in_a_file(data, _agent_folder())):
        try:
            with place as path:
                library = ctypes.CDLL(path)
        except (OSError, AttributeError) as error:
            problems.append(faults.shorten(str(error), 160))
            continue
        library.farm_run.restype = ctypes.c_int64
        pointer, number = ctypes.c_void_p, ctypes.c_int64
        library.farm_run.argtypes = (pointer, pointer, number, number, number, pointer)
        library.farm_clock.restype = None
        library.farm_clock.argtypes = (pointer, pointer, number)
        return library
    raise Unavailable("the native loop cannot be loaded here: {}".format("; ".join(problems)))


def binary() -> bytes:
    """The library for this process's architecture. Raises Unavailable."""
    name = architecture()
    data = _resource(f"{FOLDER}/{name}.so")
    if data is None:
        reason = _resource(LEFT_OUT)
        raise Unavailable(reason.decode() if reason else "the agent runs without its native loop")
    return data


def architecture(machine: str = "", pointer_bits: int = 8 * struct.calcsize("P")) -> str:
    """x86_64, aarch64 or armv7, from what the kernel says and how wide this process is.

    A 64-bit kernel may run 32-bit programs (Raspberry Pi OS). Raises Unavailable for any other.
    """
    machine = machine or platform.machine()
    if machine == "x86_64" and pointer_bits == 64:
        return "x86_64"
    if machine in ("aarch64", "arm64") and pointer_bits == 64:
        return "aarch64"
    if machine in ("armv7l", "armv8l", "aarch64") and pointer_bits == 32:
        return "armv7"
    raise Unavailable(f"there is no native loop for a {pointer_bits}-bit program on {machine}")


def _resource(name: str) -> Optional[bytes]:
    try:
        return pkgutil.get_data("farm_agent", name)
    except OSError:
        return None


def _clock_address() -> int:
    function = ctypes.CDLL(None).clock_gettime
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """A path to an anonymous file: works where no folder may hold programs."""
    handle = os.memfd_create("farm-timeloop", os.MFD_CLOEXEC)
    try:
        os.write(handle, data)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


@contextlib.contextmanager
def _in_a_file(data: bytes, folder: Optional[str]) -> Iterator[str]:
    handle, path = tempfile.mkstemp(prefix="farm-timeloop-", suffix=".so", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        yield path
    finally:
        with contextlib.suppress(OSError):
            Path(path).unlink()


def _agent_folder() -> Optional[str]:
    """Where the agent's own file lies, beside its store; None (the temporary folder) in a checkout."""
    archive = Path(__file__).parent.parent
    return str(archive.parent) if archive.is_file() else None
