"""Energy entries: what counts, what is refused with which code, headline and text."""

from __future__ import annotations

import contextlib
import gzip
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import codec
from farm_agent.errors import MeasurementError, UsageError
from farm_agent.messages.energy import EnergyRun, Window
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_profiles.profile import Target
from farm_results.build import failed
from farm_results.energy import energy, traces
from farm_results.energy.place import headline, widest_first
from farm_results.model import Energy

S = 1_000_000_000
RUN = EnergyRun(
    (Window("idle-before", 0, 10 * S), Window("busy", 11 * S, 41 * S), Window("idle-after", 42 * S, 52 * S)),
    inferences=1000,
    harness="native",
)
POWER = Channel("CPU", "power_w", "package")
COUNTER = Channel("CPU", "energy_j", "package", wraps_at=10_000.0)


def watts(at_s: float) -> float:
    """3 W idle, 10 W busy, with a wobble that every reading shows."""
    return (10.0 if 11 <= at_s < 41 else 3.0) + 0.01 * math.sin(37.0 * at_s)


def power_trace(**changes: Any) -> Trace:
    """Ten reads a second from before the first window to after the last."""
    times = [0.05 + k * 0.1 for k in range(-3, 525)]
    values: dict[str, Any] = {
        "times_ns": tuple(int(t * S) for t in times),
        "values": tuple(watts(t) for t in times),
        **changes,
    }
    return Trace("test", values.pop("channel", POWER), **values)


def counter_trace(**changes: Any) -> Trace:
    """The same as a counter."""
    base = power_trace()
    total = 100.0 + np.cumsum(np.array(base.values) * 0.1)
    return replace(base, **{"channel": COUNTER, "values": tuple(total.tolist()), **changes})


def with_value(trace: Trace, at_s: float, value: float) -> Trace:
    """One value replaced."""
    assert int(at_s * S) in trace.times_ns
    assert int(at_s * S) in trace.times_ns
    values = [value if t == int(at_s * S) else v for t, v in zip(trace.times_ns, trace.values, strict=True)]
    return replace(trace, values=tuple(values))


def without(trace: Trace, start_s: float, end_s: float) -> Trace:
    """No reads in [start, end)."""
    kept = [
        pair
        for pair in zip(trace.times_ns, trace.values, strict=True)
        if not start_s * S <= pair[0] < end_s * S
    ]
    return replace(trace, times_ns=tuple(t for t, _ in kept), values=tuple(v for _, v in kept))


@pytest.mark.parametrize("trace", [power_trace(), counter_trace()], ids=["power", "counter"])
def test_gross_and_net_energy_per_inference(trace: Trace) -> None:
    """300 J over 1000 inferences; 3 W of idle for 30 s less is 210 J."""
    found = energy.of_trace(trace, RUN, bound_s=0.0)

    assert found.error_code == ""
    assert found.gross_j == pytest.approx(0.300, rel=1e-3)
    assert found.net_j == pytest.approx(0.210, rel=1e-3)
    assert found.idle_w == pytest.approx(3.0, rel=1e-3)
    assert found.power_w == pytest.approx(10.0, rel=1e-3)
    assert found.u_net_j is not None
    assert found.u_net_j < 0.01 * 0.210
    assert found.scope == "package"


def test_idle_power_is_interpolated_to_the_busy_window() -> None:
    """Idle that rises from 3 to 5 W counts as 4 W, and the rise is in the uncertainty."""
    values = tuple(v + (2.0 if t > 41 * S else 0.0) for t, v in zip(*_pair(power_trace()), strict=True))

    found = energy.of_trace(power_trace(values=values), RUN, bound_s=0.0)

    assert found.idle_w == pytest.approx(4.0, rel=1e-3)
    assert found.u_net_j == pytest.approx(30 * 2 / 12**0.5 / 1000, rel=0.05)


def _pair(trace: Trace) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return trace.times_ns, trace.values


def test_without_a_usable_idle_window_there_is_no_net_energy() -> None:
    """The gross value stands; nothing is subtracted by guess."""
    found = energy.of_trace(without(power_trace(), 0.0, 8.0), RUN, bound_s=0.0)

    assert found.gross_j == pytest.approx(0.300, rel=1e-3)
    assert found.net_j is None
    assert found.u_net_j is None


REFUSED: dict[str, tuple[str, Callable[[], Trace]]] = {
    "sensor that vanishes": ("energy.sensor-vanished", lambda: without(power_trace(), 30.0, 60.0)),
    "gap": ("energy.gap", lambda: without(power_trace(), 20.05, 23.0)),
    "late begin": ("energy.gap", lambda: without(power_trace(), 5.0, 14.0)),
    "no samples at all": ("energy.no-samples", lambda: power_trace(times_ns=(), values=())),
    "no samples in the window": ("energy.no-samples", lambda: without(power_trace(), 10.0, 42.0)),
    "NaN": ("energy.not-a-number", lambda: with_value(power_trace(), 20.05, float("nan"))),
    "infinity": ("energy.not-a-number", lambda: with_value(power_trace(), 20.05, float("inf"))),
    "negative": ("energy.negative", lambda: with_value(power_trace(), 20.05, -3.0)),
    "188 V times 170 A": ("energy.absurd", lambda: with_value(power_trace(), 0.05, 188.7437 * 170.39408)),
    "stuck": (
        "energy.frozen",
        lambda: power_trace(
            channel=replace(POWER, update_s=0.1), values=tuple(5.0 for _ in power_trace().values)
        ),
    ),
    "repeats": (
        "energy.too-few-updates",
        lambda: power_trace(values=tuple(map(round, power_trace().values))),
    ),
    "times that go back": (
        "energy.clock-jumped",
        lambda: power_trace(times_ns=tuple(t % (30 * S) for t in power_trace().times_ns)),
    ),
    "reset": (
        "energy.counter-reset",
        lambda: counter_trace(
            values=tuple(
                v - (0.0 if t < 20 * S else 150.0) for t, v in zip(*_pair(counter_trace()), strict=True)
            )
        ),
    ),
    "fall without a range": (
        "energy.counter-reset",
        lambda: counter_trace(
            channel=replace(COUNTER, wraps_at=None), values=tuple(v % 200 for v in counter_trace().values)
        ),
    ),
    "two wraps in one gap": (
        "energy.gap",
        lambda: without(
            counter_trace(
                channel=replace(COUNTER, wraps_at=21.0), values=tuple(v % 21 for v in counter_trace().values)
            ),
            20.0,
            20.8,
        ),
    ),
    "stuck counter": (
        "energy.too-few-updates",
        lambda: counter_trace(values=tuple(7.0 for _ in counter_trace().values)),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_honest_is_an_error_and_no_number(name: str) -> None:
    """Each with a code of its own, a message, and no value at all."""
    code, make = REFUSED[name]

    found = energy.of_trace(make(), RUN, bound_s=0.0)

    assert found.error_code == code
    assert found.error_message
    assert (found.gross_j, found.net_j, found.power_w, found.idle_w) == (None, None, None, None)


def test_a_counter_that_wraps_is_followed() -> None:
    """The range is added at each fall."""
    trace = counter_trace(
        channel=replace(COUNTER, wraps_at=170.0), values=tuple(v % 170 for v in counter_trace().values)
    )

    found = energy.of_trace(trace, RUN, bound_s=0.0)

    assert found.gross_j == pytest.approx(0.300, rel=1e-3)


def test_a_short_window_gives_no_number() -> None:
    """29 s are not 30 s."""
    windows = tuple(replace(w, end_ns=40 * S - 1) if w.name == "busy" else w for w in RUN.windows)

    found = energy.of_trace(power_trace(), replace(RUN, windows=windows), bound_s=0.0)

    assert found.error_code == "energy.window-short"
    assert "29.0 s" in found.error_message


def test_a_window_must_be_a_thousand_times_the_bound_of_the_clocks() -> None:
    """30 s allow 30 ms, not 31."""
    assert energy.of_trace(power_trace(), RUN, bound_s=0.030).error_code == ""
    found = energy.of_trace(power_trace(), RUN, bound_s=0.031)
    assert found.error_code == "energy.clock-bound"
    assert found.gross_j is None


def test_repeated_reads_are_no_updates() -> None:
    """A sensor that holds each value for half a second gave 60 values in 30 s, however often it was read."""
    held = tuple(watts(t // (S // 2) / 2) for t in power_trace().times_ns)

    found = energy.of_trace(power_trace(values=held), RUN, bound_s=0.0)

    assert found.error_code == "energy.too-few-updates"
    assert "60 new values" in found.error_message


def test_the_reason_of_a_sensor_is_told() -> None:
    """What the device said about its last failed read is in the message."""
    trace = replace(without(power_trace(), 30.0, 60.0), problem="Input/output error")

    assert "Input/output error" in energy.of_trace(trace, RUN, bound_s=0.0).error_message


def test_volts_and_amperes_pair_by_rail() -> None:
    """By name, not by position; a rail that has one of the two gives nothing."""
    base = power_trace()
    volts = replace(base, channel=Channel("CORE_V", "voltage_v", "rail"), values=(2.0,) * len(base.values))
    other = replace(base, channel=Channel("EXT5V_V", "voltage_v", "rail"))
    amperes = replace(
        base, channel=Channel("CORE_A", "current_a", "rail"), values=tuple(v / 2 for v in base.values)
    )

    (found,) = energy.of_run(RUN, [other, amperes, volts])

    assert found.channel == "CORE"
    assert found.gross_j == pytest.approx(0.300, rel=1e-3)


def test_two_packages_are_summed_and_the_sum_is_the_headline() -> None:
    """Half a machine is not its energy; a counter that wraps on one of them is followed."""
    one = counter_trace()
    two = counter_trace(
        channel=replace(COUNTER, name="CPU2", wraps_at=170.0),
        values=tuple(v % 170 for v in counter_trace().values),
    )

    found = energy.of_run(RUN, [one, two])

    best = headline(found)
    assert best is not None
    assert best.channel == "sum of CPU, CPU2"
    assert best.gross_j == pytest.approx(0.600, rel=1e-3)
    assert len(found) == 3


def test_the_widest_scope_is_the_headline() -> None:
    """The wall before the module, the module before the package; errors never."""
    made = [Energy("s", scope, scope, gross_j=1.0) for scope in ("package", "module_input", "core")]
    failed = Energy("plug", "power", "wall", error_code="energy.gap")

    best = headline([failed, *made])

    assert best is not None
    assert best.scope == "module_input"
    first = next(one for one in widest_first([failed, *made]) if one.gross_j is not None)
    assert first == best  # tables list it first
    assert headline([failed]) is None
    assert headline([Energy("odpm", "VDD_A", "unknown", gross_j=1.0)]) is None
    assert energy.metrics_of([failed]) == {}


def test_no_sensor_is_not_measured_and_never_zero() -> None:
    """Neither entries nor numbers."""
    assert energy.of_run(RUN, []) == ()
    assert energy.metrics_of(()) == {}


def test_a_coarse_step_is_in_the_uncertainty() -> None:
    """Whole watts may all be off alike: q / sqrt(12) over the window, and as much again for idle power."""
    channel = replace(POWER, quantum=1.0, update_s=0.1)
    values = tuple(float(round(value)) for value in power_trace().values)

    found = energy.of_trace(power_trace(channel=channel, values=values), RUN, bound_s=0.0)

    assert found.u_gross_j is not None
    assert found.u_net_j is not None
    assert found.u_gross_j >= 30 / 12**0.5 / 1000
    assert found.u_net_j >= 30 / 6**0.5 / 1000


def test_why_nothing_was_measured_is_told_sensor_by_sensor() -> None:
    """With what helps; a result that asked for no energy has nothing to tell."""
    blank = failed(
        error=UsageError("x", code="x.y"),
        run_id="r",
        job_id="j",
        created_unix_s=0.0,
        model="m",
        model_sha256="",
        device="d",
        profile="p",
        target=Target("onnx", "onnxruntime", "fp32", 1),
    )
    run = EnergyRun(
        (), 0, "", unavailable=(("rapl", "no counter", "modprobe intel_rapl_msr"), ("x", "y", ""))
    )
    asked = replace(blank, document={"job": {"energy": codec.encode(run)}})

    assert energy.unavailable(blank) == ()
    assert energy.unavailable(asked) == ("rapl: no counter (fix: modprobe intel_rapl_msr)", "x: y")
    assert energy.energy_text(blank) == "not measured"


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.0124, 0.0003, "12.40 ± 0.30 mJ"),
        (0.0124, 0.0006, "12.4 ± 0.6 mJ"),
        (3.2, 0.04, "3.20 ± 0.04 J"),
        (1.2e-7, 4.4e-8, "120 ± 44 nJ"),
        (4.5e-5, 0.0, "45 µJ"),
        (0.0, 0.0, "0 nJ"),
    ],
)
def test_energy_reads_well(value: float, half: float, text: str) -> None:
    """The half width decides the digits."""
    assert energy.joules(value, half) == text


def test_a_traces_file_is_read_back(tmp_path: Path) -> None:
    """gzip of the JSON of a TraceFile."""
    path = tmp_path / "energy.traces.gz"
    path.write_bytes(gzip.compress(codec.dumps(TraceFile((power_trace(),))).encode()))

    assert traces.read_traces(path).traces == (power_trace(),)


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_traces_or_refused(data: bytes, packed: bool) -> None:
    """Nothing but the reader's own errors comes out."""
    with contextlib.suppress(MeasurementError):
        traces.parse_traces(gzip.compress(data) if packed else data, "x")


@given(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.floats()), max_size=40),
    st.sampled_from(["power_w", "energy_j"]),
    st.one_of(st.none(), st.floats(allow_nan=False)),
)
@settings(max_examples=200, deadline=None)
def test_any_trace_gives_an_energy_or_an_error(
    rows: list[tuple[int, float]], kind: str, wraps_at: float | None
) -> None:
    """Never an exception, never a number that is none."""
    channel = Channel("x", kind, "package", wraps_at=wraps_at)
    trace = Trace("fuzz", channel, tuple(t for t, _ in rows), tuple(v for _, v in rows))

    (found, *_) = energy.of_run(RUN, [trace])

    assert bool(found.error_code) != (found.gross_j is not None)
