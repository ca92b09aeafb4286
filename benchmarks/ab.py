"""A/B in turns: how often is one network called slower than itself, and how surely are 5 % more work found?

    python benchmarks/ab.py --rounds 30 --pairs 20 --min-time 1s --out ab.jsonl
    python benchmarks/ab.py --rounds 8 --pairs 20 --min-time 300ms --within-min 12
    python benchmarks/ab.py --out ab.jsonl --report          # only what the file says so far
    python benchmarks/ab.py --out ab.jsonl --report --json

Each round is two whole ``farm bench --ab`` on this machine, in an order drawn by lot: a network of 20
convolutions against itself, and one of 21 against it. What 21 really take is the median over all pairs of
all rounds, which is far better known than any one comparison; what 20 take against themselves is nothing.
It prints the table of ab.md. An aborted trial goes on when started again with the same parameters.
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

from trials import RUN_LIMIT_S, Farm, Lines, carry_out, conv_net, options, words_of

from farm_results.detect.false_alarms import share_interval

BASE, MORE = "base", "more"
LAYERS = {BASE: 20, MORE: 21}
TITLES = {BASE: "20 layers against themselves", MORE: "21 layers against 20"}
SIZE = 64
WORDS = ("slower", "faster", "same", "inconclusive")


def main() -> None:
    """Measure what is missing, then report."""
    parser = options(__doc__, "ab")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument(
        "--within-min", type=float, default=math.inf, help="begin no comparison that would end later"
    )
    carry_out("ab", parser.parse_args(), ("pairs",), measure, summary, print_summary)


def measure(lines: Lines, chosen: argparse.Namespace, folder: Path) -> None:
    """Run until the file has both comparisons of every round, or the time is up."""
    farm = Farm(folder)
    files = {
        name: conv_net(folder / f"{name}.onnx", layers=count, size=SIZE) for name, count in LAYERS.items()
    }
    words = [*words_of(chosen), "--pairs", str(chosen.pairs), "--fail-on", "never"]
    done = {(row["round"], row["candidate"]) for row in lines.runs if "word" in row}
    end_s, longest_s = time.monotonic() + 60 * chosen.within_min, 0.0
    for number in range(chosen.rounds):
        # The lot depends on the round alone, so that a trial that goes on draws the same.
        order = random.Random(number).sample((BASE, MORE), 2)  # noqa: S311 - no secret
        for candidate in order:
            if (number, candidate) in done:
                continue
            began = time.monotonic()
            if began + longest_s > end_s:
                print("the time is up", file=sys.stderr)
                return
            process = farm.start("--json", "bench", str(files[candidate]), "--ab", str(files[BASE]), *words)
            row = _compared(process)
            took_s = time.monotonic() - began
            longest_s = max(longest_s, took_s)
            lines.add({"round": number, "candidate": candidate, "took_s": took_s, **row})
            said = row.get("word") or row["error"].strip()
            print(
                f"round {number + 1} of {chosen.rounds}, {candidate}: {said}, {took_s:.0f} s", file=sys.stderr
            )


def _compared(process: Any) -> dict[str, Any]:  # noqa: ANN401 - Popen
    """What a line keeps of a comparison, or why there is none."""
    try:
        out, err = process.communicate(timeout=RUN_LIMIT_S)
    finally:
        process.kill()
        process.wait()
    try:
        (found,) = [each for each in json.loads(out)["comparisons"] if each["effect"]]
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
        nets[name] = {"comparisons": len(rows), "failed": len(rows) - len(good), **_numbers(name, good)}
    return {"parameters": lines.rows[0]["parameters"], "candidates": nets}


def _numbers(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    logs = [
        math.log(after / before)
        for row in rows
        for before, after in zip(row["reference_ns"], row["candidate_ns"], strict=True)
    ]
    if not logs:
        return {}
    pooled = math.expm1(statistics.median(logs))
    truth = 0.0 if name == BASE else pooled
    effects = [row["effect"] for row in rows]
    shares = {word: _share(sum(row["word"] == word for row in rows), len(rows)) for word in WORDS}
    return {
        "words": shares,
        "clean": _share(sum(not row["codes"] for row in rows), len(rows)),
        "codes": sorted({code for row in rows for code in row["codes"]}),
        "pooled": pooled,
        "truth": truth,
        "effects": sorted(effect["ratio"] for effect in effects),
        "median_effect": statistics.median(effect["ratio"] for effect in effects),
        "pair_sd": statistics.stdev(logs) if len(logs) > 1 else None,
        "median_width": statistics.median(effect["high"] - effect["low"] for effect in effects),
        "covered": _share(sum(effect["low"] <= truth <= effect["high"] for effect in effects), len(rows)),
        "median_s": statistics.median(row["took_s"] for row in rows),
    }


def _share(hits: int, count: int) -> dict[str, Any]:
    """With its exact 95 % interval."""
    low, high = share_interval(hits, count)
    return {"hits": hits, "count": count, "low": low, "high": high}


def print_summary(found: dict[str, Any]) -> None:
    """The table of ab.md."""
    both = [found["candidates"][name] for name in (BASE, MORE)]
    print("| | " + " | ".join(TITLES[name] for name in (BASE, MORE)) + " |")
    print("|---|---:|---:|")
    for title, text in _ROWS:
        print(f"| {title} | " + " | ".join(text(one) if "words" in one else "–" for one in both) + " |")
    codes = sorted({code for one in both for code in one.get("codes", ())})
    given = ", ".join(f"{name} {value}" for name, value in found["parameters"].items())
    print(f"\n{given}." + (f" Caveats: {', '.join(codes)}." if codes else ""))


def _share_text(share: dict[str, Any]) -> str:
    low, high = 100 * share["low"], 100 * share["high"]
    return f"{share['hits']} of {share['count']} ({low:.0f} to {high:.0f} %)"


def _percent(share: float) -> str:
    return f"{100 * share:+.2f} %".replace("-", "−")


_ROWS: tuple[tuple[str, Any], ...] = (
    ("comparisons, failed ones beside them", lambda n: f"{n['comparisons'] - n['failed']}, {n['failed']}"),
    *((f"called {word}", lambda n, word=word: _share_text(n["words"][word])) for word in WORDS),
    ("over all pairs of all comparisons", lambda n: _percent(n["pooled"])),
    ("the median effect of a comparison", lambda n: _percent(n["median_effect"])),
    ("the least and the largest", lambda n: " to ".join(map(_percent, (n["effects"][0], n["effects"][-1])))),
    ("sd of a pair's log ratio", lambda n: f"{100 * (n['pair_sd'] or 0.0):.2f} %"),
    ("width of the interval, median", lambda n: f"{100 * n['median_width']:.2f} %"),
    ("the interval holds the truth", lambda n: _share_text(n["covered"])),
    ("without a caveat", lambda n: _share_text(n["clean"])),
    ("a comparison takes", lambda n: f"{n['median_s']:.0f} s"),
)


if __name__ == "__main__":
    main()
