"""A/A: pairs of identical runs. How far apart do they come out, and how often would they be called different?

    python benchmarks/aa.py --pairs 30 --blocks 5 --min-time 1s --out aa.jsonl
    python benchmarks/aa.py --out aa.jsonl --report          # only what the file says so far
    python benchmarks/aa.py --out aa.jsonl --report --json

Each run is a whole ``farm bench`` of two networks on this machine. The two runs of a pair follow one
another, and which of them is called A is drawn by lot. An aborted trial goes on when started again with the
same parameters. Two rules call a pair different:

- hull: the intervals of the two p50, as every result prints them, do not overlap;
- paired: Student's t test over the differences of the logarithms of the process medians, the first process
  of A against the first of B and so on, gives p < 0.01.

Each is also counted with a tolerance: the two p50 must moreover be over 1 % apart.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from trials import Farm, Lines, carry_out, models, options, share_text, two_sided_p, wilson, words_of

from farm_results.storage.frame import samples

ALPHA = 0.01
TOLERANCE = 0.01


def main() -> None:
    """Measure what is missing, then report."""
    parser = options(__doc__, "aa")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--blocks", type=int, default=5)
    carry_out("aa", parser.parse_args(), ("blocks",), measure, summary, print_summary)


def measure(lines: Lines, chosen: argparse.Namespace, folder: Path) -> None:
    """Run until the file has every pair."""
    farm = Farm(folder)
    networks = models(folder)
    words = ["--json", "bench", *map(str, networks), *words_of(chosen), "--blocks", str(chosen.blocks)]
    # A run is whole only with all its networks: one that was cut, or that failed, is taken again.
    good = [row for row in lines.runs if row["status"] == "ok"]
    done = {row["run"] for row in good if row["net"] == networks[-1].stem}
    for run in range(2 * chosen.pairs):
        if run in done:
            continue
        began = time.monotonic()
        # The lot depends on the pair alone, so that a trial that goes on draws the same.
        first_is_a = random.Random(run // 2).random() < 0.5  # noqa: S311 - no secret
        member = "a" if (run % 2 == 0) == first_is_a else "b"
        for row in farm.results(farm.start(*words)):
            lines.add({"run": run, "pair": run // 2, "member": member, **_kept(row, farm.store)})
        if not chosen.json:
            took_s = time.monotonic() - began
            print(f"run {run + 1} of {2 * chosen.pairs}: {took_s:.1f} s", file=sys.stderr)


def _kept(row: dict[str, Any], store: Path) -> dict[str, Any]:
    """What a line keeps of a result."""
    kept = {"net": row["model"], "job": row["job_id"], "status": row["status"], "unix_s": time.time()}
    if row["status"] != "ok":
        return {**kept, "error": row["error_code"]}
    frame = samples(row["job_id"], store)
    medians = frame.groupby("block")["latency_ns"].median()
    latency, verdict = row["latency"], row["verdict"]
    return {
        **kept,
        "p50_ns": latency["p50_ns"],
        "low_ns": latency["p50_low_ns"],
        "high_ns": latency["p50_high_ns"],
        "medians_ns": [float(value) for value in medians],
        "harness": row.get("harness", ""),
        "verdict": verdict["word"],
        "codes": [caveat["code"] for caveat in verdict["caveats"]],
    }


def summary(lines: Lines) -> dict[str, Any]:
    """Numbers per network."""
    nets = sorted({row["net"] for row in lines.runs})
    return {"parameters": lines.rows[0]["parameters"], "nets": {net: _of_net(lines, net) for net in nets}}


def _of_net(lines: Lines, net: str) -> dict[str, Any]:
    # Of a run that was taken again, the later counts.
    runs = {row["run"]: row for row in lines.runs if row["net"] == net}
    good = {run: row for run, row in runs.items() if row["status"] == "ok"}
    pairs = [(good[run], good[run + 1]) for run in sorted(good) if run % 2 == 0 and run + 1 in good]
    pairs = [(one, other) if one["member"] == "a" else (other, one) for one, other in pairs]
    quiet = [pair for pair in pairs if all(row["verdict"] == "valid" for row in pair)]
    spreads = [_cv(row["medians_ns"]) for row in good.values() if len(row["medians_ns"]) > 1]
    ratios = np.array([b["p50_ns"] / a["p50_ns"] - 1 for a, b in pairs])
    return {
        "runs": len(runs),
        "failed": len(runs) - len(good),
        "valid": sum(row["verdict"] == "valid" for row in good.values()),
        "p50_ns": float(np.median([row["p50_ns"] for row in good.values()])) if good else None,
        "between_process_cv": math.sqrt(float(np.mean(np.square(spreads)))) if spreads else None,
        "between_run_cv": _cv([row["p50_ns"] for row in good.values()]) if len(good) > 1 else None,
        "difference": _spread(ratios) if pairs else None,
        "all_pairs": _called(pairs),
        "valid_pairs": _called(quiet),
    }


def _cv(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / np.mean(values))


def _spread(ratios: np.ndarray[Any, Any]) -> dict[str, float]:
    size = np.abs(ratios)
    return {
        "mean": float(ratios.mean()),
        "median_size": float(np.median(size)),
        "p95_size": float(np.quantile(size, 0.95)),
        "largest_size": float(size.max()),
    }


def _called(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """How many pairs each rule calls different."""
    counts = dict.fromkeys(("hull", "hull_1pct", "paired", "paired_1pct"), 0)
    for a, b in pairs:
        apart = abs(math.log(b["p50_ns"] / a["p50_ns"])) > math.log1p(TOLERANCE)
        hull = None not in (a["low_ns"], b["low_ns"]) and (
            a["high_ns"] < b["low_ns"] or b["high_ns"] < a["low_ns"]
        )
        logs = [math.log(y / x) for x, y in zip(a["medians_ns"], b["medians_ns"], strict=False)]
        paired = two_sided_p(logs) < ALPHA
        counts["hull"] += hull
        counts["hull_1pct"] += hull and apart
        counts["paired"] += paired
        counts["paired_1pct"] += paired and apart
    shares = {name: wilson(hits, len(pairs)) for name, hits in counts.items()}
    return {"pairs": len(pairs), **counts, "intervals": shares}


def print_summary(found: dict[str, Any]) -> None:
    """The same for people."""
    print(f"A/A: {found['parameters']}")
    for net, numbers in found["nets"].items():
        print(f"\n{net}: {numbers['runs']} runs, {numbers['failed']} failed, {numbers['valid']} valid")
        if numbers["difference"] is None:
            continue
        print(f"  p50                      {numbers['p50_ns'] / 1e3:.2f} µs")
        print(f"  between-process CV       {100 * numbers['between_process_cv']:.2f} %")
        print(f"  between-run CV of p50    {100 * numbers['between_run_cv']:.2f} %")
        parts = numbers["difference"]
        print(
            f"  |B/A - 1| of pairs       median {100 * parts['median_size']:.2f} %, 95th percentile "
            f"{100 * parts['p95_size']:.2f} %, largest {100 * parts['largest_size']:.2f} %"
        )
        for name, title in (("all_pairs", "all pairs"), ("valid_pairs", "both valid")):
            part = numbers[name]
            print(f"  called different, {title}:")
            for rule, words in (
                ("hull", "intervals do not overlap"),
                ("hull_1pct", "  and over 1 % apart"),
                ("paired", "paired t test, p < 0.01"),
                ("paired_1pct", "  and over 1 % apart"),
            ):
                print(f"    {words:26} {share_text(part[rule], part['pairs'])}")


if __name__ == "__main__":
    main()
