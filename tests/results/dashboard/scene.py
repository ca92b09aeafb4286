"""A store with forty nights behind it: a step, a silence, findings, baselines, comparisons, hostile names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from farm_results.comparison import SAME, SLOWER, Comparison, Effect, Side
from farm_results.finding import ENVIRONMENT, REGRESSION, SILENT, Cause, Finding
from farm_results.history import baselines, comparisons, findings, nights
from farm_results.model import Result, Verdict
from farm_results.night import DONE, Night
from farm_results.series import key_of, series_id
from farm_results.storage.batch import insert_results
from farm_results.storage.session import changing
from farm_results.store import Store
from tests.results import made
from tests.results.pages import stage

DAY_S = 86_400.0
FIRST_S = 1_791_000_000.0
NIGHTS, STEP = 40, 32
HOSTILE = "<script>alert(1)</script>'\"; DROP TABLE result;--\x1b[31m"


@dataclass(frozen=True)
class Scene:
    """``series``: the one with the step; ``finding``: what its last night found; ``now_unix_s``: the day
    after."""

    store: Store
    series: str
    finding: str
    now_unix_s: float


def night_result(
    night: int, name: str = "m", *, origin: str = "", step: float = 1.05, **changes: object
) -> Result:
    """One night's number of a series that becomes slower at ``STEP``."""
    rng = np.random.default_rng(night * 7 + len(name))
    p50 = 5e6 * float(np.exp(rng.normal(0, 0.01))) * (step if night >= STEP else 1.0)
    latency = made.latency(p50_ns=p50, p50_low_ns=p50 * 0.995, p50_high_ns=p50 * 1.005)
    base = made.result(
        f"night-{name}-{night:03}",
        run_id=f"2026-night-{night:03}",
        created_unix_s=FIRST_S + night * DAY_S,
        latency=latency,
        model="nightnet",
        artifact_sha256=("b" if night >= STEP else "a") * 64,
        artifact_bytes=14_000_000,
        runtime_version="1.24.0" if night >= STEP else "1.23.0",
        verdict=Verdict("noisy" if night % 9 == 4 else "valid"),
        document={"facts": stage.FACTS, "spec": {"threads": 2}},
        origin=origin,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def scene(folder: Path | str, *, origin: str = "") -> Scene:
    """The whole of it, in a new store."""
    store = stage.filled(folder, simulated=bool(origin))
    for night in range(NIGHTS):
        store.add_run(made.run(f"2026-night-{night:03}", FIRST_S + night * DAY_S))
    results = [night_result(night, origin=origin) for night in range(NIGHTS)]
    results += [night_result(night, "quiet", device="jetson", origin=origin, step=1.0) for night in range(20)]
    results.append(night_result(3, "hostile", device=HOSTILE, model=HOSTILE, origin=origin))
    with changing(store) as connection:
        insert_results(connection, results)
    series = series_id(key_of(results[0]))
    last, before = results[NIGHTS - 1], results[0]
    store_baseline(store, series, before)
    compare(store, series, origin)
    found = Finding(
        "finding-1",
        "night-39",
        series,
        "pi",
        "nightnet",
        last.created_unix_s,
        REGRESSION,
        last.job_id,
        before.job_id,
        "ab-1",
        0.051,
        0.045,
        0.058,
        4.2,
        (Cause("toolchain", "onnxruntime 1.23.0 → 1.24.0"), Cause("layer", "block3/conv +80 µs")),
        "p50 became 5.1 % larger",
        origin=origin,
    )
    quiet = series_id(key_of(results[NIGHTS]))
    late = FIRST_S + 39 * DAY_S
    findings.add(store, found)
    findings.add(
        store, Finding("finding-2", "night-39", quiet, "jetson", "nightnet", late, SILENT, origin=origin)
    )
    findings.add(
        store,
        Finding(
            "finding-3",
            "night-39",
            quiet,
            HOSTILE,
            HOSTILE,
            late,
            ENVIRONMENT,
            causes=(Cause("surroundings", HOSTILE),),
            message=HOSTILE,
            origin=origin,
        ),
    )
    return Scene(store, series, found.finding_id, late + DAY_S / 2)


def store_baseline(store: Store, series: str, result: Result) -> None:
    """The first night's result is what the series is held against."""
    baselines.put(
        store,
        series=series,
        job_id=result.job_id,
        artifact_sha256=result.artifact_sha256,
        actor="farm nightly",
        event=baselines.INITIAL,
        at_unix_s=FIRST_S,
    )


def compare(store: Store, series: str, origin: str) -> None:
    """The night's A/B, and an A/A of the week before."""
    one_side, other = (
        Side(text, "nightnet", "d" * 64, letter * 64, "onnxruntime", "1.23.0", medians_ns=(5e6, 5e6))
        for text, letter in (("baseline", "a"), ("last night", "b"))
    )
    effect = Effect(0.051, 0.045, 0.058, 0.99, 0.01)
    one = Comparison(
        "ab-1",
        FIRST_S + 39 * DAY_S,
        "ab",
        series,
        "pi",
        "2026-night-039",
        one_side,
        other,
        SLOWER,
        20,
        effect,
        origin=origin,
    )
    comparisons.add(store, one)
    same = Effect(0.001, -0.004, 0.006, 0.99, 0.01)
    comparisons.add(store, replace(one, comparison_id="aa-1", kind="aa", word=SAME, effect=same))
    nights.begin(store, Night("night-39", FIRST_S + 39 * DAY_S, origin=origin))
    cell: dict[str, Any] = {
        "device": "pi",
        "what": HOSTILE,
        "series": series,
        "state": "measured",
        "outcome": "regression",
    }
    cell |= {"job_ids": ["night-m-039"], "trigger_z": 4.2, "comparison_id": "ab-1", "why": "changed"}
    record = {"cells": [cell, {"device": 7, "job_ids": "x", "trigger_z": "y"}, "no cell"], "notes": [HOSTILE]}
    ended = FIRST_S + 39 * DAY_S + 3600
    nights.end(store, "night-39", ended_unix_s=ended, state=DONE, record=record)
