"""LiteRT's C interface by ctypes, as far as its profiler needs it.

The Python package has no profiler; ``libLiteRt.so`` in the same wheel has one. Handles are pointers; every
function returns a status, 0 for success. Structures follow litert/c/litert_layout.h, litert_model_types.h and
litert_profiler_event.h.
"""

from __future__ import annotations

import ctypes as c
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from farm_agent.errors import MeasurementError
from farm_agent.profilers import unreadable

OLDEST = (2, 1, 6)
CPU = 1
WRITE = 1
RANK_MASK = 0x7F
MOST_EVENTS = 1_000_000
# The event grew with LiteRT: its size is found by what its fields can hold.
EVENT_SIZES = (104, 88, 112, 120, 96)
LONGEST_EVENT = 128
EVENT_TYPES = frozenset(1 << bit for bit in range(9))
# Telemetry (32 and above) uses the fields of time for other things.
TIMED = frozenset([1, 2, 4, 8, 16])
HOUR_US = 3_600_000_000
PROFILE = ("runtime_options_string", "enable_profiling = true\n")


class Event(NamedTuple):
    """``kind``: 2 an operator, 4 inside a delegate's operator, 8 a delegate's operator (``begin_us`` is 0
    there), others: the runtime itself. ``node``: index of the operator, in its delegate for 8."""

    tag: str
    kind: int
    begin_us: int
    us: int
    node: int


class _Layout(c.Structure):
    _fields_ = [("rank_and_flag", c.c_uint32), ("dimensions", c.c_int32 * 8), ("strides", c.c_uint32 * 8)]


class _TensorType(c.Structure):
    _fields_ = [("element_type", c.c_int32), ("layout", _Layout)]


class CModel:
    """A compiled model on the CPU with its inputs filled. ``profiling``: with a profiler, not started."""

    def __init__(self, path: str, threads: int, feed: Mapping[str, Any], *, profiling: bool) -> None:
        self._kept: List[Any] = []
        try:
            self._lib = c.CDLL(str(_library()))
            self._environment = self._new("LiteRtCreateEnvironment", 0, None)
            model = self._new("LiteRtCreateModelFromFile", self._environment, path.encode())
            options = self._new("LiteRtCreateOptions")
            self._ask("LiteRtSetOptionsHardwareAccelerators", options, CPU)
            self._option(options, "xnnpack", f"num_threads = {threads}\n")
            if profiling:
                self._option(options, *PROFILE)
            self._compiled = self._new("LiteRtCreateCompiledModel", self._environment, model, options)
            self._signature = self._new("LiteRtGetModelSignature", model, c.c_size_t(0))
            self._inputs = self._buffers("Input", feed)
            self._outputs = self._buffers("Output", {})
            self._profiler = (
                self._new("LiteRtCompiledModelGetProfiler", self._compiled) if profiling else c.c_void_p()
            )
        except (OSError, AttributeError) as error:
            raise MeasurementError(
                f"this LiteRT offers no profiler: {str(error)[:200]}",
                code="layers.no-profiler",
                fix="install ai-edge-litert 2.1.6 or newer on the device",
            ) from error

    def run(self) -> None:
        """One inference."""
        self._ask(
            "LiteRtRunCompiledModel",
            self._compiled,
            c.c_size_t(0),
            c.c_size_t(len(self._inputs)),
            self._inputs,
            c.c_size_t(len(self._outputs)),
            self._outputs,
        )

    def start(self) -> None:
        """Forget what was recorded and record from now on."""
        self._ask("LiteRtResetProfiler", self._profiler)
        self._ask("LiteRtStartProfiler", self._profiler)

    def stop(self) -> List[Event]:
        """What was recorded. Raises MeasurementError ``layers.unreadable``."""
        self._ask("LiteRtStopProfiler", self._profiler)
        count = c.c_int(0)
        self._ask("LiteRtGetNumProfilerEvents", self._profiler, c.byref(count))
        if not 0 <= count.value <= MOST_EVENTS:
            raise unreadable("LiteRT's profile", f"{count.value} events")
        block = c.create_string_buffer(max(1, count.value) * LONGEST_EVENT)
        self._ask("LiteRtGetProfilerEvents", self._profiler, count, block)
        return events(block.raw, count.value, lambda address: c.string_at(address)[:200])

    def summary(self) -> str:
        """The table of LiteRT's own summary of what was recorded last."""
        text = c.c_char_p()
        self._ask("LiteRtGetProfileSummary", self._profiler, self._compiled, c.byref(text))
        return (text.value or b"").decode("utf-8", "replace")

    def _ask(self, name: str, *arguments: Any) -> None:  # noqa: ANN401
        status = getattr(self._lib, name)(*arguments)
        if status:
            raise MeasurementError(
                f"{name} failed with status {status}",
                code="layers.no-profiler",
                fix="report the version of LiteRT; the latency of the same run is unharmed",
            )

    def _new(self, name: str, *arguments: Any) -> c.c_void_p:  # noqa: ANN401
        handle = c.c_void_p()
        self._ask(name, *arguments, c.byref(handle))
        if not handle:
            raise OSError(f"{name} gave nothing")
        return handle

    def _option(self, options: c.c_void_p, identifier: str, text: str) -> None:
        payload = c.create_string_buffer(text.encode())
        forget = c.CFUNCTYPE(None, c.c_void_p)(lambda _: None)
        self._kept += [payload, forget]
        made = self._new("LiteRtCreateOpaqueOptions", identifier.encode(), payload, forget)
        self._ask("LiteRtAddOpaqueOptions", options, made)

    def _buffers(self, kind: str, feed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a ctypes array
        count = c.c_size_t(0)
        self._ask(f"LiteRtGetNumSignature{kind}s", self._signature, c.byref(count))
        found: List[c.c_void_p] = []
        for number in range(count.value):
            index = c.c_size_t(number)
            tensor = self._new(f"LiteRtGetSignature{kind}TensorByIndex", self._signature, index)
            shape = _TensorType()
            self._ask("LiteRtGetRankedTensorType", tensor, c.byref(shape))
            if any(size < 0 for size in shape.layout.dimensions[: shape.layout.rank_and_flag & RANK_MASK]):
                raise _free_shape(self._name(tensor))
            wanted = self._new(
                f"LiteRtGetCompiledModel{kind}BufferRequirements", self._compiled, c.c_size_t(0), index
            )
            buffer = self._new(
                "LiteRtCreateManagedTensorBufferFromRequirements", self._environment, c.byref(shape), wanted
            )
            if feed:
                self._fill(buffer, _value(feed, self._name(tensor), number))
            found.append(buffer)
        return (c.c_void_p * len(found))(*found)

    def _name(self, tensor: c.c_void_p) -> str:
        name = c.c_char_p()
        self._ask("LiteRtGetTensorName", tensor, c.byref(name))
        return (name.value or b"").decode("utf-8", "replace")

    def _fill(self, buffer: c.c_void_p, array: Any) -> None:  # noqa: ANN401 - numpy array
        size = c.c_size_t(0)
        self._ask("LiteRtGetTensorBufferPackedSize", buffer, c.byref(size))
        data = array.tobytes()
        if size.value != len(data):
            raise _free_shape(f"an input of {len(data)} bytes")
        address = c.c_void_p()
        self._ask("LiteRtLockTensorBuffer", buffer, c.byref(address), WRITE)
        c.memmove(address, data, len(data))
        self._ask("LiteRtUnlockTensorBuffer", buffer)


def _free_shape(what: str) -> MeasurementError:
    return MeasurementError(
        f"LiteRT's profiler needs fixed shapes, and the model leaves that of {what} free",
        code="layers.no-profiler",
        fix="convert the model again with fixed shapes (--shape, --batch)",
    )


def events(block: bytes, count: int, text_at: Callable[[int], bytes]) -> List[Event]:
    """Decode ``count`` events. Raises MeasurementError ``layers.unreadable`` for a layout nobody knows."""
    for size in EVENT_SIZES:
        rows = [_fields(block, number * size, size) for number in range(count)]
        if _plausible(rows):
            return [
                Event(text_at(tag).decode("utf-8", "replace") if tag else "", kind, begin, us, node)
                for tag, kind, begin, us, node in rows
            ]
    raise unreadable("LiteRT's profile", "events of an unknown layout")


def _plausible(rows: Sequence[Tuple[int, int, int, int, int]]) -> bool:
    """Asked before any pointer is followed: kinds are known, and times lie within an hour."""
    if any(kind not in EVENT_TYPES for _, kind, _, _, _ in rows):
        return False
    timed = [(begin, us) for _, kind, begin, us, _ in rows if kind in TIMED]
    begins = [begin for begin, _ in timed if begin]
    return all(us < HOUR_US for _, us in timed) and (not begins or max(begins) - min(begins) < HOUR_US)


def _fields(block: bytes, offset: int, size: int) -> Tuple[int, int, int, int, int]:
    """Tag, kind, begin, duration and first metadata; the last three words are two metadata and the source."""
    words: Dict[int, int] = {
        at: int.from_bytes(block[offset + at : offset + at + 8], "little") for at in (0, 8, 16, 24, size - 24)
    }
    return words[0], words[8] & 0xFFFFFFFF, words[16], words[24], words[size - 24]


def _value(feed: Mapping[str, Any], name: str, index: int) -> Any:  # noqa: ANN401 - numpy array
    """An input by its tensor's name; by its place where a signature calls it otherwise."""
    return feed[name] if name in feed else list(feed.values())[min(index, len(feed) - 1)]


def _library() -> Path:
    """The C library of the wheel. Raises OSError where there is none that is known to work."""
    try:
        import ai_edge_litert
    except ImportError as error:
        raise OSError("only the package ai-edge-litert has one") from error
    release = _release()
    if release and release < OLDEST:
        raise OSError(f"ai-edge-litert {'.'.join(map(str, release))} is older than 2.1.6")
    return Path(next(iter(ai_edge_litert.__path__))) / "libLiteRt.so"


def _release() -> Tuple[int, ...]:
    """Of the package; () for a build that is not numbered so. Older ones take other arguments: never try."""
    try:
        parts = metadata.version("ai-edge-litert").split(".")
    except metadata.PackageNotFoundError:
        return ()
    return tuple(int(part) for part in parts if part.isdigit())
