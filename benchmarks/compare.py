"""How often does ``farm compare`` call a change that is none, and how often one that is? Simulated runs.

    python benchmarks/compare.py --pairs 2000 > compare.md

Each pair is two results of five processes, judged by ``farm_results.compare`` exactly as the command does,
with the history that a store would hold. Process medians are lognormal around the run's own level (0.4 %),
the run's level around the series' (``between``). Independent of the machine it runs on: nothing is timed.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from farm_results.compare.row import IMPROVED, LARGE, REGRESSED, Row
from farm_results.compare.sides import compare
from farm_results.model import Latency, Result, Verdict
from farm_results.point import Point

PROCESSES, WITHIN, LEVEL_NS = 5, 0.004, 5e6
EFFECTS = (0.0, 0.03, 0.05, 0.10)


@dataclass(frozen=True)
class Case:
    """``nights`` of history; ``between``: noise between runs; ``memory``: autocorrelation of neighbours;
    ``outliers``: share of runs that are 8 to 30 % too slow."""

    name: str
    nights: int
    between: float
    memory: float = 0.0
    outliers: float = 0.0


CASES = (
    Case("30 nights, 1 %", 30, 0.01),
    Case("30 nights, 2 %", 30, 0.02),
    Case("30 nights, 1 %, neighbours alike (0.5)", 30, 0.01, memory=0.5),
    Case("30 nights, 1 %, 5 % outliers", 30, 0.01, outliers=0.05),
    Case("8 nights, 1 %", 8, 0.01),
    Case("no history, 1 %", 0, 0.01),
    Case("no history, 2 %", 0, 0.02),
)


def main() -> None:
    """One table: a line per case, a column per true effect."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.pairs} pairs per cell, seed {options.seed}: called regressed or improved /")
    print("noisy but large.\n")
    print("| history, noise between runs | half width of the 95 % interval | p < 0.05 at 0 % |", end="")
    print("".join(f" true {effect * 100:.0f} % |" for effect in EFFECTS))
    print("| --- | ---: | ---: |" + " ---: |" * len(EFFECTS))
    for case in CASES:
        cells = []
        half, chance = "n/a", "n/a"
        for effect in EFFECTS:
            rng = np.random.default_rng([options.seed, CASES.index(case), EFFECTS.index(effect)])
            rows = [pair(case, effect, rng) for _ in range(options.pairs)]
            cells.append(f"{share(rows, REGRESSED, IMPROVED)} / {share(rows, LARGE)}")
            if effect == 0.0:
                widths = [
                    (row.high - row.low) / 2 for row in rows if row.high is not None and row.low is not None
                ]
                half = f"{np.median(widths) * 100:.1f} %"
                small = sum(row.p is not None and row.p < 0.05 for row in rows)
                chance = f"{small / len(rows) * 100:.1f} %"
        print(f"| {case.name} | {half} | {chance} | " + " | ".join(cells) + " |")


def pair(case: Case, effect: float, rng: np.random.Generator) -> Row:
    """One comparison of the newest two runs of a series, the last one changed by ``effect``."""
    count = case.nights + 2
    logs = np.zeros(count + 20)
    steps = rng.normal(0.0, case.between * np.sqrt(1.0 - case.memory**2), len(logs))
    for index in range(1, len(logs)):
        logs[index] = case.memory * logs[index - 1] + steps[index]
    logs = logs[-count:] + np.where(
        rng.uniform(size=count) < case.outliers, np.log1p(rng.uniform(0.08, 0.30, count)), 0.0
    )
    logs[-1] += np.log1p(effect)
    medians = LEVEL_NS * np.exp(logs[:, None] + rng.normal(0.0, WITHIN, (count, PROCESSES)))
    results = [result(f"job-{index}", index, row) for index, row in enumerate(medians)]
    points = [point(one) for one in results]
    return compare(results[-2:-1], results[-1:], past=lambda series: dict.fromkeys(series, points)).rows[0]


def result(job: str, at: int, medians: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Result:
    """As a store would hold it."""
    p50, spread = float(np.median(medians)), float(medians.std(ddof=1) / medians.mean())
    unknown = dict.fromkeys(("p90_ns", "p95_ns", "p99_ns", "stdev_ns", "between_block_spread"), None)
    latency = Latency(
        count=2000,
        blocks=PROCESSES,
        p50_ns=p50,
        p50_low_ns=None,
        p50_high_ns=None,
        min_ns=p50,
        mean_ns=p50,
        mad_ns=0.0,
        between_cv=spread,
        **unknown,
    )
    names = ("model", "device", "profile", "format", "runtime", "runtime_version", "precision")
    texts = dict.fromkeys((*names, "model_sha256", "executed_precision", "scenario", "protocol"), "x")
    return Result(
        job_id=job, run_id=job, created_unix_s=float(at), threads=1, status="ok", latency=latency,
        verdict=Verdict("valid"), **texts,
    )  # fmt: skip


def point(one: Result) -> Point:
    """Its row in the history."""
    value = one.latency.p50_ns if one.latency else None
    return Point(
        one.job_id, one.run_id, one.created_unix_s, "ok", "valid", value, None, None, None, "", "", "", ""
    )


def share(rows: list[Row], *sections: str) -> str:
    """Of the rows that ended in one of these sections."""
    return f"{sum(row.section in sections for row in rows) / len(rows) * 100:.1f} %"


if __name__ == "__main__":
    main()
