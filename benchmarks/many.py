"""What does the coordinator need to drive many devices at once: memory, threads, files, time per job?

Each line is one ``farm bench`` with one job per device, in a process of its own that is watched from outside.
The network is converted before. ``sshd``: real SSH to real sshd devices in network namespaces (root needed);
``local``: this machine under many names. A machine of few cores cannot measure hundreds of networks at once:
the devices' agents are played from the record of a real job (``standin.py``), unless ``--real`` is given; all
of the coordinator's work is real either way: connections, uploads, leases, jobs, samples, judging, storing.

    python benchmarks/many.py
    python benchmarks/many.py --sshd 10,100 --local '' --real
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import fleet

PLAN = ("-r", "onnxruntime", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10")


@dataclass(frozen=True)
class Row:
    """One run. ``starts_per_s``: jobs begun per second, from the first to the last; ``cpu_ms``: of the
    coordinator alone, per device."""

    kind: str
    devices: int
    ok: int
    seconds: float
    starts_per_s: float
    peak_rss_mib: float
    kib_per_device: float
    cpu_ms: float
    threads: int
    files: int


def main() -> int:
    """Entry point; 1 where a job was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sshd", type=_counts, default=(1, 10, 100), metavar="N,N")
    parser.add_argument("--local", type=_counts, default=(1, 100, 250, 500), metavar="N,N")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long a played job lasts (default: 5)")
    parser.add_argument("--real", action="store_true", help="real agents; for as many as there is memory")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows: list[Row] = []
    with fleet.site() as place:
        python = "" if options.real else fleet.recorded(place, options.seconds, PLAN)
        if options.real:
            with fleet.local(place, 1):
                place.bench(*PLAN)  # converts
        for kind, counts in (("sshd", options.sshd), ("local", options.local)):
            first: Row | None = None
            for count in counts:
                row = measure(place, kind, count, python, first)
                first = first or row
                rows.append(row)
                print(f"{kind} {count}: {row.ok} ok in {row.seconds:.0f} s", file=sys.stderr)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        tell(rows)
    return 0 if all(row.ok == row.devices for row in rows) else 1


def measure(place: fleet.Site, kind: str, count: int, python: str, first: Row | None) -> Row:
    """One run over ``count`` devices; memory per device against the ``first`` run of the kind."""
    up: contextlib.AbstractContextManager[object]
    if kind == "sshd":
        up = fleet.sshd(place, count, **({"python": python} if python else {}))
    else:
        up = fleet.local(place, count, python)
    with up:
        found = place.bench(*PLAN)
    if found.ok != count:
        print(found.err[-3000:], file=sys.stderr)
    starts = sorted(begin for _, begin, _ in found.times())
    spread = starts[-1] - starts[0] if len(starts) > 1 else 0.0
    more = (found.peak_rss_mib - first.peak_rss_mib) * 1024 / (count - first.devices) if first else 0.0
    return Row(
        kind,
        count,
        found.ok,
        found.seconds,
        (len(starts) - 1) / spread if spread else 0.0,
        found.peak_rss_mib,
        more,
        found.cpu_s / count * 1000,
        found.threads,
        found.files,
    )


def tell(rows: Sequence[Row]) -> None:
    """The table."""
    print("| devices | jobs ok | whole run | jobs per second | peak RSS | more per device | CPU per device "
          "| threads | open files |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        pace = f"{row.starts_per_s:.1f}" if row.starts_per_s else ""
        more = f"{row.kib_per_device:.0f} KiB" if row.kib_per_device else ""
        print(
            f"| {row.devices} {row.kind} | {row.ok} | {row.seconds:.0f} s | {pace} "
            f"| {row.peak_rss_mib:.0f} MiB | {more} | {row.cpu_ms:.0f} ms | {row.threads} | {row.files} |"
        )


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",") if word)


if __name__ == "__main__":
    sys.exit(main())
