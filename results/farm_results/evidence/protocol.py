"""How it was measured: gate, pins, loop, timer, or somebody else's tool."""

from __future__ import annotations

from farm_results.evidence import Case, listed


def gate_off(case: Case, _: float) -> str:
    return "nothing waited for a quiet, cool device" if case.spec.gate is None else ""


def gate_failed(case: Case, _: float) -> str:
    checks = [
        check.text
        for block in case.job.blocks
        if block.gate is not None and not block.gate.passed
        for check in block.gate.checks
        if not check.passed
    ]
    return f"measured although the device was not ready: {listed(checks)}" if checks else ""


def warm_start(case: Case, _: float) -> str:
    warm = sum(block.gate is not None and block.gate.warm_start for block in case.job.blocks)
    return f"{warm} of {len(case.job.blocks)} processes began warm" if warm else ""


def pin_failed(case: Case, _: float) -> str:
    return listed([f"{pin.name}: {pin.problem}" for pin in case.job.pins if pin.problem])


def pin_unrestored(case: Case, _: float) -> str:
    names = [f"{pin.name} (was {pin.old or 'unknown'})" for pin in case.job.pins if pin.restored is False]
    return f"not set back: {listed(names)}" if names else ""


def python_loop(case: Case, threshold: float) -> str:
    """Its cost matters only for short times."""
    loops = [block for block in case.job.blocks if block.harness == "python"]
    if not loops or case.latency.p50_ns >= threshold:
        return ""
    cost_ns = max(block.timer_cost_ns for block in loops)
    why = next((f": {block.fallback}" for block in loops if block.fallback), "")
    return f"the Python loop was used{why}; reading its clock takes {cost_ns} ns, its call some µs more"


def loops_differ(case: Case, _: float) -> str:
    kinds = sorted({block.harness for block in case.job.blocks})
    return f"the processes were timed by different loops: {', '.join(kinds)}" if len(kinds) > 1 else ""


def batched(case: Case, threshold: float) -> str:
    calls = max((block.calls_per_sample for block in case.job.blocks), default=1)
    return f"each sample is the mean of {calls} inferences" if calls > threshold else ""


def timer_cost(case: Case, threshold: float) -> str:
    costs = [block.timer_cost_ns / block.calls_per_sample for block in case.job.blocks]
    cost = max(costs, default=0.0)
    if cost <= threshold * case.latency.p50_ns:
        return ""
    return f"reading the clock takes {cost:.0f} ns of {case.latency.p50_ns:.0f} ns"


def foreign_tool(case: Case, _: float) -> str:
    tool = case.job.tool
    if tool is None:
        return ""
    unwatched = "" if tool.observed is not None else "; nothing watched the device meanwhile"
    return f"{tool.tool} measured, by its own protocol {tool.protocol}{unwatched}"


def tool_caveats(case: Case, _: float) -> str:
    return listed(list(case.job.tool.caveats)) if case.job.tool is not None else ""


def energy_missing(case: Case, _: float) -> str:
    """It was asked for, and nobody gave a number; why, where somebody says."""
    if case.spec.energy is None or any(one.gross_j is not None for one in case.energy):
        return ""
    reasons = [f"{one.sensor or 'the energy run'}: {one.error_message}" for one in case.energy]
    return f"energy was not measured: {listed(reasons) or 'nothing here tells power'}"
