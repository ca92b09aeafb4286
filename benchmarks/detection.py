"""Detectors side by side on simulated nights: false alarms per series-year, and nights until a step is seen.

    python benchmarks/detection.py --series 200
    python benchmarks/detection.py --series 20 --without-otava --json

apache-otava runs in an environment of its own, made with uv (--otava PYTHON uses another one). Only alarms
for "slower" count, for every detector. See benchmarks/detection.md for the numbers and what they mean.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from detection_nights import KINDS, NIGHTS, STEP_AT, WARM, Series, pairs, series

from farm_results.comparison import SLOWER
from farm_results.detect.changepoints import steps
from farm_results.detect.trigger import trigger
from farm_results.point import Point
from farm_results.statistics.paired import effect_of, word_of

OTAVA = "apache-otava==0.8.0"
OTAVA_SETTINGS: tuple[tuple[str, dict[str, float]], ...] = (
    ("apache-otava, its defaults", {}),
    ("apache-otava, p 1e-4, from 1.5 %", {"max_pvalue": 1e-4, "min_magnitude": 0.015}),
)
WITHIN = (1, 3, 7, 14, 30)
NEAR = 5

Flags = npt.NDArray[np.bool_]
Detector = Callable[[Series], Flags]
"""True on every night on which the detector says "slower", from the night ``WARM`` on."""


@dataclass
class Row:
    """One detector on one kind of noise. ``asked``: the share of nights that cost an A/B."""

    detector: str
    noise: str
    alarms_per_year: float
    alarms: int
    within: dict[int, float]
    delay: float | None
    asked: float | None = None


def last_over(share: float, count: int) -> Detector:
    """The last number is over ``share`` above the median of the ``count`` before it."""

    def flags(one: Series) -> Flags:
        found = np.zeros(NIGHTS, dtype=bool)
        for night in range(WARM, NIGHTS):
            found[night] = one.values[night] > (1 + share) * np.median(one.values[night - count : night])
        return found

    return flags


def conbench(one: Series) -> Flags:
    """z over the mean and deviation of up to 100 earlier numbers, above 5 (its defaults)."""
    found = np.zeros(NIGHTS, dtype=bool)
    for night in range(WARM, NIGHTS):
        past = one.values[max(0, night - 100) : night]
        found[night] = (one.values[night] - past.mean()) / past.std(ddof=1) > 5
    return found


class Farm:
    """The farm's way: its trigger, then an interleaved A/B against the kept reference."""

    def __init__(self, *, confirm: bool = True, artifacts: bool = True) -> None:
        self.confirm, self.artifacts, self.nights, self.asked = confirm, artifacts, 0, 0

    def __call__(self, one: Series) -> Flags:
        """The nights on which it says slower."""
        artifacts = one.artifacts if self.artifacts else ("",) * NIGHTS
        points = [_point(*night) for night in zip(range(NIGHTS), one.values, artifacts, strict=True)]
        rng = np.random.default_rng((7, one.number))
        found = np.zeros(NIGHTS, dtype=bool)
        for night in range(WARM, NIGHTS):
            self.nights += 1
            seen = trigger(points[:night], points[night])
            if not seen.fired:
                continue
            self.asked += 1
            if not self.confirm:
                found[night] = (seen.z or 0.0) > 0
                continue
            reference, candidate = pairs(float(one.truth[night]), rng)
            found[night] = word_of(effect_of(list(reference), list(candidate), seed=night)) == SLOWER
        return found


def own_change_points(one: Series) -> Flags:
    """The farm's change points, computed anew every night; a new one to a higher level is an alarm."""
    logs = np.log(one.values)
    nights = [
        [[step.index, step.before, step.after] for step in steps(logs[: night + 1])]
        for night in range(WARM, NIGHTS)
    ]
    return _new_points(nights)


def otava_flags(python: Path, rows: Sequence[Series]) -> list[list[Flags]]:
    """The same of apache-otava: for each of its settings, those of every series."""
    settings = [each for _, each in OTAVA_SETTINGS]
    asked = {"settings": settings, "first": WARM, "series": [one.values.tolist() for one in rows]}
    script = Path(__file__).parent / "detection_otava.py"
    done = subprocess.run(
        [python, script], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return [[_new_points(nights) for nights in found] for found in json.loads(done.stdout)]


def _new_points(nights: Sequence[Sequence[Sequence[float]]]) -> Flags:
    """An alarm on each night that shows a rise that no earlier night showed (within five nights of it)."""
    found = np.zeros(NIGHTS, dtype=bool)
    known: list[float] = []
    for night, points in enumerate(nights, start=WARM):
        for index, before, after, *_ in points:
            if all(abs(index - other) > NEAR for other in known):
                known.append(index)
                found[night] |= after > before
    return found


def _point(night: int, value: float, artifact: str) -> Point:
    return Point(
        job_id=f"night-{night}", run_id="", at_unix_s=86400.0 * night, status="ok", verdict="valid",
        value=float(value), low=None, high=None, between_cv=None, segment="one", model_sha256="",
        artifact_sha256=artifact, runtime_version="",
    )  # fmt: skip


def scored(name: str, kind: str, quiet: Sequence[Flags], stepped: Sequence[Flags]) -> Row:
    """Alarms of series without a step (nights in a row are one), delays of those with one."""
    alarms = sum(int((flags[WARM:] & ~flags[WARM - 1 : -1]).sum()) for flags in quiet)
    years = len(quiet) * (NIGHTS - WARM) / 365.25
    hits = [np.flatnonzero(flags[STEP_AT:]) for flags in stepped]
    delays = np.array([hit[0] + 1 if len(hit) else np.inf for hit in hits])
    within = {nights: float((delays <= nights).mean()) for nights in WITHIN}
    delay = float(np.median(delays))
    return Row(name, kind, alarms / years, alarms, within, delay if np.isfinite(delay) else None)


def otava_python(folder: Path) -> Path:
    """An environment with apache-otava and nothing of ours."""
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run(["uv", "pip", "install", "-q", "--python", python, OTAVA], check=True)
    return python


def run(
    kinds: Sequence[str],
    count: int,
    step: float,
    seed: int,
    python: Path | None,
    tell: Callable[[str], None],
    only: str = "",
) -> list[Row]:
    """Every detector on the same series; apache-otava in its own process meanwhile."""
    rows = []
    beside = ThreadPoolExecutor(1)
    for kind in kinds:
        quiet, stepped = series(kind, count, 0.0, seed), series(kind, count, step, seed)
        others = [] if python is None else [beside.submit(otava_flags, python, p) for p in (quiet, stepped)]
        simple: list[tuple[str, Detector]] = [
            ("last > 5 % over the night before", last_over(0.05, 1)),
            ("last > 5 % over the median of 10", last_over(0.05, 10)),
            ("conbench: z > 5 of 100", conbench),
            ("farm: trigger alone", Farm(confirm=False, artifacts=False)),
            ("farm: change points", own_change_points),
            ("farm: trigger + A/B", Farm()),
            ("farm: the same, artifacts unknown", Farm(artifacts=False)),
        ]
        simple = [each for each in simple if only in each[0]]
        for name, detector in simple:
            tell(f"{kind}: {name}")
            calm = [detector(one) for one in quiet]
            asked = detector.asked / detector.nights if isinstance(detector, Farm) else None
            row = scored(name, kind, calm, [detector(one) for one in stepped])
            row.asked = asked
            rows.append(row)
        if others:
            both = zip(OTAVA_SETTINGS, *(each.result() for each in others), strict=True)
            rows += [scored(name, kind, calm, moved) for (name, _), calm, moved in both]
    return rows


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    within = " | ".join(f"≤ {nights}" for nights in WITHIN)
    lines = [
        f"| noise | detector | false alarms per series-year | {within} | median delay | nights with an A/B |",
        "|---|---|---:|" + "---:|" * (len(WITHIN) + 2),
    ]
    for row in rows:
        shares = " | ".join(f"{share * 100:.0f} %" for share in row.within.values())
        delay = "–" if row.delay is None else f"{row.delay:g}"
        asked = "" if row.asked is None else f"{row.asked * 100:.1f} %"
        alarms = f"{row.alarms_per_year:.2f} ({row.alarms})"
        lines.append(f"| {row.noise} | {row.detector} | {alarms} | {shares} | {delay} | {asked} |")
    return "\n".join(lines)


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--series", type=int, default=200, help="of each kind, with and without a step")
    parser.add_argument("--kind", choices=KINDS, action="append", help="of noise; all of them")
    parser.add_argument("--step", type=float, default=0.03)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--otava", type=Path, help="a Python that has apache-otava")
    parser.add_argument("--without-otava", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD", help="detectors of ours that are called so")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="otava-") as folder:
        python = None if asked.without_otava else asked.otava or otava_python(Path(folder) / "venv")
        rows = run(asked.kind or KINDS, asked.series, asked.step, asked.seed, python, tell, asked.only)
    print(json.dumps([asdict(row) for row in rows], indent=1) if asked.json else table(rows))


if __name__ == "__main__":
    main()
