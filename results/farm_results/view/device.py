"""Outliers, memory, and what was seen of the device: everything around the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from farm_agent import precisions
from farm_agent.wire import BlockResult, JobResult, MemoryPhase
from farm_results import text
from farm_results.evidence import listed
from farm_results.model import Outliers, Result
from farm_results.view import Line, pairs

_KINDS = ("high_severe", "high_mild", "low_mild", "low_severe")


def outlier_lines(result: Result, width: int) -> list[Line]:
    """Counts over all processes, and what they coincide with."""
    found = result.outliers
    total = sum(one.count for one in found)
    if not total:
        return []
    rows = []
    for kind in _KINDS:
        count = sum(getattr(one, kind) for one in found)
        if count:
            rows.append((kind.replace("_", " "), f"{count} of {total} runs ({100 * count / total:.2f} %)"))
    causes: dict[str, int] = {}
    for one in found:
        for cause, count in one.causes.items():
            causes[cause] = causes.get(cause, 0) + count
    if causes:
        told = ", ".join(f"{cause} {count}" for cause, count in sorted(causes.items(), key=lambda c: -c[1]))
        rows.append(("coincide", told))
    rows.append(("longest", _longest(found)))
    return pairs(rows, width)


def _longest(found: Sequence[Outliers]) -> str:
    longest = max(found, key=lambda one: one.longest_stall_ns)
    return f"{text.duration(longest.longest_stall_ns)} beyond the median run"


def memory_lines(result: Result, job: JobResult, width: int) -> list[Line]:
    """Peak and delta, and the first process phase by phase."""
    rows = []
    if result.peak_memory_bytes is not None:
        rows.append(("peak", f"{text.size(result.peak_memory_bytes)} (VmHWM, without the loop's buffers)"))
    if result.memory_delta_bytes is not None:
        rows.append(("model delta", f"{text.size(result.memory_delta_bytes)} (peak less after import)"))
    lines = pairs(rows, width)
    if job.blocks:
        shown = 4 if width >= 17 + 4 * 10 else 2
        names = "".join(f"{name:>10}" for name in ("RSS", "peak", "PSS", "USS")[:shown])
        lines += [Line(f"{'phase':<17}{names}", "dim")]
        lines += [_phase(phase, shown) for phase in job.blocks[0].memory]
    return lines


def _phase(phase: MemoryPhase, shown: int) -> Line:
    values = (phase.rss_bytes, phase.peak_rss_bytes, phase.pss_bytes, phase.uss_bytes)[:shown]
    cells = "".join(f"{'n/a' if value is None else text.size(value):>10}" for value in values)
    return Line(f"{text.printable(phase.phase, 16):<17}{cells}")


def proof_lines(result: Result, job: JobResult, width: int) -> list[Line]:
    """Precision, gate, pins, loop, and the load that was seen."""
    rows = [("precision", _precision(result, job))]
    rows += [("gate", _gate(result, job.blocks))]
    if job.pins:
        rows.append(("pinned", listed([_pin(pin) for pin in job.pins], 6)))
    loops = [f"{b.harness}{f' ({b.fallback})' if b.fallback else ''}" for b in job.blocks]
    if loops:
        timer = max(block.timer_cost_ns for block in job.blocks)
        rows.append(("loop", f"{listed(loops)}, reading the clock takes {timer} ns"))
    rows += _observed(job.blocks)
    return pairs(rows, width)


def _precision(result: Result, job: JobResult) -> str:
    if job.proof is None:
        return f"asked for {result.precision}; the runtime does not tell what ran"
    told = [precisions.counts(job.proof.operators)]
    if job.proof.weighted:
        told.append(f"with weights: {precisions.counts(job.proof.weighted)}")
    if job.proof.weights:
        sizes = sorted(job.proof.weights.items(), key=lambda item: -item[1])
        told.append("weights stored: " + ", ".join(f"{text.size(size)} {name}" for name, size in sizes))
    if result.precision_share is not None and result.precision_share < 1:
        told.append(f"{text.kept(result.precision_share)} of what {result.precision} promises")
    told.append(f"told by {job.proof.source}")
    return f"{job.proof.executed} ran ({'; '.join(told)})"


def _gate(result: Result, blocks: Sequence[BlockResult]) -> str:
    gates = [block.gate for block in blocks if block.gate is not None]
    if not gates:
        asked = isinstance(spec := result.document.get("spec"), dict) and spec.get("gate")
        return "asked for; it left no report" if asked else "off"
    waited = sum(gate.waited_s for gate in gates)
    failed = [check.text for gate in gates for check in gate.checks if not check.passed]
    warm = ", some began warm" if any(gate.warm_start for gate in gates) else ""
    return f"{'not met: ' + listed(failed) if failed else 'met'}, waited {waited:.0f} s{warm}"


def _pin(pin: object) -> str:
    problem, restored = getattr(pin, "problem", ""), getattr(pin, "restored", None)
    name, old, new = (getattr(pin, key, "") for key in ("name", "old", "new"))
    if problem:
        return f"{name}: {problem}"
    back = {True: ", set back", False: ", NOT set back", None: ""}[restored]
    return f"{name} {old} → {new}{back}" if new else f"{name} {old or 'unknown'} (left alone)"


def _observed(blocks: Sequence[BlockResult]) -> list[tuple[str, str]]:
    """The worst of the processes, for what the kernel told."""
    found = [block.observed for block in blocks if block.observed is not None]

    def worst(name: str) -> float | None:
        return max((v for one in found if (v := getattr(one, name)) is not None), default=None)

    pressures = [block.cpu_pressure_pct for block in blocks if block.cpu_pressure_pct is not None]
    load = [f"CPU pressure {max(pressures):.1f} %"] if pressures else []
    for name, label in (("other_cpu_pct", "other programs"), ("steal_pct", "stolen")):
        value = worst(name)
        load += [f"{label} {value:.1f} % of one CPU"] if value is not None else []
    rows = [("load at worst", ", ".join(load))] if load else []
    hottest, began = worst("temperature_max_c"), [o.temperature_start_c for o in found]
    if hottest is not None:
        known = [value for value in began if value is not None]
        start = f"from {min(known):.1f} " if known else ""
        rows.append(("temperature", f"{start}up to {hottest:.1f} °C"))
    lowest, target = worst("clock_low_share"), worst("clock_target_khz")
    if lowest is not None and target is not None:
        rows.append(("clock", f"below 97 % of {target / 1e6:.2f} GHz in {100 * lowest:.1f} % of the reads"))
    return rows
