"""What became of every job: the store against a ledger that the device's processes wrote themselves."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from tests.faults.site import Site, wait_until

QUIET_S = 15.0


@dataclass
class Counts:
    """Each entry says what is wrong with which job, process or file."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(vars(self).values())

    def without(self, known: Counts) -> Counts:
        """What is new since ``known``."""
        pairs = zip(vars(self).values(), vars(known).values(), strict=True)
        return Counts(*([one for one in now if one not in then] for now, then in pairs))

    def add(self, other: Counts) -> None:
        """Take in what was found elsewhere."""
        for name, found in vars(self).items():
            found.extend(getattr(other, name))

    def numbers(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(found) for name, found in vars(self).items()}


def torn(site: Site) -> set[str]:
    """Jobs whose files on the device the test itself tore: what they say may be gone, but nothing else."""
    return {line["job"] for line in site.ledger() if line["what"] == "torn"}


def count(site: Site) -> Counts:
    """Look once everything has settled."""
    counts = Counts()
    if not wait_until(lambda: not site.processes(), QUIET_S):
        counts.processes = [_command(pid) for pid in site.processes()]
    store = site.open_store()
    try:
        rows = {result.job_id: result for result in store.results()}
        ledger = site.ledger()
        _results(ledger, rows, torn(site), counts)
        _executions(ledger, rows, counts)
        for result in rows.values():
            for sha256 in result.sample_hashes:
                with store.objects.open(sha256) as stream:
                    if hashlib.sha256(stream.read()).hexdigest() != sha256:
                        counts.wrong.append(f"{result.job_id}: samples {sha256[:12]} are other bytes")
    finally:
        store.close()
    for device, job, expires in site.sql("SELECT device, job_id, expires_unix_s FROM lease"):
        if expires > time.time():
            counts.stuck.append(f"lease of {device} for {job}")
    counts.stuck += [
        f"{job} is written down as {state}" for job, state in site.sql("SELECT job_id, state FROM job")
    ]
    counts.stuck += [f"{job} waits" for (job,) in site.sql("SELECT job_id FROM waiting")]
    counts.files = _files(site)
    return counts


def _results(ledger: list[Any], rows: dict[str, Any], excused: Collection[str], counts: Counts) -> None:
    """Every job that the device began has a row; the row is what the device said last."""
    said = {line["job"]: line for line in ledger if line["what"] == "result"}
    began = {line["job"] for line in ledger if line["role"] == "_supervise"}
    for job in sorted(began | set(said)):
        row, last = rows.get(job), said.get(job)
        if row is None:
            counts.lost.append(f"{job}: {last['outcome'] if last else 'begun'} on the device, no result here")
        elif last is None or job in excused:
            continue
        elif last["outcome"] == "ok" and row.status != "ok":
            counts.lost.append(f"{job}: ok on the device, here {row.status} {row.error_code}")
        elif last["outcome"] != "ok" and row.status == "ok":
            counts.wrong.append(f"{job}: {last['outcome']} on the device, ok here")
        elif row.status == "ok" and list(row.sample_hashes) != last["samples"]:
            counts.wrong.append(f"{job}: other samples than the device's")
    for job, row in rows.items():
        if row.status == "ok" and job not in said:
            counts.wrong.append(f"{job}: ok here, and the device never said so")


def _executions(ledger: list[Any], rows: dict[str, Any], counts: Counts) -> None:
    """No block of a job was measured by two processes, no measurement is stored twice."""
    measured = Counter((line["job"], line["of"]) for line in ledger if line["role"] == "_block")
    counts.doubled += [
        f"{job}: {of} measured {times} times" for (job, of), times in measured.items() if times > 1
    ]
    stored = Counter(sha256 for row in rows.values() for sha256 in row.sample_hashes)
    counts.doubled += [
        f"samples {sha256[:12]} in {times} results" for sha256, times in stored.items() if times > 1
    ]


def _files(site: Site) -> list[str]:
    """What nobody will ever ask for again."""
    root = site.root
    left = [path for pattern in ("cas/*.part", "agents/*.part", "**/.tmp-*") for path in root.glob(pattern)]
    left += [path for path in root.glob("jobs/*") if not (path / "acknowledged").exists()]
    return sorted(str(path.relative_to(root)) for path in left)


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return f"{pid} {file.read().replace(chr(0).encode(), b' ').decode(errors='replace')[:200]}"
    except OSError:
        return str(pid)
