"""What two artifacts that were measured in turns say of each other."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.ab.caveats import hopeless, of_match
from farm.ab.contender import Contender
from farm_agent import arms
from farm_agent.wire import BlockResult, Facts, JobResult, JobSpec

if TYPE_CHECKING:
    from farm.fetch import Fetched
    from farm_profiles import Target
    from farm_results.comparison import Comparison, Side
    from farm_results.model import Result
    from farm_results.storage.objects import Objects


@dataclass(frozen=True)
class Match:
    """The two, and what is known of them before anything ran. ``device`` and ``profile``: names; ``series``:
    the candidate's; ``drift``: what changed of the device since it was accepted."""

    match_id: str
    run_id: str
    device: str
    profile: str
    target: Target
    series: str
    reference: Contender
    candidate: Contender
    turns: tuple[str, ...]
    seed: int
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class Half:
    """One of the two as if it had been measured alone. ``medians_ns``: a time per process
    (``scenarios.turn_ns``), in the order of the pairs."""

    spec: JobSpec
    job: JobResult
    samples: tuple[Path, ...]
    traces: tuple[Path, ...]
    medians_ns: tuple[float, ...]


def compared(match: Match, fetched: Fetched, facts: Facts, objects: Objects) -> tuple[Comparison, Result]:
    """The comparison, and the candidate's half as a result (to be shown, not stored). The samples are in
    ``objects`` then. Raises the job's own error where it did not come to its end, and MeasurementError
    ab.untold, ab.pairs, samples.*."""
    from farm.errors import InfrastructureError
    from farm_results import environment
    from farm_results.comparison import INCONCLUSIVE, Comparison
    from farm_results.statistics.paired import effect_of, word_of

    job = fetched.result
    if job.outcome == "stopped":
        raise InfrastructureError("the comparison was stopped before it was complete", code="run.interrupted")
    if job.failure is not None:
        raise job.failure.to_error()
    if job.outcome != "ok":
        raise InfrastructureError(
            f"the comparison ended {job.outcome}", code="job.interrupted", fix="measure again"
        )
    halves = {arm: _half(match, fetched, arm) for arm in (arms.REFERENCE, arms.CANDIDATE)}
    before, after = halves[arms.REFERENCE], halves[arms.CANDIDATE]
    effect = effect_of(before.medians_ns, after.medians_ns, seed=match.seed)
    results = {arm: _result(match, half, facts, arm) for arm, half in halves.items()}
    caveats = of_match(match.reference, match.candidate, results)
    candidate = results[arms.CANDIDATE]
    comparison = Comparison(
        comparison_id=match.match_id,
        created_unix_s=time.time(),
        kind="aa" if match.candidate.like(match.reference) else "ab",
        series=match.series,
        device=match.device,
        run_id=match.run_id,
        reference=_side(match.reference, before, results[arms.REFERENCE]),
        candidate=_side(match.candidate, after, candidate),
        word=INCONCLUSIVE if hopeless(caveats) else word_of(effect),
        pairs=len(match.turns),
        effect=effect,
        order=match.turns,
        caveats=caveats,
        sample_hashes=tuple(objects.put_file(path) for path in fetched.samples),
        environment={**environment.surroundings(candidate), **environment.toolchain(candidate)},
        scenario=match.candidate.spec.scenario,
    )
    return comparison, candidate


def _half(match: Match, fetched: Fetched, arm: str) -> Half:
    from farm.errors import MeasurementError

    job = fetched.result
    chosen = [k for k, block in enumerate(job.blocks) if block.point.get("arm") == arm]
    chosen.sort(key=lambda k: int(job.blocks[k].point.get("pair", "-1")))
    pairs = [job.blocks[k].point.get("pair") for k in chosen]
    if pairs != [str(number) for number in range(len(match.turns))]:
        raise MeasurementError(
            f"{match.device} did not say which processes were the {arm}'s",
            code="ab.untold",
            fix="repeat it; where that does not help, remove the device's agent folder",
        )
    blocks = tuple(job.blocks[k] for k in chosen)
    samples = tuple(fetched.samples[k] for k in chosen)
    told = iter(fetched.traces)
    every = [next(told, None) if block.traces is not None else None for block in job.blocks]
    traces = tuple(path for path in (every[k] for k in chosen) if path is not None)
    medians = tuple(_time_ns(fetched.spec, block, path) for block, path in zip(blocks, samples, strict=True))
    spec = fetched.spec if arm == arms.CANDIDATE else arms.reference_spec(fetched.spec)
    plan = replace(spec.plan, blocks=len(blocks))
    alone = replace(job, blocks=blocks, reference=None)
    if arm == arms.REFERENCE and job.reference is not None:
        own = job.reference
        alone = replace(
            alone, check=own.check, proof=own.proof, build=own.build, runtime_version=own.runtime_version
        )
    return Half(replace(spec, plan=plan, reference=None, turns=()), alone, samples, traces, medians)


def _time_ns(spec: JobSpec, block: BlockResult, path: Path) -> float:
    from farm_results import scenarios
    from farm_results.measured import measured
    from farm_results.samples import read_samples

    return scenarios.turn_ns(spec, measured(block, read_samples(path, block.columns)))


def _result(match: Match, half: Half, facts: Facts, arm: str) -> Result:
    """A half by the rules that hold for every measurement."""
    from farm_results import scenarios
    from farm_results.build import result_of
    from farm_results.statistics import outliers
    from farm_results.verdicts import judge

    own = match.candidate if arm == arms.CANDIDATE else match.reference
    latency, metrics = scenarios.summarise(half.spec, half.job, half.samples)
    far = outliers.of_job(half.spec, half.job, half.samples, half.traces)
    verdict = judge(
        half.spec,
        half.job,
        latency,
        native=own.native,
        outliers=far,
        calibration=str(own.about.get("calibration", "")),
        drift=match.drift,
    )
    return result_of(
        run_id=match.run_id,
        job_id=match.match_id,
        created_unix_s=time.time(),
        model=own.model,
        model_sha256=own.model_sha256,
        device=match.device,
        profile=match.profile,
        target=match.target,
        spec=half.spec,
        job=half.job,
        latency=latency,
        verdict=verdict,
        metrics=metrics,
        outliers=far,
        facts=facts,
        artifact=own.about,
    )


def _side(own: Contender, half: Half, result: Result) -> Side:
    from farm_results.comparison import Side

    return Side(
        label=own.label,
        model=own.model,
        model_sha256=own.model_sha256,
        artifact_sha256=result.artifact_sha256,
        runtime=half.spec.runtime,
        runtime_version=half.job.runtime_version,
        job_id=own.job_id,
        medians_ns=half.medians_ns,
        precision=result.precision,
        threads=half.spec.threads,
    )
