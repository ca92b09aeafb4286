"""Whether a measurement can be believed, and why not: one table of rules.

Each rule looks at the job's spec, its result and the summary, and returns what it saw, or "" when there
is nothing to say. The worst severity gives the verdict its word. docs/verdicts.md shows the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farm_agent.wire import JobResult, JobSpec
from farm_results import evidence
from farm_results.evidence import Case
from farm_results.model import Caveat, Latency, Verdict

NOTE, NOISY, THROTTLED, INVALID = "note", "noisy", "throttled", "invalid"
_WORDS = {NOTE: "valid", NOISY: "noisy", THROTTLED: "throttled", INVALID: "invalid"}
_BADNESS = (NOTE, NOISY, THROTTLED, INVALID)


@dataclass(frozen=True)
class Rule:
    """``see(case, threshold)`` returns the evidence or "". ``when`` says the same for people."""

    code: str
    severity: str
    threshold: float
    see: Callable[[Case, float], str]
    when: str
    next_step: str


RULES: tuple[Rule, ...] = (
    Rule(
        "samples.count",
        INVALID,
        0,
        evidence.count_differs,
        "the samples that arrived are not as many as the device says it took",
        "measure again; if it stays, report it",
    ),
    Rule(
        "check.failed",
        INVALID,
        0,
        evidence.check_failed,
        "the outputs on the device differ from the source model's beyond the tolerance",
        "do not use this number; try another runtime or precision, and report the model to the runtime",
    ),
    Rule(
        "check.missing",
        INVALID,
        0,
        evidence.check_missing,
        "golden outputs were sent, and no comparison came back",
        "measure again; if it stays, report it: the agent must compare before it measures",
    ),
    Rule(
        "check.none",
        NOTE,
        0,
        evidence.check_none,
        "no golden outputs travelled with the artifact, so nothing shows that it computes the right thing",
        "check the artifact's outputs yourself before you rely on it",
    ),
    Rule(
        "precision.differs",
        INVALID,
        0.10,
        evidence.precision_differs,
        "most operators, or more than 10 % of them, ran in a lower or another precision than asked for",
        "pin the precision in the profile's target, or ask for the one that runs",
    ),
    Rule(
        "precision.mixed",
        NOTE,
        0.10,
        evidence.precision_mixed,
        "up to 10 % of the operators ran in a lower precision than asked for",
        "look at the operators in `farm results show --json`; pin the precision if it matters",
    ),
    Rule(
        "precision.native",
        NOTE,
        0,
        evidence.precision_native,
        "the source model itself is quantised or in half precision, and ran that way",
        "read the row as the model's own precision",
    ),
    Rule(
        "precision.higher",
        NOTE,
        0,
        evidence.precision_higher,
        "the weights have the precision asked for, the runtime computed in a higher one",
        "expect no gain in speed from this precision in this runtime on this device",
    ),
    Rule(
        "precision.unproven",
        NOTE,
        0,
        evidence.precision_unproven,
        "the runtime does not tell which precision ran",
        "compare the size of the error with that of another runtime before you trust the label",
    ),
    Rule(
        "throttle.seen",
        THROTTLED,
        0,
        evidence.throttled,
        "the device's throttle counters or flags moved while it was measured",
        "cool the device or give it a better power supply, then measure again",
    ),
    Rule(
        "warmup.unsteady",
        NOISY,
        0,
        evidence.unsteady,
        "a process was not steady when its warm-up ended",
        "end other load on the device; a longer warm-up helps where clocks rise slowly",
    ),
    Rule(
        "latency.drift",
        NOISY,
        1.03,
        evidence.drifting,
        "the last quarter of a process surely took over 3 % longer per run than its first quarter",
        "the device heats up or loses its clock: cool it, and measure again",
    ),
    Rule(
        "processes.differ",
        NOISY,
        0.05,
        evidence.spread,
        "the medians of the processes lie over 5 % apart",
        "end other load on the device, or measure with more processes",
    ),
    Rule(
        "interval.none",
        NOISY,
        6,
        evidence.interval_missing,
        "a process has fewer than the 6 samples that a 95 % interval of the median needs",
        "allow the job more time",
    ),
    Rule(
        "interval.wide",
        NOISY,
        0.05,
        evidence.interval_wide,
        "half the width of the median's 95 % interval is over 5 % of the median",
        "end other load on the device, or allow the job more time",
    ),
    Rule(
        "cpu.pressure",
        NOISY,
        5.0,
        evidence.pressure,
        "programs waited for a CPU for 5 % of the time or more",
        "end other load on the device, then measure again",
    ),
    Rule(
        "contention.heavy",
        NOISY,
        1.5,
        evidence.contention,
        "in every process the median is over 1.5 times the fastest run",
        "something else uses the device: find it (top), then measure again",
    ),
    Rule(
        "contention.suspect",
        NOTE,
        1.15,
        evidence.contention,
        "in every process the median is over 1.15 times the fastest run",
        "look for other load on the device (top); models whose work depends on the input do this too",
    ),
    Rule(
        "blocks.missing",
        NOISY,
        0,
        evidence.blocks_missing,
        "fewer processes were measured than planned",
        "measure again",
    ),
    Rule(
        "block.capped",
        NOTE,
        0,
        evidence.capped,
        "a process reached its time limit before it had the samples it wanted",
        "allow the job more time if you need the percentiles",
    ),
    Rule(
        "timer.coarse",
        NOTE,
        0.005,
        evidence.timer_cost,
        "reading the clock takes over 0.5 % of a run",
        "read such short times as an upper bound",
    ),
    Rule(
        "device.emulated",
        NOTE,
        0,
        evidence.emulated,
        "the device runs under emulation",
        "use it to test that things work; its times say nothing about the real device",
    ),
    Rule(
        "processes.one",
        NOTE,
        0,
        evidence.one_process,
        "only one process was measured, so the spread between processes is unknown",
        "measure with three processes or more",
    ),
)

# A rule is not repeated where a worse one on the same matter has spoken.
_COVERED_BY = {"contention.suspect": "contention.heavy"}


def judge(spec: JobSpec, result: JobResult, latency: Latency | None, *, native: str = "") -> Verdict:
    """The verdict on a job's numbers, the worst caveats first; the empty word when there are none.

    ``native``: the reduced precision that the source model itself holds ("int8", "fp16"), if any: to run
    in it is then no defect.
    """
    if latency is None:
        return Verdict("")
    case = Case(spec, result, latency, native)
    caveats = []
    for rule in RULES:
        seen = rule.see(case, rule.threshold)
        if seen:
            caveats.append(Caveat(rule.code, rule.severity, seen, rule.next_step))
    codes = {caveat.code for caveat in caveats}
    kept = [caveat for caveat in caveats if _COVERED_BY.get(caveat.code) not in codes]
    kept.sort(key=lambda caveat: -_BADNESS.index(caveat.severity))
    return Verdict(_WORDS[kept[0].severity if kept else NOTE], tuple(kept))


def rules_markdown() -> str:
    """The rules as a Markdown table, for docs/verdicts.md."""
    lines = ["| code | severity | when | what to do |", "|---|---|---|---|"]
    lines += [f"| `{rule.code}` | {rule.severity} | {rule.when} | {rule.next_step} |" for rule in RULES]
    return "\n".join(lines) + "\n"
