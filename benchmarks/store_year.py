"""A made-up year of a farm, written straight into a store: what ``store.py`` asks its questions of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from farm.nightly.record import CellRecord, NightRecord
from farm_agent import codec
from farm_results.comparison import Comparison, Effect, Side
from farm_results.finding import Finding
from farm_results.history import comparisons, findings, nights
from farm_results.history.baselines import Baseline
from farm_results.model import Caveat, Energy, Outliers, Result, Run, Verdict
from farm_results.night import Night
from farm_results.storage.columns import columns_of, pack_document, series_columns_of
from farm_results.storage.schema import (
    AUDIT,
    BASELINE,
    COMPARISON,
    DOCUMENT,
    FINDING,
    NIGHT,
    RESULT,
    RUN,
    RUN_LABEL,
    SERIES,
)
from farm_results.storage.session import changing
from farm_results.store import Store
from tests.results import made

DEVICES, MODELS = 50, 11
TARGETS = (
    ("onnx", "onnxruntime", "fp32"),
    ("onnx", "onnxruntime", "int8"),
    ("tflite", "litert", "fp32"),
    ("tflite", "litert", "int8"),
    ("openvino", "openvino", "fp16"),
)
PER_NIGHT = DEVICES * MODELS * len(TARGETS)
FIRST_UNIX_S = 1_764_000_000.0
DAY_S = 86_400.0
FINDINGS_A_NIGHT = 6


_PACKED = tuple(made.packed(made.quiet_pairs(block)) for block in range(5))
SAMPLES = tuple(made.sha256(data) for data in _PACKED)
"""Every result has the same samples: pages read five files, and the disk holds no more."""
_SPEC = codec.encode(made.spec())
_JOB = codec.encode(made.job(environment={"numpy": "2.1.3", "python": "3.12.3"}))


@dataclass(frozen=True)
class Line:
    """One series: its row of ``result`` with holes in its record, its document, its row of ``series``."""

    row: dict[str, Any]
    record: tuple[str, ...]
    packed: bytes
    series: dict[str, Any]


def line(device: int, model: int, target: tuple[str, str, str], packed: dict[int, bytes]) -> Line:
    """Records and documents as the farm's own jobs leave them, five processes each; ``packed`` are those of
    each device so far."""
    base = template(device, model, target)
    if device not in packed:
        packed[device] = pack_document(base)
    facts = {name: base.document[name] for name in ("facts", "artifact")}
    base = replace(base, document=facts)  # all that the columns are made of
    row = columns_of(base)
    parts: list[str] = [row["record"]]
    for hole in ("@job@", "@run@", "7777777.25", "8888888.5"):
        parts = [piece for part in parts for piece in _split(part, hole)]
    return Line(row, tuple(parts), packed[device], series_columns_of(base))


def _split(text: str, hole: str) -> list[str]:
    found: list[str] = []
    for index, piece in enumerate(text.split(hole)):
        found += [hole, piece] if index else [piece]
    return found


def template(device: int, model: int, target: tuple[str, str, str]) -> Result:
    """A result with holes for its job, run, time and median."""
    kind, runtime, precision = target
    caveats = (
        Caveat("processes.disagree", "noisy", "the processes' medians differ by 3.1 %", "repeat it"),
        Caveat("clock.scaled", "note", "the clock stood at 1.5 GHz for 12 % of the time", "cool it"),
    )
    document = {
        "spec": _SPEC,
        "job": _JOB,
        "facts": {
            "cpu": f"Cortex-A{70 + device % 9}",
            "cores": 4,
            "machine": "aarch64",
            "model": f"Board {device % 7}",
            "os": "Debian GNU/Linux 12 (bookworm)",
            "kernel": f"6.6.{device % 5}",
            "memory_bytes": 4 << 30,
            "details": {"clocksource": "arch_sys_counter"},
            "runtimes": [{"name": name, "version": "1.23.0"} for _, name, _ in TARGETS],
        },
        "artifact": {"toolchain": {"onnx": "1.18.0", "converter": "2.3.1"}, "log": ["folded 12 nodes"] * 20},
    }
    return made.result(
        "@job@",
        run_id="@run@",
        created_unix_s=7777777.25,
        model=f"model-{model:02}",
        model_sha256=f"{model:064x}",
        device=f"board-{device:02}",
        format=kind,
        runtime=runtime,
        precision=precision,
        executed_precision=precision,
        latency=made.latency(p50_ns=8888888.5),
        artifact_sha256=f"{model * 10 + TARGETS.index(target):064x}",
        artifact_bytes=14_000_000,
        memory_delta_bytes=60_000_000,
        sample_hashes=SAMPLES,
        trace_hashes=tuple(f"{device:08x}{model:08x}{block + 9:048x}" for block in range(5)),
        outliers=tuple(Outliers(5, 0, 1, 3, 1, {"unknown": 4}) for _ in range(5)),
        energy=(Energy("ina219", "vin", "module_input", 900, 12.0, 120, 0.021, 0.0006, 0.013, 0.0007, 4.1),),
        accuracy_metric="top1",
        accuracy=0.71,
        verdict=Verdict("noisy" if (device + model) % 9 == 0 else "valid", caveats),
        harness="native",
        document=document,
    )


def fill(store: Store, wanted_nights: int, tell: Callable[[int], None]) -> None:
    """Write so many nights, oldest first, each in one transaction."""
    for data in _PACKED:
        store.objects.put_bytes(data)
    packed: dict[int, bytes] = {}
    lines = [line(d, m, t, packed) for d in range(DEVICES) for m in range(MODELS) for t in TARGETS]
    rng = np.random.default_rng(6)
    level = np.exp(rng.uniform(np.log(2e5), np.log(2e8), len(lines)))
    _hurry(store)
    for night in range(wanted_nights):
        at = FIRST_UNIX_S + night * DAY_S
        values = level * np.exp(rng.normal(0.0, 0.02, len(lines)))
        rows = list(_rows(lines, night, at, values.tolist(), rng.random(len(lines)).tolist()))
        with changing(store) as connection:
            runs = [_run(night, device, at) for device in range(DEVICES)]
            connection.execute(
                RUN.insert(),
                [
                    {
                        "run_id": run.run_id,
                        "created_unix_s": run.created_unix_s,
                        "state": run.state,
                        "record": codec.dumps(run),
                    }
                    for run in runs
                ],
            )
            connection.execute(
                RUN_LABEL.insert(),
                [{"run_id": r.run_id, "key": k, "value": v} for r in runs for k, v in r.labels.items()],
            )
            columns = list(rows[0])
            _write(connection, RESULT, columns, ([row[name] for name in columns] for row in rows))
            packed = ([row["job_id"], one.packed] for row, one in zip(rows, lines, strict=True))
            _write(connection, DOCUMENT, ["job_id", "packed"], packed)
            _found(connection, night, at, rows)
        tell((night + 1) * len(lines))
    _standing(store, lines, wanted_nights)


def _hurry(store: Store) -> None:
    """Nothing made up needs to survive a power cut; the one connection of the pool keeps this."""
    if store.engine.dialect.name == "sqlite":
        raw = store.engine.raw_connection()
        raw.cursor().execute("PRAGMA synchronous=OFF")
        raw.close()


def _write(connection: Any, table: Any, columns: list[str], rows: Iterable[list[Any]]) -> None:  # noqa: ANN401
    """As fast as the driver can: a year would take hours otherwise."""
    names = ", ".join(f'"{name}"' for name in columns)
    raw = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", rows)  # noqa: S608 - ours
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def run_id(night: int, device: int) -> str:
    """``d0123-4567``: the night and the device."""
    return f"d{night:04}-{device:04}"


def _run(night: int, device: int, at: float) -> Run:
    base = replace(made.run(run_id(night, device), at + device), state="done", planned=MODELS * len(TARGETS))
    labels = {"git.commit": f"{night // 3:040x}", "git.branch": "main", "night": f"night-{night:04}"}
    return replace(base, labels=labels)


def _rows(
    lines: list[Line], night: int, at: float, values: list[float], chance: list[float]
) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(lines):
        device, cell = divmod(number, MODELS * len(TARGETS))
        value, created = values[number], at + device + cell * 60.0
        run = run_id(night, device)
        job = f"{run}-{cell:03}"
        holes = {"@job@": job, "@run@": run, "7777777.25": repr(created), "8888888.5": repr(value)}
        row = one.row | {
            "job_id": job,
            "run_id": run,
            "created_unix_s": created,
            "p50_ns": value,
            "value": value,
            "low": value * 0.99,
            "high": value * 1.01,
        }
        if chance[number] < 0.01:
            row |= {"status": "failed", "verdict": "", "value": None, "low": None, "high": None}
            row["error_code"] = "device.unreachable"
        row["record"] = "".join(holes.get(part, part) for part in one.record)
        yield row


def _found(connection: Any, night: int, at: float, rows: list[dict[str, Any]]) -> None:  # noqa: ANN401
    """What one night's judging leaves behind."""
    side = Side("kept", "model-00", "", "", "onnxruntime", "1.23.0", medians_ns=tuple(range(20)))
    name = f"night-{night:04}"
    record = codec.encode(NightRecord(name, at, "done", at + 20_000.0, cells=_cells(night, rows)))
    connection.execute(NIGHT.insert(), [nights.row_of(Night(name, at, "done", at + 20_000.0, record))])
    compared, found = [], []
    for number in range(FINDINGS_A_NIGHT + DEVICES // 7):
        row = rows[(night * 97 + number * 331) % len(rows)]
        is_aa = number >= FINDINGS_A_NIGHT
        compared.append(
            Comparison(
                f"c-{night:04}-{number:02}",
                at + number,
                "aa" if is_aa else "ab",
                row["series"],
                row["device"],
                row["run_id"],
                side,
                side,
                "same",
                20,
                Effect(0.001, -0.002, 0.004, 0.99, 0.01),
                ("rc", "cr") * 10,
            )
        )
        if not is_aa:
            found.append(
                Finding(
                    f"f-{night:04}-{number:02}",
                    name,
                    row["series"],
                    row["device"],
                    row["model"],
                    at + number,
                    "regression" if number % 3 else "inconclusive",
                    row["job_id"],
                    state="expected" if night % 7 else "new",
                )
            )
    connection.execute(COMPARISON.insert(), [comparisons.row_of(one) for one in compared])
    connection.execute(FINDING.insert(), [findings.row_of(one) for one in found])


def _cells(night: int, rows: list[dict[str, Any]]) -> tuple[CellRecord, ...]:
    """What a night writes down of each of its cells."""
    return tuple(
        CellRecord(
            key=f"{row['device']}/{row['model']}/{row['runtime']}-{row['precision']}/latency",
            device=row["device"],
            model=row["model"],
            what=f"{row['model']} {row['runtime']} {row['precision']}",
            series=row["series"],
            state="measured" if row["status"] == "ok" else "failed",
            why="its turn" if (night + number) % 5 else "the model changed",
            estimate_s=60.0,
            job_ids=(row["job_id"],),
            outcome="steady" if row["status"] == "ok" else "",
            text="" if row["status"] == "ok" else "the device did not answer",
            error_code=row["error_code"],
            trigger_z=round(0.1 * (number % 37 - 18), 3),
        )
        for number, row in enumerate(rows)
    )


def _standing(store: Store, lines: list[Line], wanted_nights: int) -> None:
    last = wanted_nights - 1
    series, baselines = [], []
    for number, one in enumerate(lines):
        device, cell = divmod(number, MODELS * len(TARGETS))
        first, at = (FIRST_UNIX_S + night * DAY_S + device + cell * 60.0 for night in (0, last))
        job = f"{run_id(last, device)}-{cell:03}"
        series.append(
            one.series
            | {"first_unix_s": first, "last_unix_s": at, "last_job_id": job}
            | {"last_ok_unix_s": at, "last_ok_job_id": job}
        )
        baselines.append(
            Baseline(f"b{number}", one.row["series"], job, "", first, "farm nightly", "initial", "")
        )
    audit = [
        {"at_unix_s": row["first_unix_s"], "device": row["device"], "actor": "x", "event": "e", "reason": ""}
        for row in series
    ]
    with changing(store) as connection:
        connection.execute(SERIES.insert(), series)
        connection.execute(BASELINE.insert(), [codec.encode(row) for row in baselines])
        connection.execute(AUDIT.insert(), audit)
