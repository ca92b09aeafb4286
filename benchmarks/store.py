"""How long does the store take to answer after a year, and ten times earlier, on both databases?

Writes a made-up farm of 50 boards (``store_year.py``), 2750 results a night, and asks everything that the
command line and the dashboard ask, each question many times with other devices, series, runs and jobs. The
times hold the whole way to Python objects. SQLite lies in ``--folder``; PostgreSQL is a server of its own
there, of the newest installed version, with fsync off while it is filled.

    python benchmarks/store.py [--nights 36,364] [--engines sqlite,postgresql] [--rounds 25] [--plans]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks import store_year as year
from farm_results import exporter, refs
from farm_results.dashboard.rows import lines, newest_ok
from farm_results.history import baselines, comparisons, findings, nights, points
from farm_results.store import Store, open_store

Asked = Callable[[np.random.Generator], object]
AIM_MS = 100.0


def questions(store: Store, count: int) -> dict[str, Asked]:
    """What the command line and the pages ask, by name."""
    known = [row.series for row in points.series_rows(store)]

    def run(rng: np.random.Generator) -> str:
        return year.run_id(int(rng.integers(count)), int(rng.integers(year.DEVICES)))

    def device(rng: np.random.Generator) -> str:
        return f"board-{int(rng.integers(year.DEVICES)):02}"

    def model(rng: np.random.Generator) -> str:
        return f"model-{int(rng.integers(year.MODELS)):02}"

    def series(rng: np.random.Generator) -> str:
        return known[int(rng.integers(len(known)))]

    def commit(rng: np.random.Generator) -> str:
        return f"{int(rng.integers(count)) // 3:040x}"

    since = year.FIRST_UNIX_S + (count - 1) * year.DAY_S
    return {
        "show RUN: its 55 results, whole": lambda rng: store.results(run(rng)),
        "show JOB": lambda rng: store.result(f"{run(rng)}-007"),
        "show JOB, by the beginning of its id": lambda rng: store.result(f"{run(rng)}-00"[:-1] + "54"),
        "the last run": lambda _: store.find_run("last"),
        "the newest 50 results": lambda _: store.results(limit=50),
        "the newest 50 of a device": lambda rng: store.results(device=device(rng), limit=50),
        "the newest 50 of a model": lambda rng: store.results(model=model(rng), limit=50),
        "the newest 50 of a runtime": lambda _: store.results(runtime="litert", limit=50),
        "the newest 50 that failed": lambda _: store.results(status="failed", limit=50),
        "the newest 50 runs": lambda _: store.runs(50),
        "runs that go on": lambda _: store.runs(state="running"),
        "how many results": lambda _: store.count(),
        "a label's runs": lambda rng: refs.labelled(store, "git.commit", commit(rng)),
        "trend: a year of a series": lambda rng: points.points(store, series(rng)),
        "trigger: the last 30 nights of a series": lambda rng: points.points(store, series(rng), limit=30),
        "every series (2750)": lambda _: points.series_rows(store),
        "a device's series": lambda rng: points.series_rows(store, device=device(rng)),
        "a model's series": lambda rng: points.series_rows(store, model=model(rng)),
        "pareto: the newest ok line of a model's series": lambda rng: newest_ok(
            store, [row.last_ok_job_id for row in points.series_rows(store, model=model(rng))]
        ),
        "page of a run: its lines": lambda rng: lines(store, run_id=run(rng), limit=200),
        "page of a device: its newest lines": lambda rng: lines(store, device=device(rng), limit=200),
        "last night's failures": lambda _: lines(store, status="failed", since_unix_s=since, limit=100),
        "page 100 of all results": lambda _: lines(store, limit=100, offset=10_000),
        "findings that wait": lambda _: findings.open_ones(store),
        "findings of a series": lambda rng: findings.of_series(store, series(rng)),
        "the newest comparisons": lambda _: comparisons.recent(store, limit=50),
        "a year of A/A": lambda _: comparisons.recent(store, kind="aa", limit=500),
        "comparisons of a series": lambda rng: comparisons.of_series(store, series(rng)),
        "the newest 30 nights": lambda _: nights.recent(store, limit=30),
        "a series' baseline": lambda rng: baselines.current(store, series(rng)),
        "every baseline (2750)": lambda _: baselines.currents(store),
        "/metrics": lambda _: exporter.metrics_of(store),
    }


def timed(store: Store, count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each question, in milliseconds, and our own processor time of it."""
    rng, found = np.random.default_rng(1), {}
    for name, ask in questions(store, count).items():
        ask(rng)
        taken, used = [], []
        for _ in range(rounds):
            begin, cpu = time.perf_counter(), time.process_time()
            ask(rng)
            taken.append((time.perf_counter() - begin) * 1e3)
            used.append((time.process_time() - cpu) * 1e3)
        found[name] = {
            "median_ms": float(np.median(taken)),
            "p95_ms": float(np.percentile(taken, 95)),
            "cpu_ms": float(np.median(used)),
        }
    return found


def plans(store: Store, count: int) -> dict[str, list[str]]:
    """What each question asks of the database, and by which plan it is answered."""
    from sqlalchemy import event

    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:  # noqa: ANN401, FBT001
        if statement.lstrip().upper().startswith("SELECT"):
            seen.append((statement, parameters))

    found, rng = {}, np.random.default_rng(2)
    for name, ask in questions(store, count).items():
        seen.clear()
        event.listen(store.engine, "before_cursor_execute", note)
        ask(rng)
        event.remove(store.engine, "before_cursor_execute", note)
        asked = dict(seen)
        found[name] = [text for pair in asked.items() for text in _plan(store, *pair)]
    return found


def _plan(store: Store, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401
    explain = "EXPLAIN QUERY PLAN " if store.engine.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF) "
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(explain + statement, parameters).all()
    return [str(row[-1]) for row in rows]


@contextmanager
def opened(engine: str, folder: Path) -> Iterator[Store]:
    """An empty store of that kind."""
    if engine == "sqlite":
        store = open_store(folder / "sqlite")
        yield store
        store.close()
        return
    from tests import postgres

    with postgres.running() as server:
        store = open_store(server.create())
        yield store
        store.close()


def measure(engine: str, folder: Path, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """One database of one size."""
    with opened(engine, folder) as store:
        begin = time.perf_counter()
        year.fill(store, count, lambda done: _tell(f"{engine}: {done} results", done))
        filled_s = time.perf_counter() - begin
        if engine == "postgresql":  # what autovacuum does by itself in the days that this took
            with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
        results = store.count()
        asked = timed(store, count, options.rounds)
        return {
            "engine": engine,
            "results": results,
            "filled_s": round(filled_s, 1),
            "size_mb": round(_size(store) / 1e6, 1),
            "asked": asked,
            "plans": plans(store, count) if options.plans else {},
        }


def _size(store: Store) -> int:
    if store.engine.dialect.name == "sqlite":
        return Path(store.name).stat().st_size
    with store.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def _tell(text: str, done: int) -> None:
    if done % (year.PER_NIGHT * 20) == 0:
        sys.stderr.write(f"{text}\n")


def main() -> int:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", default="36,364")
    parser.add_argument("--engines", default="sqlite,postgresql")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = []
    for engine in options.engines.split(","):
        for count in map(int, options.nights.split(",")):
            with tempfile.TemporaryDirectory(dir=options.folder, prefix="farm-store-") as folder:
                found.append(measure(engine, Path(folder), count, options))
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if options.json else tables(found))
    slow = [
        f"{one['engine']} {one['results']}: {name}"
        for one in found
        for name, took in one["asked"].items()
        if took["median_ms"] >= AIM_MS
    ]
    sys.stderr.write("".join(f"above {AIM_MS:g} ms: {name}\n" for name in slow))
    return 0


def tables(found: list[dict[str, Any]]) -> str:
    """Markdown: a row per question, median (95th percentile; processor time) of each; then the plans."""
    heads = [f"{one['engine']}, {one['results']:,}" for one in found]
    out = [f"| question | {' | '.join(heads)} |", f"|---|{'---:|' * len(found)}"]
    for name in found[0]["asked"]:
        times = [_cell(one["asked"][name]) for one in found]
        out.append(f"| {name} | {' | '.join(times)} |")
    out.append(f"| size, MB | {' | '.join(str(one['size_mb']) for one in found)} |")
    out.append(f"| written in, s | {' | '.join(str(one['filled_s']) for one in found)} |")
    for one in found:
        if one["plans"]:
            out += ["", f"Plans of {one['engine']} at {one['results']:,} results:", "", "```"]
            for name, texts in one["plans"].items():
                out += [name, *(f"    {text}" for text in texts)]
            out.append("```")
    return "\n".join(out) + "\n"


def _cell(took: dict[str, float]) -> str:
    return f"{took['median_ms']:.1f} ({took['p95_ms']:.1f}; {took['cpu_ms']:.1f})"


if __name__ == "__main__":
    sys.exit(main())
