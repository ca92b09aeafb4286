"""What was measured, and how certain it is."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence

import numpy as np

from farm_results import accuracy, scenarios, text
from farm_results.energy import energy
from farm_results.model import Energy, Latency, Result
from farm_results.report import rows
from farm_results.view import Line, pair, pairs
from farm_results.view.raw import Process

STYLES = {"valid": "good", "noisy": "warn", "throttled": "warn", "invalid": "bad"}
_PERCENTILES = ("p5", "p90", "p95", "p99", "p99_9")


def header(result: Result, width: int) -> list[Line]:
    """Who, where, how, and the verdict."""
    what = [result.model, result.device, f"{rows.runtime_text(result)} {result.runtime_version}".strip()]
    what += [rows.precision_text(result), text.threads_text(result.threads)]
    what += [f"batch {result.options['batch']}"] if "batch" in result.options else []
    when = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(result.created_unix_s))
    how = [result.scenario, result.protocol, result.harness and f"{result.harness} harness", when]
    style = STYLES.get(result.verdict.word, "bad" if result.status == "failed" else "dim")
    found = [Line(" · ".join(map(text.printable, what)), "head")]
    found += [Line(" · ".join(text.printable(word) for word in how if word), "dim")]
    found += [Line(f"job {text.printable(result.job_id)}", "dim")]
    return [line for part in found for line in _wrapped(part, width)] + [
        *pair("verdict", _verdict(result), width, style),
        *(pair("fix", result.error_fix, width) if result.error_fix else []),
    ]


def _verdict(result: Result) -> str:
    """As in the table, but a failure's message is not cut."""
    failed = f"FAILED {result.error_code}: {result.error_message}"
    return failed if result.status == "failed" else rows.verdict_text(result)


def _wrapped(line: Line, width: int) -> list[Line]:
    return [Line(part, line.style) for part in textwrap.wrap(line.text, width) or [""]]


def lines(result: Result, processes: Sequence[Process], width: int) -> list[Line]:
    """The summary, energy, start, accuracy. ``processes`` are those that the summary is of."""
    found: list[tuple[str, str]] = []
    if result.latency is not None:
        found += _latency(result.latency, processes)
    found += [(_tool_label(name), _metric(name, value)) for name, value in _tool(result)]
    found += [("energy", energy_line(one)) for one in result.energy]
    if rows.asked_energy(result) and not result.energy:
        reasons = [text.printable(why) for why in energy.unavailable(result)]
        found += [("energy", f"not measured: {why}") for why in reasons] or [("energy", "not measured")]
    started = result.scenario != "cold-start"
    times = (("import", result.import_ns), ("load", result.load_ns), ("first run", result.first_inference_ns))
    found += [(name, text.duration(value)) for name, value in times if started and value is not None]
    found += accuracy.lines(result)
    if result.max_abs_error is not None:
        found.append(("max error", f"{result.max_abs_error:.3g} against the source model"))
    if result.artifact_bytes is not None:
        found.append(
            ("artifact", f"{text.size(result.artifact_bytes)}, sha256 {result.artifact_sha256[:12]}")
        )
    return pairs(found, width)


def scenario_lines(result: Result, width: int) -> list[Line]:
    """Another scenario's own numbers; nothing for the closed loop, whose latency says everything."""
    word = result.scenario
    own = [(name.removeprefix(f"{word} "), value) for name, value in scenarios.columns(result)]
    return pairs([(name or word, value) for name, value in own], width)


def _latency(latency: Latency, processes: Sequence[Process]) -> list[tuple[str, str]]:
    medians = [float(np.median(process.measured.latency_ns())) for process in processes]
    each = f" ({', '.join(text.duration(value) for value in medians[:10])})" if len(medians) > 1 else ""
    spread = latency.between_block_spread
    apart = "" if spread is None else f", {_percent(spread)} from lowest to highest"
    medians_text = f"CV {rows.between_text(latency)} of {latency.blocks} processes' medians"
    found = [
        ("p50", f"{text.duration(latency.p50_ns)}   95 % interval {rows.interval_text(latency)}"),
        ("between", "unknown: one process" if latency.blocks < 2 else f"{medians_text}{each}{apart}"),
    ]
    found += [(name.replace("_", "."), _percentile(latency, name)) for name in _PERCENTILES]
    cv = "n/a" if latency.cv is None else _percent(latency.cv)
    sd = "n/a" if latency.stdev_ns is None else text.duration(latency.stdev_ns)
    found += [
        ("min, mean", f"{text.duration(latency.min_ns)}, {text.duration(latency.mean_ns)}"),
        ("within", f"MAD {text.duration(latency.mad_ns)}, sd {sd}, CV {cv}, n = {latency.count}"),
    ]
    return found


def _percentile(latency: Latency, name: str) -> str:
    shown = rows.percentile_text(latency, f"{name}_ns")
    bounds = latency.intervals_ns.get(name, ())
    if len(bounds) != 2:
        return shown
    return f"{shown}   95 % interval {text.duration_range(bounds[0], bounds[1], bounds[0] or 1.0)}"


def _percent(share: float) -> str:
    return f"{share * 100:.2f} %"


def _tool(result: Result) -> list[tuple[str, float]]:
    return [(name, value) for name, value in sorted(result.metrics.items()) if name.startswith("tool_")]


def _tool_label(name: str) -> str:
    return name.removeprefix("tool_").removesuffix("_ns").replace("_per_s", " per s").replace("_", ".")


def _metric(name: str, value: float) -> str:
    return text.duration(value) if name.endswith("_ns") else text.number(value)


def energy_line(one: Energy) -> str:
    """One sensor's energy per inference with its parts, or why there is none."""
    where = " ".join(
        word for word in (one.sensor, one.channel, f"({one.scope})" if one.scope else "") if word
    )
    if one.error_code:
        return f"{where}: {one.error_code}: {one.error_message}".removeprefix(": ")
    parts = []
    if one.net_j is not None:
        parts.append(f"net {energy.joules(one.net_j, 2 * (one.u_net_j or 0.0))}")
    if one.gross_j is not None:
        parts.append(f"gross {energy.joules(one.gross_j, 2 * (one.u_gross_j or 0.0))}")
    if one.power_w is not None:
        idle = "" if one.idle_w is None else f", idle {text.number(one.idle_w)} W"
        parts.append(f"{text.number(one.power_w)} W{idle}")
    seconds = "" if one.window_s is None else f" over {one.window_s:.0f} s and {one.inferences} inferences"
    return f"{where}: {', '.join(parts)}{seconds}"
