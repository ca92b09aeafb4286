"""Traces of sensors as they come from a device, and those made of them: volts times amperes, sums."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from farm_agent import codec
from farm_agent.errors import MeasurementError
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_results.energy import integrate

LIMIT_BYTES = 256 * 1024 * 1024
_GZIP = 31
_AGAIN = "measure again; if it happens again, check the device's disk (farm doctor DEVICE)"
_SUFFIX = re.compile(r"[ ._-]*(?:v|a|volt|volts|curr|current|voltage|ampere|amperes)$", re.IGNORECASE)
# What a sum over several channels of one sensor covers.
_SUMS = {"package": "package", "rail": "rail_sum", "gpu": "gpu"}


def read_traces(path: Path) -> TraceFile:
    """The content of a traces file. Raises MeasurementError traces.unreadable, traces.too-large."""
    return parse_traces(path.read_bytes(), path.name)


def parse_traces(packed: bytes, name: str) -> TraceFile:
    """``read_traces`` for bytes; a small file that unpacks to a huge one is refused early."""
    unpack = zlib.decompressobj(_GZIP)
    try:
        text = unpack.decompress(packed, LIMIT_BYTES)
        if unpack.unconsumed_tail:
            raise MeasurementError(f"{name} unpacks to too much", code="traces.too-large", fix=_AGAIN)
        if not unpack.eof:
            raise MeasurementError(f"{name} ends in the middle", code="traces.unreadable", fix=_AGAIN)
        found = codec.loads(TraceFile, text)
    except (zlib.error, codec.DecodeError) as error:
        raise MeasurementError(
            f"{name} holds no traces: {error}", code="traces.unreadable", fix=_AGAIN
        ) from error
    for trace in found.traces:
        if len(trace.times_ns) != len(trace.values):
            raise MeasurementError(
                f"{name}: {trace.sensor} has {len(trace.times_ns)} times for {len(trace.values)} values",
                code="traces.unreadable",
                fix=_AGAIN,
            )
        if any(abs(time_ns) > 2**62 for time_ns in trace.times_ns):
            raise MeasurementError(
                f"{name}: {trace.sensor} has an absurd time", code="traces.unreadable", fix=_AGAIN
            )
    return found


def paired(found: Sequence[Trace]) -> list[Trace]:
    """The traces, with a power for each rail that has a voltage and a current but no power of its own.

    Rails are paired by name, never by position. Only reads that have both count.
    """
    powered = {(t.sensor, t.channel.name) for t in found if t.channel.kind == "power_w"}
    currents = {
        (t.sensor, rail_of(t.channel.name)): t for t in found if t.channel.kind == "current_a" and t.values
    }
    made = []
    for volts in found:
        if volts.channel.kind != "voltage_v":
            continue
        rail = rail_of(volts.channel.name)
        amperes = currents.get((volts.sensor, rail))
        if amperes is not None and (volts.sensor, rail) not in powered:
            made.append(_product(volts, amperes, rail))
    return [*found, *made]


def rail_of(name: str) -> str:
    """The rail that a channel belongs to: VDD_CORE for VDD_CORE_V, VDD_CORE_A and VDD_CORE."""
    return _SUFFIX.sub("", name) or name


def summed(found: Sequence[Trace]) -> list[Trace]:
    """One trace for all packages, rails or GPUs of a sensor, where it has several and nothing wider.

    Only reads that have every part count. Counters are summed as if they had never wrapped.
    """
    wider = {t.sensor for t in found if t.channel.scope in ("module_input", "input", "rail_sum", "soc_rails")}
    made = []
    for sensor in dict.fromkeys(t.sensor for t in found):
        for scope, total in _SUMS.items():
            parts = [t for t in found if t.sensor == sensor and t.channel.scope == scope and t.values]
            if len(parts) < 2 or len({t.channel.kind for t in parts}) != 1:
                continue
            if scope != "rail" or sensor not in wider:
                made.append(_sum(parts, total))
    return made


def _product(volts: Trace, amperes: Trace, rail: str) -> Trace:
    at = dict(zip(amperes.times_ns, amperes.values, strict=True))
    both = [(t, v * at[t]) for t, v in zip(volts.times_ns, volts.values, strict=True) if t in at]
    step_a = amperes.channel.quantum
    typical_v = max(volts.values, default=0.0)
    channel = Channel(
        name=rail,
        kind="power_w",
        scope=amperes.channel.scope or volts.channel.scope or "rail",
        # The current's step decides: a rail's voltage hardly moves.
        quantum=step_a * typical_v if step_a is not None else None,
        update_s=amperes.channel.update_s,
        gain=amperes.channel.gain,
    )
    return replace(
        amperes,
        channel=channel,
        times_ns=tuple(t for t, _ in both),
        values=tuple(p for _, p in both),
        missed=max(volts.missed, amperes.missed),
        read_ns=max(volts.read_ns, amperes.read_ns),
    )


def _sum(parts: Sequence[Trace], scope: str) -> Trace:
    first = parts[0]
    steps = [t.channel.quantum for t in parts if t.channel.quantum is not None]
    channel = Channel(
        name=f"sum of {', '.join(t.channel.name for t in parts)}",
        kind=first.channel.kind,
        scope=scope,
        quantum=sum(steps) if len(steps) == len(parts) else None,
        update_s=first.channel.update_s,
        gain=first.channel.gain,
    )
    columns = [dict(zip(t.times_ns, _steady(t), strict=True)) for t in parts]
    times = tuple(t for t in first.times_ns if all(t in column for column in columns))
    return replace(
        first,
        channel=channel,
        times_ns=times,
        values=tuple(sum(column[t] for column in columns) for t in times),
        missed=max(t.missed for t in parts),
        problem=next((t.problem for t in parts if t.problem), ""),
        read_ns=max(t.read_ns for t in parts),
    )


def _steady(trace: Trace) -> tuple[float, ...]:
    """The values; those of a counter unwrapped. One that was reset keeps its fall, and is refused later."""
    if trace.channel.kind != "energy_j":
        return trace.values
    times_s = (np.asarray(trace.times_ns, dtype=np.int64) - trace.times_ns[0]) / 1e9
    try:
        total = integrate.unwrapped(times_s, np.asarray(trace.values, np.float64), trace.channel.wraps_at)
    except MeasurementError:
        return trace.values
    return tuple(total.tolist())
