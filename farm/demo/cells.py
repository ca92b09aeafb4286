"""The fleet's cells as a night plans them, and as results and comparisons name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.demo import parts
from farm.demo.fleet import CANARY, ENTRIES, VERSIONS, Entry, machine
from farm.demo.story import Story, sha256
from farm.errors import JobError
from farm.nightly.bench import Wanted
from farm.nightly.content import content_of

if TYPE_CHECKING:
    from farm_results.build import Identity
    from farm_results.comparison import Side
    from farm_results.model import Result

SIMULATED = "simulated"
CELL_S = 75.0
GONE = "the model file keywords.onnx is not where [nightly] says (simulated)"


def wanted(entry: Entry, story: Story, night: int) -> Wanted:
    """The cell, with what its number depends on."""
    from farm_agent import codec
    from farm_results.series import SeriesKey, series_id

    box = story.machine(machine(entry.device), night)
    key = SeriesKey(
        model=entry.model,
        device=entry.device,
        profile=box.profile,
        format=entry.format,
        runtime=entry.runtime,
        precision=entry.precision,
        threads=entry.threads,
        scenario="latency",
        origin=SIMULATED,
    )
    alive = story.alive(entry, night)
    return Wanted(
        key=str(ENTRIES.index(entry)),
        device=entry.device,
        model=entry.model,
        what=f"{entry.runtime} {entry.precision}, {entry.threads} thread{'s' * (entry.threads > 1)}",
        series=series_id(key),
        canary=entry.model == CANARY,
        content=content_of(
            sha256(f"model {entry.model}"),
            story.artifact_sha256(entry, night)[:16],
            {entry.runtime: VERSIONS[entry.runtime]},
            {"facts": codec.encode(parts.facts_of(box))},
        ),
        estimate_s=CELL_S,
        problem="" if alive else GONE,
        problem_code="" if alive else "model.missing",
    )


def entry_of(key: str) -> Entry:
    """The cell of that key."""
    return ENTRIES[int(key)]


def identity(entry: Entry, run_id: str, job_id: str, at_unix_s: float) -> Identity:
    """What is known of a result before anything ran."""
    return {
        "run_id": run_id,
        "job_id": job_id,
        "created_unix_s": at_unix_s,
        "model": entry.model,
        "model_sha256": sha256(f"model {entry.model}"),
        "device": entry.device,
        "profile": machine(entry.device).profile,
        "target": parts.target_of(entry),
    }


def too_large(entry: Entry) -> JobError:
    """What happens every night where a model does not fit."""
    return JobError(
        f"{entry.device} has no memory for {entry.model} (simulated)",
        code="runtime.out-of-memory",
        fix="use a smaller model or precision there",
    )


def side(label: str, result: Result, medians_ns: list[float]) -> Side:
    """One of the two in a comparison."""
    from farm_results.comparison import Side

    return Side(
        label=label,
        model=result.model,
        model_sha256=result.model_sha256,
        artifact_sha256=result.artifact_sha256,
        runtime=result.runtime,
        runtime_version=result.runtime_version,
        job_id=result.job_id,
        medians_ns=tuple(medians_ns),
    )
