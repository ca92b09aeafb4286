"""The gate before each block: waits, with back-off and within bounds, until the device is quiet and cool.

Two waits are bounded apart: ``max_wait_s`` for quiet, after which nothing is measured, and
``cooldown_max_s`` for cold, after which the block starts warm and says so.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

from farm_agent import preflight_idle
from farm_agent.errors import MeasurementError
from farm_agent.messages.gate import GateCheck, GatePlan, GateReport
from farm_agent.preflight_checks import Need, checks
from farm_agent.preflight_look import Look, Looker
from farm_agent.steps_process import Keeper
from farm_agent.watch import Telemetry
from farm_agent.wire import JobSpec

WINDOW_S = 1.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 8.0


class Preflight:
    """The gate of one job. Made before anything of the job runs: that is when the device is idle."""

    def __init__(self, keeper: Keeper, spec: JobSpec, folder: Path, telemetry: Telemetry) -> None:
        self._keeper = keeper
        self._plan = spec.gate
        self._telemetry = telemetry
        self._looker = Looker(str(folder), telemetry.latest)
        idle_c = None
        if self._plan is not None:
            telemetry.want(wanted=True)
            telemetry.settle(values=True)
            idle_c = preflight_idle.reference(folder.parent.parent, self._looker.look().temperature_c)
            telemetry.want(wanted=False)
        size = sum(blob.size_bytes for blob in spec.artifact.files)
        self._need = Need(size, max(1, spec.threads), idle_c)

    def pass_gate(self, what: str) -> Optional[GateReport]:
        """Wait; None where no gate was asked for. Raises MeasurementError ``gate.not-quiet``."""
        if self._plan is None:
            return None
        self._telemetry.want(wanted=True)
        try:
            report = wait(self._plan, self._need, self._looker.look, lambda text: self._tell(what, text))
        finally:
            self._telemetry.want(wanted=False)
        if not report.passed:
            raise not_quiet(report)
        return report

    def _tell(self, what: str, text: str) -> None:
        self._keeper.emit("gate", {"before": what, "text": text})


def wait(
    plan: GatePlan,
    need: Need,
    look: Callable[[], Look],
    tell: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> GateReport:
    """Look at the device over a second, again and again, until every condition holds or time is up."""
    began = last = clock()
    noisy_s = 0.0
    pause_s = FIRST_PAUSE_S
    history: List[Tuple[float, float]] = []
    attempts = 0
    while True:
        before = look()
        sleep(WINDOW_S)
        now = look()
        attempts += 1
        if now.temperature_c is not None:
            history.append((now.time_s, now.temperature_c))
        found = checks(plan, need, before, now, history)
        failed = [check for check in found if not check.passed]
        noisy = any(check.name != "temperature" for check in failed)
        at = clock()
        noisy_s += at - last if noisy else 0.0
        last = at
        waited_s = round(at - began, 3)
        if not failed:
            return GateReport(passed=True, waited_s=waited_s, attempts=attempts, checks=found)
        if noisy and noisy_s >= plan.max_wait_s:
            return GateReport(passed=False, waited_s=waited_s, attempts=attempts, checks=found)
        if not noisy and waited_s >= plan.cooldown_max_s:
            return GateReport(
                passed=True, waited_s=waited_s, attempts=attempts, checks=found, warm_start=True
            )
        tell(describe(failed, noisy=noisy))
        left_s = plan.max_wait_s - noisy_s if noisy else plan.cooldown_max_s - waited_s
        sleep(max(0.0, min(pause_s, left_s - WINDOW_S)))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def describe(failed: Sequence[GateCheck], *, noisy: bool) -> str:
    """What is waited for, in one line."""
    said = "; ".join(check.text for check in failed)
    return f"waiting for a {'quiet' if noisy else 'cool'} device: {said}"


def not_quiet(report: GateReport) -> MeasurementError:
    """The error of a gate that stayed shut: each condition with its value, and what helps."""
    failed = [check for check in report.checks if not check.passed]
    said = "; ".join(check.text for check in failed)
    fixes = dict.fromkeys(check.fix for check in failed if check.fix)
    return MeasurementError(
        f"the device did not become quiet within {report.waited_s:.0f} s, so nothing was measured: {said}",
        code="gate.not-quiet",
        fix="; ".join(fixes),
    )
