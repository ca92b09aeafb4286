"""A/B in turns: how often is one network called slower than itself, and how surely are 5 % more work found?

    python benchmarks/ab.py --rounds 30 --pairs 20 --min-time 1s --out ab.jsonl
    python benchmarks/ab.py --out ab.jsonl --report          # only what the file says so far
    python benchmarks/ab.py --out ab.jsonl --report --json

Each round is two whole ``farm bench --ab`` on this machine, in an order drawn by lot: a network of 20
convolutions against itself, and one of 21 against it. What 21 really take is the median over all pairs of
all rounds, which is far better known than any one comparison. An aborted trial goes on when started again
with the same parameters.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from trials import Farm, Lines, conv_net, share_text

BASE, MORE = "base", "more"
LAYERS = {BASE: 20, MORE: 21}
SIZE = 64


def main() -> None:
    """Measure what is missing, then report."""
    options = _options()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {
        "trial": "ab",
        "runtime": options.runtime,
        "pairs": options.pairs,
        "min_time": options.min_time,
        "gate": options.gate,
    }
    lines = Lines(options.out, parameters)
    if not options.report:
        measure(lines, options, folder)
    found = summary(lines)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        print_summary(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--min-time", default="1s", help="of each process, as farm bench takes it")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--no-gate", dest="gate", action="store_false", help="measure on a busy machine, too")
    parser.add_argument("--out", type=Path, default=Path("ab.jsonl"))
    parser.add_argument("--folder", type=Path, default=Path("ab-trial"), help="store and agent of the trial")
    parser.add_argument("--report", action="store_true", help="measure nothing more")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(lines: Lines, options: argparse.Namespace, folder: Path) -> None:
    """Run until the file has both comparisons of every round."""
    farm = Farm(folder)
    files = {
        name: conv_net(folder / f"{name}.onnx", layers=count, size=SIZE) for name, count in LAYERS.items()
    }
    words = ["-r", options.runtime, "--pairs", str(options.pairs), "--min-time", options.min_time]
    words += ["--gate" if options.gate else "--no-gate", "--fail-on", "never"]
    done = {(row["round"], row["candidate"]) for row in lines.runs if "word" in row}
    for number in range(options.rounds):
        # The lot depends on the round alone, so that a trial that goes on draws the same.
        order = random.Random(number).sample((BASE, MORE), 2)  # noqa: S311 - no secret
        for candidate in order:
            if (number, candidate) in done:
                continue
            began = time.monotonic()
            process = farm.start("--json", "bench", str(files[candidate]), "--ab", str(files[BASE]), *words)
            lines.add({"round": number, "candidate": candidate, **_compared(process)})
            if not options.json:
                took_s = time.monotonic() - began
                print(f"round {number + 1} of {options.rounds}, {candidate}: {took_s:.0f} s", file=sys.stderr)


def _compared(process: Any) -> dict[str, Any]:  # noqa: ANN401 - Popen
    """What a line keeps of a comparison, or why there is none."""
    out, err = process.communicate()
    try:
        (found,) = json.loads(out)["comparisons"]
    except (ValueError, KeyError):
        return {"unix_s": time.time(), "error": err[-400:]}
    return {
        "unix_s": time.time(),
        "word": found["word"],
        "kind": found["kind"],
        "effect": found["effect"],
        "reference_ns": found["reference"]["medians_ns"],
        "candidate_ns": found["candidate"]["medians_ns"],
        "codes": sorted({caveat["code"] for caveat in found["caveats"]}),
    }


def summary(lines: Lines) -> dict[str, Any]:
    """Numbers per candidate."""
    nets = {}
    for name in (BASE, MORE):
        rows = [row for row in lines.runs if row["candidate"] == name]
        good = [row for row in rows if "word" in row]
        nets[name] = {"comparisons": len(rows), "failed": len(rows) - len(good), **_numbers(good)}
    return {"parameters": lines.rows[0]["parameters"], "candidates": nets}


def _numbers(rows: list[dict[str, Any]]) -> dict[str, Any]:
    logs = [
        math.log(after / before)
        for row in rows
        for before, after in zip(row["reference_ns"], row["candidate_ns"], strict=True)
    ]
    if not logs:
        return {}
    truth = statistics.median(logs)
    effects = [row["effect"] for row in rows]
    words = ("slower", "faster", "same", "inconclusive")
    return {
        "words": {word: sum(row["word"] == word for row in rows) for word in words},
        "clean": sum(not row["codes"] for row in rows),
        "truth": math.expm1(truth),
        "pair_sd": statistics.stdev(logs) if len(logs) > 1 else None,
        "median_width": statistics.median(effect["high"] - effect["low"] for effect in effects),
        "covered": sum(effect["low"] <= math.expm1(truth) <= effect["high"] for effect in effects),
    }


def print_summary(found: dict[str, Any]) -> None:
    """The same for people."""
    print(f"A/B: {found['parameters']}")
    titles = {BASE: "20 layers against themselves", MORE: "21 layers against 20"}
    for name, numbers in found["candidates"].items():
        print(f"\n{titles[name]}: {numbers['comparisons']} comparisons, {numbers['failed']} failed")
        if "words" not in numbers:
            continue
        count = numbers["comparisons"] - numbers["failed"]
        print(f"  over all pairs           {100 * numbers['truth']:+.2f} %")
        print(f"  sd of a pair's log ratio {100 * (numbers['pair_sd'] or 0.0):.2f} %")
        print(f"  width of the interval    {100 * numbers['median_width']:.2f} % (median)")
        print(f"  interval holds the truth {share_text(numbers['covered'], count)}")
        print(f"  without a caveat         {share_text(numbers['clean'], count)}")
        for word, hits in numbers["words"].items():
            print(f"  {word:<24} {share_text(hits, count)}")


if __name__ == "__main__":
    main()
