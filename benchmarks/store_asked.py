"""What ``store.py`` asks of a made-up year: the store's functions, the dashboard's pages, the commands."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks import store_year as year
from farm_results import exporter, refs
from farm_results.dashboard.rows import lines, newest_ok
from farm_results.history import baselines, comparisons, findings, nights, points
from farm_results.store import Store

Asked = Callable[[np.random.Generator], object]
HOST = "http://127.0.0.1:8787"


@dataclass(frozen=True)
class Names:
    """What there is to ask for in a year of ``nights`` nights."""

    nights: int
    series: tuple[str, ...]

    def run(self, rng: np.random.Generator) -> str:
        """Any device's run of any night."""
        return year.run_id(int(rng.integers(self.nights)), int(rng.integers(year.DEVICES)))

    def device(self, rng: np.random.Generator) -> str:
        """Any board."""
        return f"board-{int(rng.integers(year.DEVICES)):02}"

    def model(self, rng: np.random.Generator) -> str:
        """Any network."""
        return f"model-{int(rng.integers(year.MODELS)):02}"

    def one_series(self, rng: np.random.Generator) -> str:
        """Any series."""
        return self.series[int(rng.integers(len(self.series)))]

    def commit(self, rng: np.random.Generator) -> str:
        """Any commit."""
        return f"{int(rng.integers(self.nights)) // 3:040x}"

    def night(self, rng: np.random.Generator) -> str:
        """Any night."""
        return f"night-{int(rng.integers(self.nights)):04}"

    def comparison(self, rng: np.random.Generator) -> str:
        """Any A/B of any night."""
        return f"c-{int(rng.integers(self.nights)):04}-{int(rng.integers(year.FINDINGS_A_NIGHT)):02}"

    @property
    def now_unix_s(self) -> float:
        """The morning after the last night."""
        return year.FIRST_UNIX_S + (self.nights - 1) * year.DAY_S + 8 * 3600.0


def names_of(store: Store, count: int) -> Names:
    """What there is in a store of so many nights."""
    return Names(count, tuple(row.series for row in points.series_rows(store)))


def functions(store: Store, know: Names) -> dict[str, Asked]:
    """What commands and pages ask the store, by name."""
    run, device, model, series = know.run, know.device, know.model, know.one_series
    since = year.FIRST_UNIX_S + (know.nights - 1) * year.DAY_S
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
        "a label's runs": lambda rng: refs.labelled(store, "git.commit", know.commit(rng)),
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
        "a year of A/A": lambda _: comparisons.outcomes(store, kind="aa", limit=500),
        "comparisons of a series": lambda rng: comparisons.of_series(store, series(rng)),
        "the newest 60 nights": lambda _: nights.heads(store, limit=60),
        "a night with its 2750 cells": lambda rng: nights.get(store, know.night(rng)),
        "a run's failures": lambda rng: lines(store, run_id=run(rng), status="failed", limit=200),
        "a series' baseline": lambda rng: baselines.current(store, series(rng)),
        "every baseline (2750)": lambda _: baselines.currents(store),
        "/metrics: 2000 series": lambda _: exporter.metrics_of(store),
    }


@contextlib.contextmanager
def pages(store: Store, know: Names, folder: Path) -> Iterator[dict[str, Asked]]:
    """Every page of the dashboard, asked for over HTTP within this process, with the fleet that the store
    knows."""
    from starlette.testclient import TestClient

    from farm.fleet_view import FleetView
    from farm_results.dashboard.access import Access
    from farm_results.dashboard.app import Dashboard

    fleet = FleetView(store, folder / "no-inventory.toml", 86_400.0, fresh_s=0.0)
    access = Access("x" * 32, open_reading=True, read_only=True, port=8787)
    app = Dashboard(store, access, fleet, now=lambda: know.now_unix_s).app()

    def page(address: Callable[[np.random.Generator], str]) -> Asked:
        def ask(rng: np.random.Generator) -> object:
            path = address(rng)
            answer = client.get(path)
            if answer.status_code != 200:
                raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:2000]}")
            return answer.text

        return ask

    run, series = know.run, know.one_series
    addresses: dict[str, Callable[[np.random.Generator], str]] = {
        "/": lambda _: "/",
        "/devices": lambda _: "/devices",
        "/devices/DEVICE": lambda rng: f"/devices/{know.device(rng)}",
        "/models": lambda _: "/models",
        "/models/MODEL": lambda rng: f"/models/{know.model(rng)}",
        "/runs": lambda _: "/runs",
        "/runs/RUN": lambda rng: f"/runs/{run(rng)}",
        "/results/JOB": lambda rng: f"/results/{run(rng)}-007",
        "/trend": lambda _: "/trend",
        "/trend?device=": lambda rng: f"/trend?device={know.device(rng)}",
        "/trend, as many rows as it gives (2000)": lambda _: "/trend?limit=2000",
        "/trend/SERIES": lambda rng: f"/trend/{series(rng)}",
        "/compare": lambda _: "/compare",
        "/compare: @baseline, RUN": lambda rng: f"/compare?a=@baseline&b={run(rng)}",
        "/compare: two runs": lambda rng: "/compare?a={}-0007&b={}-0007".format(
            *(f"d{night:04}" for night in rng.choice(know.nights, 2, replace=False))
        ),
        "/comparisons/AB": lambda rng: f"/comparisons/{know.comparison(rng)}",
        "/findings": lambda _: "/findings",
        "/findings: all": lambda _: "/findings?state=all",
        "/nights": lambda _: "/nights",
        "/nights/NIGHT": lambda rng: f"/nights/{know.night(rng)}",
        "/pareto?model=": lambda rng: f"/pareto?model={know.model(rng)}",
        "/pareto?run=": lambda rng: f"/pareto?run={run(rng)}",
        "/layers": lambda _: "/layers",
        "/layers?job=": lambda rng: f"/layers?job={run(rng)}-007",
        "/queue": lambda _: "/queue",
        "/download/csv?run=": lambda rng: f"/download/csv?run={run(rng)}",
    }
    with TestClient(app, base_url=HOST) as client:
        yield {f"page {name}": page(address) for name, address in addresses.items()}


def commands(know: Names, folder: Path) -> dict[str, Asked]:
    """Commands in this process, the opening of the store included; the store is $FARM_STORE. Python's own
    start comes on top, and does not depend on the store."""
    from farm.cli import main

    def command(*words: Callable[[np.random.Generator], str] | str) -> Asked:
        def ask(rng: np.random.Generator) -> object:
            given = [word if isinstance(word, str) else word(rng) for word in words]
            out, problems = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(problems):
                code = main(given)
            if code != 0:
                raise RuntimeError(f"farm {' '.join(given)}: {code}\n{problems.getvalue()[-2000:]}")
            return out.getvalue()

        return ask

    run, out = know.run, str(folder / "out.csv")
    by_verdict = "SELECT verdict, count(*) FROM result WHERE series = '{}' GROUP BY verdict"
    found = {
        "results list": command("results", "list"),
        "results list --device --json": command("results", "list", "--device", know.device, "--json"),
        "results runs --limit 100": command("results", "runs", "--limit", "100"),
        "results show RUN": command("results", "show", run),
        "results export RUN": command("results", "export", run, "--out", out),
        "results query, of a series": command(
            "results", "query", lambda rng: by_verdict.format(know.one_series(rng))
        ),
        "compare @baseline RUN": command("compare", "@baseline", run),
    }
    return {f"farm {name}": ask for name, ask in found.items()}
