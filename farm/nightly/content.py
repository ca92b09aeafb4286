"""What a cell's number depends on, as far as it can be known before measuring: when none of it changed, the
cell may wait for another night."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.plan import Cell
    from farm_agent.wire import Facts, PinPlan
    from farm_results.model import Result

CONVERSION = "conversion"
UNTOLD_BEFORE = ("harness",)
"""Of a result's surroundings, what only the measuring itself decides."""


def of_cell(cell: Cell, facts: Facts, pins: PinPlan) -> dict[str, str]:
    """Of a cell that runs, on a device that told its facts."""
    from farm_agent import codec
    from farm_converters.convert import cache_key

    if cell.model is None or cell.recipe is None:
        return {}
    version = next((fact.version for fact in facts.runtimes if fact.name == cell.target.runtime), "")
    document = {"facts": codec.encode(facts), "spec": {"pins": codec.encode(pins)}}
    return content_of(
        cell.model.sha256,
        cache_key(cell.model, cell.recipe),
        {cell.target.runtime: version or ""},
        document,
    )


def of_result(result: Result) -> dict[str, str]:
    """Of a stored result; empty where its document does not tell."""
    artifact = result.document.get("artifact")
    key = artifact.get("key") if isinstance(artifact, Mapping) else None
    if not isinstance(key, str) or not result.document.get("facts"):
        return {}
    return content_of(result.model_sha256, key, {result.runtime: result.runtime_version}, result.document)


def took_s(result: Result) -> float | None:
    """How long the job of a stored result took on its device; None where that is not told."""
    job = result.document.get("job")
    times = [
        job.get(name) if isinstance(job, Mapping) else None for name in ("started_unix_s", "ended_unix_s")
    ]
    started, ended = times
    if not isinstance(started, int | float) or not isinstance(ended, int | float) or ended <= started:
        return None
    return float(ended - started)


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What is not the same any more, in words; nothing is said of what only one of them knows nothing of."""
    if not before or not now:
        return ()
    found = []
    for name in dict.fromkeys([*before, *now]):
        was, is_now = before.get(name, ""), now.get(name, "")
        if was == is_now:
            continue
        hashed = name in ("model file", CONVERSION)
        found.append(name if hashed else f"{name} {was or 'unknown'} → {is_now or 'unknown'}")
    return tuple(found)


def content_of(
    model_sha256: str, key: str, runtime: Mapping[str, str], document: Mapping[str, Any]
) -> dict[str, str]:
    """By name, of the parts. ``key``: of the converted file; ``document``: with the device's facts."""
    from farm_results.environment import surroundings
    from farm_results.model import Result

    blank = Result("", "", 0.0, "", "", "", "", "", "", "", "", "", 0, "", "", "", document=document)
    around = {name: value for name, value in surroundings(blank).items() if name not in UNTOLD_BEFORE}
    return {"model file": model_sha256, CONVERSION: key, **runtime, **around}
