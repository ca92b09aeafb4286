"""Two artifacts in turns: which process measures which, and the steps of the reference beside the job's own.

The order comes with the job (``turns``), a pair each: "rc" the reference first, "cr" the candidate. Every
process of either is as fresh, as gated and as watched as that of a job with one artifact.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Mapping

from farm_agent import scenarios
from farm_agent.errors import JobError, UsageError
from farm_agent.messages.arm import ArmReport
from farm_agent.steps_process import Keeper
from farm_agent.wire import JobResult, JobSpec

CANDIDATE, REFERENCE = "candidate", "reference"
NAMES = {"c": CANDIDATE, "r": REFERENCE}
TURNS = ("rc", "cr")
SCENARIOS = ("cold-start", "latency", "paced", "throughput")
"""Those in which every process is short and yields one time; ``sustained`` would take hours."""
FOLDERS = {CANDIDATE: "artifact", REFERENCE: "reference"}


def points(spec: JobSpec) -> List[Dict[str, str]]:
    """One per process, in order: the scenario's own, and in turns whose it is and of which pair.

    Raises JobError ``ab.scenario``, ``scenario.*``.
    """
    scenario = scenarios.load(spec.scenario)
    if not spec.turns:
        own: List[Dict[str, str]] = scenario.points(spec)
        return own
    once = scenario.points(replace(spec, plan=replace(spec.plan, blocks=1), turns=(), reference=None))
    if len(once) != 1:
        raise JobError(
            f"{spec.scenario} has {len(once)} points, and in turns every process measures the same one",
            code="ab.scenario",
            fix="name one number of streams: --streams 2",
        )
    return [
        {**once[0], "arm": NAMES[letter], "pair": str(pair)}
        for pair, turn in enumerate(spec.turns)
        for letter in turn
    ]


def arm_of(point: Mapping[str, str]) -> str:
    """Whose a process is; the candidate's in a job with one artifact."""
    return point.get("arm", CANDIDATE)


def reference_spec(spec: JobSpec) -> JobSpec:
    """The job as it is for the reference; itself where there is none."""
    arm = spec.reference
    if arm is None:
        return spec
    return replace(
        spec,
        artifact=arm.artifact,
        runtime=arm.runtime,
        threads=arm.threads,
        options=arm.options,
        golden=arm.golden,
        build=arm.build,
        dataset=None,
        reference=None,
        turns=(),
    )


def validate(spec: JobSpec) -> None:
    """Raises JobError ``ab.scenario``, ``scenario.*`` and UsageError ``job.plan``."""
    if spec.reference is None and not spec.turns:
        return
    if spec.scenario not in SCENARIOS or spec.tool:
        raise JobError(
            f"two artifacts cannot be measured in turns in the scenario {spec.tool or spec.scenario}",
            code="ab.scenario",
            fix="choose one of: {}".format(", ".join(SCENARIOS)),
        )
    whole = spec.reference is not None and spec.turns and set(spec.turns) <= set(TURNS)
    if not whole or spec.plan.blocks != 2 * len(spec.turns):
        raise UsageError(
            "a job of two artifacts needs both of them, and two processes per turn", code="job.plan", fix=""
        )
    points(spec)


class ArmKeeper:
    """The supervisor as the steps of the reference see it: what they keep goes into its own report."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._version = ""
        self.result: JobResult = replace(
            keeper.result, check=None, proof=None, build=None, runtime_version=""
        )

    def emit(self, kind: str, data: Dict[str, Any]) -> None:
        """As the job's own event, with whose it is."""
        self._keeper.emit(kind, {**data, "arm": REFERENCE})

    def keep(self, result: JobResult) -> None:
        """Into the job's result, beside the candidate's."""
        self.result = result
        report = ArmReport(result.check, result.proof, self._version, result.build)
        self._keeper.keep(replace(self._keeper.result, reference=report))

    def note_versions(self, versions: Dict[str, str]) -> None:
        """The runtime's; the rest is the same program."""
        self._version = versions.get("runtime", self._version)

    def log(self, text: str) -> None:
        """Into the job's log."""
        self._keeper.log(text)
