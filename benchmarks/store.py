"""How long does the store take to answer after a year, and ten times earlier, on both databases?

Writes a made-up farm of 50 boards (``store_year.py``), 2750 results a night, and asks everything that the
dashboard and the command line ask (``store_asked.py``), each question several times with other devices,
series, runs and jobs. The times hold the whole way: to Python objects, to a page's text, to a command's
output. PostgreSQL is a server of its own, of the newest installed version, with fsync off.

    python benchmarks/store.py [--nights 36,364] [--engines sqlite,postgresql] [--rounds 25] [--plans]
    python benchmarks/store.py --keep DIRECTORY --make-only        # the stores stay there: 12 GB, 40 minutes
    python benchmarks/store.py --keep DIRECTORY --ask-only --write benchmarks/store.md
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks import store_asked, store_kept
from benchmarks import store_year as year
from benchmarks.store_asked import Asked
from farm_results.store import Store

AIM_MS = 100.0
LEAST_ROUNDS, ENOUGH_S = 7, 0.8
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
_FIGURES = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def timed(asked: dict[str, Asked], rounds: int) -> dict[str, dict[str, float]]:
    """Median and 95th percentile of each question, in milliseconds, and our own processor time of it."""
    rng, found = np.random.default_rng(1), {}
    for name, ask in asked.items():
        ask(rng)
        taken: list[float] = []
        used: list[float] = []
        while len(taken) < rounds and (len(taken) < LEAST_ROUNDS or sum(taken) < ENOUGH_S * 1e3):
            begin, cpu = time.perf_counter(), time.process_time()
            ask(rng)
            taken.append((time.perf_counter() - begin) * 1e3)
            used.append((time.process_time() - cpu) * 1e3)
        found[name] = {
            "median_ms": float(np.median(taken)),
            "p95_ms": float(np.percentile(taken, 95)),
            "cpu_ms": float(np.median(used)),
            "rounds": len(taken),
        }
    return found


def plans(store: Store, asked: dict[str, Asked]) -> dict[str, list[str]]:
    """What each question asks of the database, and by which plan that is answered; each statement once."""
    from sqlalchemy import event

    seen: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _x: Any, _many: bool) -> None:  # noqa: ANN401, FBT001
        if statement.lstrip().upper().startswith("SELECT") and "alembic" not in statement:
            seen.setdefault(statement, parameters)

    found, rng, shown = {}, np.random.default_rng(2), set()
    for name, ask in asked.items():
        seen.clear()
        event.listen(store.engine, "before_cursor_execute", note)
        ask(rng)
        event.remove(store.engine, "before_cursor_execute", note)
        new = {statement: parameters for statement, parameters in seen.items() if statement not in shown}
        shown |= set(new)
        found[name] = [text for pair in new.items() for text in _plan(store, *pair)]
    return {name: texts for name, texts in found.items() if texts}


def _plan(store: Store, statement: str, parameters: Any) -> list[str]:  # noqa: ANN401
    explain = "EXPLAIN QUERY PLAN " if store.engine.dialect.name == "sqlite" else "EXPLAIN (COSTS OFF) "
    with store.engine.connect() as connection:
        rows = connection.exec_driver_sql(explain + statement, parameters).all()
    return [text if len(text) < 160 else f"{text[:150]}..." for text in (str(row[-1]) for row in rows)]


def measure(engine: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One database of one size."""
    known = store_kept.made(folder)
    if not known:
        raise SystemExit(f"{folder} holds no finished store: python benchmarks/store.py --make-only")
    with store_kept.opened(engine, folder) as (store, address), tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"FARM_STORE": address, "FARM_STATE_DIR": scratch, "FARM_CACHE_DIR": scratch}
        know = store_asked.names_of(store, int(known["nights"]))
        before = os.getloadavg()[0]
        functions = store_asked.functions(store, know)
        with store_asked.pages(store, know, Path(scratch)) as pages:
            asked = timed(functions | pages | store_asked.commands(know, Path(scratch)), options.rounds)
            shown = plans(store, functions | pages) if options.plans else {}
        return {
            "engine": engine,
            "version": _version(store),
            "results": store.count(),
            "filled_s": known["filled_s"],
            "size_mb": round(_size(store) / 1e6),
            "load": (round(before, 2), round(os.getloadavg()[0], 2)),
            "asked": asked,
            "plans": shown,
        }


def _version(store: Store) -> str:
    with store.engine.connect() as connection:
        if store.engine.dialect.name == "sqlite":
            return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar_one())
        return str(connection.exec_driver_sql("SHOW server_version").scalar_one()).split()[0]


def _size(store: Store) -> int:
    if store.engine.dialect.name == "sqlite":
        return Path(store.name).stat().st_size
    with store.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())


def main() -> int:
    """Print the comparison; exit code 1 where a question's median is above the aim."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nights", default="36,364")
    parser.add_argument("--engines", default="sqlite,postgresql")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--plans", action="store_true")
    parser.add_argument("--keep", type=Path, help="where the stores stay; without it they are removed")
    parser.add_argument("--make-only", action="store_true")
    parser.add_argument("--ask-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help="put the figures into this file, between its marks")
    options = parser.parse_args()
    kinds = [(e, int(n)) for e in options.engines.split(",") for n in options.nights.split(",")]
    found = []
    for engine, nights in kinds:
        with tempfile.TemporaryDirectory(prefix="farm-store-") as spare:
            Path(spare).chmod(0o755)
            folder = (options.keep or Path(spare)) / f"{engine}-{nights}"
            if not options.ask_only:
                store_kept.make(engine, folder, nights, lambda done: _tell(f"{done} results", done))
            if not options.make_only:
                sys.stderr.write(f"asking {folder.name}\n")
                found.append(measure(engine, folder, options))
                if options.keep:
                    (options.keep / f"{folder.name}.json").write_text(json.dumps(found[-1], indent=1))
    if options.make_only:
        return 0
    text = tables(found)
    sys.stdout.write(json.dumps(found, indent=1) + "\n" if options.json else text)
    if options.write:
        whole = options.write.read_text()
        options.write.write_text(_FIGURES.sub(lambda hit: f"{hit[1]}{text}{hit[2]}", whole))
    return int(any(took["median_ms"] >= AIM_MS for one in found for took in one["asked"].values()))


def _tell(text: str, done: int) -> None:
    if done % (year.PER_NIGHT * 20) == 0:
        sys.stderr.write(f"{text}\n")


def tables(found: list[dict[str, Any]]) -> str:
    """Markdown: a row per question with the medians of wall and of processor time; then the plans."""
    heads = [f"{NAMES[one['engine']]} {one['version']}, {one['results']:,}" for one in found]
    out = [f"| question | {' | '.join(heads)} |", f"|---|{'---:|' * len(found)}"]
    for name in found[0]["asked"]:
        times = [one["asked"][name] for one in found]
        cells = [f"{took['median_ms']:.1f} / {took['cpu_ms']:.1f}" for took in times]
        out.append(f"| {name} | {' | '.join(cells)} |")
    out.append(f"| size, MB | {' | '.join(str(one['size_mb']) for one in found)} |")
    out.append(f"| written in, s | {' | '.join(str(one['filled_s']) for one in found)} |")
    loads = " | ".join(" to ".join(map(str, one["load"])) for one in found)
    out += [f"| load of the machine while asked | {loads} |", ""]
    over = [
        f"{head}: {name} {took['median_ms']:.0f} / {took['cpu_ms']:.0f} ms"
        for one, head in zip(found, heads, strict=True)
        for name, took in one["asked"].items()
        if took["median_ms"] >= AIM_MS
    ]
    out += [f"Above {AIM_MS:g} ms: {'; '.join(over) or 'nothing'}.", ""]
    largest = {one["engine"]: one for one in sorted(found, key=lambda one: int(one["results"]))}
    for one in largest.values():
        if one["plans"]:
            out += [f"## Plans: {NAMES[one['engine']]} at {one['results']:,} results", "", "```"]
            for name, texts in one["plans"].items():
                out += [name, *(f"    {text}" for text in texts)]
            out += ["```", ""]
    return "\n".join(out)


if __name__ == "__main__":
    sys.exit(main())
