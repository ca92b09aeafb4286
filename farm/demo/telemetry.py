"""What the simulated sensors tell: temperature and clock beside the samples, power over energy windows."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np

from farm.demo.fleet import Machine
from farm_agent import codec
from farm_agent.messages.energy import EnergyRun, Window
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_agent.wire import Blob

READ_NS = 50_000_000
WINDOWS_S = (("idle-before", 0.0, 10.0), ("busy", 11.0, 43.0), ("idle-after", 44.0, 54.0))
POWER_READ_S = 0.25


def block_traces(
    machine: Machine, span_ns: tuple[int, int], rng: np.random.Generator, path: Path, *, hot: bool
) -> tuple[Blob, float]:
    """A traces file of one process; returns it and the highest temperature."""
    count = min(40, max(4, int((span_ns[1] - span_ns[0]) / READ_NS)))
    times = np.linspace(*span_ns, count).astype(np.int64)
    rise = (9.0 if hot else 2.0) * (1.0 - np.exp(-np.linspace(0.0, 2.0, count)))
    base = machine.warm_c + (18.0 if hot else 0.0)
    degrees = np.round(base + rise + rng.normal(0.0, 0.15, count), 1)
    slow = np.linspace(0.0, 1.0, count) > 0.5 if hot else np.zeros(count, dtype=bool)
    clock = np.where(slow, machine.clock_khz * 0.85, machine.clock_khz)
    spans = tuple(int(time) for time in times)
    traces = [
        Trace("thermal", Channel("cpu", "temperature_c", quantum=0.1), spans, _plain(degrees)),
        Trace("cpufreq", Channel("policy0", "frequency_khz"), spans, _plain(clock)),
    ]
    if machine.sensor:
        watts = machine.busy_w * (1.0 + rng.normal(0.0, 0.02, count))
        traces.append(Trace(machine.sensor, _power(machine), spans, _plain(np.round(watts, 3))))
    return written(TraceFile(tuple(traces)), path), float(degrees.max())


def energy_run(
    machine: Machine, latency_ns: float, share: float, rng: np.random.Generator, path: Path
) -> EnergyRun:
    """Three windows with their trace; ``share``: how much of its full load the model makes of the device."""
    times = np.arange(0.0, WINDOWS_S[-1][2], POWER_READ_S)
    watts = np.full(len(times), machine.idle_w)
    _, start, end = WINDOWS_S[1]
    busy = (times >= start) & (times <= end)
    watts[busy] += (machine.busy_w - machine.idle_w) * share
    watts = np.round(watts * (1.0 + rng.normal(0.0, 0.012, len(times))), 3)
    origin_ns = 2_000_000_000_000
    stamps = tuple(int(origin_ns + time * 1e9) for time in times)
    trace = Trace(machine.sensor, _power(machine), stamps, _plain(watts))
    windows = tuple(
        Window(name, origin_ns + int(begin * 1e9), origin_ns + int(stop * 1e9), other_cpu_pct=1.0)
        for name, begin, stop in WINDOWS_S
    )
    inferences = max(1, int((end - start) * 1e9 / latency_ns))
    return EnergyRun(windows, inferences, "native", traces=written(TraceFile((trace,)), path))


def written(content: TraceFile, path: Path) -> Blob:
    """The file as an agent leaves it."""
    packed = gzip.compress(codec.dumps(content).encode(), 1, mtime=0)
    path.write_bytes(packed)
    return Blob(hashlib.sha256(packed).hexdigest(), len(packed), path.name)


def _power(machine: Machine) -> Channel:
    return Channel("input", "power_w", machine.scope, quantum=0.001, update_s=POWER_READ_S / 2, gain=0.01)


def _plain(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
