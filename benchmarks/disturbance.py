"""Disturbed runs and quiet ones: how many of each are flagged, and by which reasons?

    python benchmarks/disturbance.py --runs 20 --out disturbance.jsonl
    python benchmarks/disturbance.py --kinds quiet,frozen --runs 3 --out few.jsonl
    python benchmarks/disturbance.py --out disturbance.jsonl --report [--json]

A run is a whole ``farm bench`` of the bundled network on this machine, in short processes, with the gate off
(it would rightly refuse most of these). The kinds take turns, so that what the machine itself does falls on
all of them. A run is flagged when its verdict is another than valid, or when it ends in an error instead
of a number. ``gate`` is the loaded run once more, with the gate on: it must end with gate.not-quiet.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import disturbances
from trials import Farm, Lines, share_text, wilson

KINDS = {
    "quiet": "nothing",
    "cpu-all": "a busy program per CPU",
    "cpu-one": "one busy program",
    "memory": "too little memory, shared with a program that wants more: swapping",
    "frozen": "a measuring process is stopped for 1 s",
    "throttle": "the board's tool reports under-voltage and throttling from the middle of a process on",
    "bf16": "OpenVINO computes in bfloat16 although fp32 was asked for",
    "gate": "a busy program per CPU, with the gate on",
}
# The reasons that name the disturbance itself; a run on a busy machine may be flagged by others as well.
REASONS = {
    "cpu-all": ("cpu.", "contention."),
    "cpu-one": ("cpu.", "contention."),
    "memory": ("memory.",),
    "frozen": ("process.frozen",),
    "throttle": ("throttle.",),
    "bf16": ("precision.", "check."),
    "gate": ("gate.not-quiet",),
}
GATE_WAIT_S = 4
# Every process warms up for as long as it is then measured, at most a second.
START_S = 0.6
# CPU time of a process until it is warm: its start, and two windows of warm-up at least.
START_CPU_S = 0.2
LEAST_WARM_S = 0.4


def main() -> None:
    """Measure what is missing, then report."""
    options = _options()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    parameters = {"trial": "disturbance", "blocks": options.blocks, "min_time_s": options.min_time_s}
    lines = Lines(options.out, parameters)
    if not options.report:
        measure(lines, options, folder)
    found = summary(lines)
    print(json.dumps(found, indent=2)) if options.json else print_summary(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS), help="some of: " + ", ".join(KINDS))
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--min-time-s", type=float, default=0.5)
    parser.add_argument("--out", type=Path, default=Path("disturbance.jsonl"))
    parser.add_argument("--folder", type=Path, default=Path("disturbance-trial"))
    parser.add_argument("--report", action="store_true", help="measure nothing more")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.kinds = options.kinds.split(",")
    unknown = set(options.kinds) - set(KINDS)
    if unknown:
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    return options


def measure(lines: Lines, options: argparse.Namespace, folder: Path) -> None:
    """Round after round, a run of each kind, until the file has all."""
    done = {(row["run"], row["kind"]) for row in lines.runs}
    trial = Trial(folder, options.blocks, options.min_time_s)
    for run in range(options.runs):
        for kind in options.kinds:
            if (run, kind) in done or any(row["kind"] == kind and "skipped" in row for row in lines.runs):
                continue
            began = time.monotonic()
            try:
                row = trial.run(kind)
            except RuntimeError as error:
                row = {"skipped": str(error)}
            lines.add({"run": run, "kind": kind, "unix_s": time.time(), **row})
            if not options.json:
                words = row.get("skipped") or row["word"] or row["error"]
                took_s = time.monotonic() - began
                print(f"{kind} {run + 1} of {options.runs}: {words}, {took_s:.1f} s", file=sys.stderr)


class Trial:
    """One machine, the files that some kinds need, and how to run each."""

    def __init__(self, folder: Path, blocks: int, min_time_s: float) -> None:
        self._farm = Farm(folder)
        self._folder = folder
        self._words = ("--json", "bench", "--blocks", str(blocks), "--min-time", f"{min_time_s:g}s")
        self._middle_s = START_S + min(1.0, min_time_s) + min_time_s / 2
        self._middle_cpu_s = START_CPU_S + max(LEAST_WARM_S, min(1.0, min_time_s)) + min_time_s / 2
        self._flag = folder / "throttled"
        disturbances.write_vcgencmd(folder / "bin", self._flag)
        disturbances.write_forced_bf16(folder / "site")
        (folder / "board.toml").write_text('[devices.local]\nprofile = "rpi4"\naddress = "local"\n')

    def run(self, kind: str) -> dict[str, Any]:
        """One run of this kind. Raises RuntimeError where this machine cannot be disturbed so."""
        farm, words = self._farm, [*self._words, "-r", "onnxruntime", "--no-gate"]
        if kind == "throttle":
            path = f"{self._folder / 'bin'}:{os.environ.get('PATH', '')}"
            board = {"FARM_INVENTORY_PATH": str(self._folder / "board.toml"), "PATH": path}
            farm = replace(farm, settings=board)
        elif kind == "bf16":
            _needs_bf16()
            farm = replace(farm, settings={"PYTHONPATH": str(self._folder / "site")})
            # The hook sits in OpenVINO's own Python package, which the native loop goes past.
            words = [*self._words, "-r", "openvino", "--no-gate", "--harness", "python"]
        elif kind == "gate":
            words = [*self._words, "-r", "onnxruntime", "--gate", "--gate-wait", f"{GATE_WAIT_S}s"]
        with self._disturbed(kind):
            (row,) = farm.results(farm.start(*words))
        verdict = row.get("verdict") or {}
        caveats = verdict.get("caveats") or []
        return {
            "status": row["status"],
            "error": row.get("error_code") or "",
            "word": verdict.get("word") or "",
            "codes": [caveat["code"] for caveat in caveats if caveat["severity"] != "note"],
            "notes": [caveat["code"] for caveat in caveats if caveat["severity"] == "note"],
            "evidence": {caveat["code"]: caveat["evidence"] for caveat in caveats},
            "p50_ns": (row.get("latency") or {}).get("p50_ns"),
        }

    @contextlib.contextmanager
    def _disturbed(self, kind: str) -> Iterator[None]:
        cores = os.cpu_count() or 1
        with contextlib.ExitStack() as stack:
            if kind in ("cpu-all", "gate"):
                stack.enter_context(disturbances.load(cores))
            elif kind == "cpu-one":
                stack.enter_context(disturbances.load(1))
            elif kind == "memory":
                stack.enter_context(disturbances.too_little_memory(self._folder))
            elif kind == "frozen":
                stack.enter_context(disturbances.frozen(self._folder, self._middle_cpu_s))
            elif kind == "throttle":
                stack.enter_context(disturbances.throttle_flag(self._folder, self._flag, self._middle_s))
            yield


def _needs_bf16() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    if not {"avx512_bf16", "amx_bf16", "bf16"} & set(flags):
        raise RuntimeError("this processor does not compute in bfloat16")


def summary(lines: Lines) -> dict[str, Any]:
    """Per kind: runs, flagged, by what; ``ok`` says whether the aim is met."""
    kinds: dict[str, Any] = {}
    for kind in KINDS:
        rows = [row for row in lines.runs if row["kind"] == kind]
        skipped = [row["skipped"] for row in rows if "skipped" in row]
        rows = [row for row in rows if "skipped" not in row]
        if skipped or rows:
            flagged = [row for row in rows if row["word"] != "valid"]
            codes = Counter(code for row in flagged for code in _reasons(row))
            named = sum(
                any(code.startswith(REASONS.get(kind, ())) for code in _reasons(row)) for row in flagged
            )
            kinds[kind] = {
                "runs": len(rows),
                "flagged": len(flagged),
                "named": named,
                "interval": wilson(len(flagged), len(rows)),
                "codes": dict(codes.most_common()),
                "skipped": skipped[0] if skipped else "",
            }
    disturbed = [part for kind, part in kinds.items() if kind not in ("quiet", "gate")]
    total, hits = sum(part["runs"] for part in disturbed), sum(part["flagged"] for part in disturbed)
    return {
        "parameters": lines.rows[0]["parameters"],
        "kinds": kinds,
        "disturbed": {"runs": total, "flagged": hits, "interval": wilson(hits, total)},
    }


def _reasons(row: dict[str, Any]) -> list[str]:
    return [*row["codes"], *([row["error"]] if row["error"] else [])]


def print_summary(found: dict[str, Any]) -> None:
    """The same for people."""
    print(f"Disturbance trial: {found['parameters']}\n")
    for kind, part in found["kinds"].items():
        if part["skipped"]:
            print(f"{kind:9} skipped: {part['skipped']}")
            continue
        codes = ", ".join(f"{code} {count}" for code, count in part["codes"].items())
        print(f"{kind:9} flagged {share_text(part['flagged'], part['runs'])}  ({KINDS[kind]})")
        if kind in REASONS:
            print(f"          by the reason that names it {share_text(part['named'], part['runs'])}")
        if codes:
            print(f"          by {codes}")
    total = found["disturbed"]
    print(f"\ndisturbed flagged {share_text(total['flagged'], total['runs'])}; aim: 95 % or more")
    print("quiet flagged: aim 1 % or less")


if __name__ == "__main__":
    main()
