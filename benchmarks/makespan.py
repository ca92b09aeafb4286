"""Eleven equal devices against one, with jobs of a fixed length: how much faster, what is lost on the way?

Real SSH to real sshd devices in network namespaces (root needed). First one device does its jobs, then eleven
do as many each. Speed-up: jobs per second of eleven against one. Makespan over slowest device: the whole
command against the longest time that one device was given, from its first connection's job to its last.
The jobs of ``real`` wait most of the time (an inference every 250 ms, by the real agent), so that a machine
of few cores can stand for eleven; those of ``played`` take a fixed time and next to no processor time
(``standin.py``): what is then left is the coordinator's own.

    python benchmarks/makespan.py [--devices 11] [--jobs 4] [--seconds 12] [--ways played,real] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import fleet

AIM_SPEEDUP, AIM_MAKESPAN = 0.9, 1.1
QUICK = ("-r", "onnxruntime", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10")
WAITING = ("-r", "onnxruntime", "--blocks", "1", "--scenario", "paced", "--period", "250ms", "--duration")


@dataclass(frozen=True)
class Row:
    """One comparison. ``one_s``, ``all_s``: the whole commands; ``slowest_s``: from the begin of the first
    job of a device to the end of its last, of the device where that is longest."""

    way: str
    devices: int
    jobs: int
    one_s: float
    all_s: float
    speed_up: float
    slowest_s: float
    makespan: float
    one_overhead_s: float


def main() -> int:
    """Entry point; 1 where an aim is missed or a job was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, default=11)
    parser.add_argument("--jobs", type=int, default=4, help="per device (default: 4)")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of a job (default: 12)")
    parser.add_argument("--ways", default="played,real")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for way in options.ways.split(","):
        with fleet.site() as place:
            rows.append(compare(place, way, options.devices, options.jobs, options.seconds))
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else table(rows))
    reached = [row.speed_up >= AIM_SPEEDUP * row.devices and row.makespan <= AIM_MAKESPAN for row in rows]
    return 0 if all(reached) else 1


def compare(place: fleet.Site, way: str, devices: int, jobs: int, seconds: float) -> Row:
    """One device, then all, after every network was converted."""
    words = QUICK if way == "played" else (*WAITING, f"{seconds:g}s")
    python = fleet.recorded(place, seconds, words) if way == "played" else sys.executable
    place.farm("convert", *place.models(jobs), "--to", "onnx")
    runs = []
    for count in (1, devices):
        with fleet.sshd(place, count, python, home_mb=128):
            found = place.bench(*words, jobs=jobs)
        if found.ok != count * jobs:
            raise SystemExit(f"{found.ok} of {count * jobs} jobs ended well:\n{found.err[-2000:]}")
        print(f"{way}: {count} devices, {found.ok} jobs in {found.seconds:.1f} s", file=sys.stderr)
        runs.append(found)
    one, many = runs
    slowest = max(spans(many))
    return Row(
        way,
        devices,
        jobs,
        one.seconds,
        many.seconds,
        devices * one.seconds / many.seconds,
        slowest,
        many.seconds / slowest,
        one.seconds - max(spans(one)),
    )


def spans(found: fleet.Watched) -> list[float]:
    """From begin to end of the jobs of each device."""
    times = defaultdict(list)
    for device, begin, end in found.times():
        times[device] += [begin, end]
    return [max(both) - min(both) for both in times.values()]


def table(rows: Sequence[Row]) -> str:
    """For people."""
    lines = ["| jobs | one device | all devices | speed-up | slowest device | makespan over it |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    lines += [
        f"| {row.way}, {row.jobs} per device | {row.one_s:.1f} s | {row.devices}: {row.all_s:.1f} s "
        f"| {row.speed_up:.2f} x | {row.slowest_s:.1f} s | {row.makespan:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
