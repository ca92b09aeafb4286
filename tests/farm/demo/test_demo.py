"""A small simulated fleet: the real nights find its story, and everything says that it is simulated."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

import farm.cli
from farm.demo.fleet import ENTRIES, Entry, machine
from farm.demo.job import Night, disturbed, made
from farm.demo.simulate import MARK, STALE_S, Demo, demo
from farm.demo.story import Story
from farm.errors import UsageError
from farm.health import rows
from farm_results.comparison import INCONCLUSIVE, SAME, SLOWER
from farm_results.finding import CANARY, ENVIRONMENT, REGRESSION, SILENT
from farm_results.history import comparisons, findings, nights
from farm_results.history.points import points, series_rows
from farm_results.samples import parse_samples
from farm_results.statistics.summary import summarise
from farm_results.storage.schema import COMPARISON, FINDING, NIGHT, RESULT, SERIES
from farm_results.store import Store, open_store
from tests.results import made as results_made

NIGHTS = 14
FEW = {
    ("demo-rpi5", "digits"),
    ("demo-rpi5", "detector"),
    ("demo-rpi4", "digits"),
    ("demo-rpi4", "detector"),
    ("demo-n100", "digits"),
    ("demo-n100", "keywords"),
    ("demo-rpi3", "detector"),
    ("demo-rpi3", "keywords"),
}


def few() -> tuple[Entry, ...]:
    """The cells with a part in the story."""
    return tuple(entry for entry in ENTRIES if (entry.device, entry.model) in FEW)


def quick(folder: Path, **changes: object) -> Demo:
    """A small demo in ``folder``."""
    wishes = {"nights": NIGHTS, "seed": 1, "now_unix_s": time.time(), "tell": lambda _done, _of: None}
    return demo(folder, entries=few(), **{**wishes, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Made once."""
    return quick(tmp_path_factory.mktemp("demo") / "store")


@pytest.fixture
def store(fleet: Demo) -> Iterator[Store]:
    """Its store."""
    opened = open_store(fleet.folder)
    yield opened
    opened.close()


def test_everything_says_simulated(fleet: Demo, store: Store) -> None:
    """Every row of every table that has an origin; every night is there, ended, and in the past."""
    with store.engine.connect() as connection:
        for table in (RESULT, SERIES, COMPARISON, FINDING, NIGHT):
            origins = set(connection.execute(select(table.c.origin)).scalars())
            assert origins == {"simulated"}, table.name
    every = nights.recent(store)
    assert [night.state for night in every] == ["done"] * NIGHTS
    ended = every[0].ended_unix_s
    assert ended is not None
    assert time.time() - 30 * 3600 < every[0].started_unix_s < ended < time.time()
    assert (fleet.nights, fleet.devices, fleet.results) == (NIGHTS, 4, store.count())
    assert not series_rows(store, origin="")


def test_the_step_is_found_and_explained(fleet: Demo, store: Store) -> None:
    """On the night it happens: a regression in one series, with the converter and the layer as suspects."""
    found = [each for each in findings.recent(store) if each.word == REGRESSION]
    assert [each.series for each in found] == [fleet.step_series]
    step = found[0]
    assert (step.device, step.model) == ("demo-rpi5", "detector")
    history = points(store, step.series)
    assert history[Story(NIGHTS).step].job_id == step.job_id
    assert step.low is not None
    assert step.high is not None
    assert step.low < 0.07 < step.high
    suspects = " ".join(cause.text for cause in step.causes)
    assert "litert-converter 0.6.0 → 0.7.0" in suspects
    assert "resize" in suspects
    assert comparisons.get(store, step.comparison_id).word == SLOWER


def test_the_other_events_are_found(store: Store) -> None:
    """The new kernel, by its canary and its model; the series that fell silent; A/A of each device;
    what a device's page shows of its health."""
    words = {(each.device, each.model, each.word) for each in findings.recent(store)}
    assert ("demo-rpi4", "digits", CANARY) in words
    assert ("demo-rpi4", "detector", ENVIRONMENT) in words
    assert ("demo-n100", "keywords", SILENT) in words
    again = comparisons.recent(store, kind="aa", limit=None)
    assert {each.device for each in again} == {"demo-rpi3", "demo-rpi4", "demo-rpi5", "demo-n100"}
    assert {each.word for each in again} <= {SAME, INCONCLUSIVE}
    standings = rows.read_all(store.engine)
    assert {each.health for each in standings.values()} == {"good"}
    assert standings["demo-rpi4"].record.accepted != standings["demo-rpi4"].record.facts
    assert len(standings["demo-n100"].record.canaries) == NIGHTS
    whys = {cell["why"] for night in nights.recent(store) for cell in night.record["cells"]}
    changed = {why for why in whys if why.startswith("changed: ")}
    assert changed == {"changed: conversion", "changed: kernel 6.6.51+rpt-rpi-v8 → 6.12.20+rpt-rpi-v8"}, (
        "what a cell measured again says changed did"
    )
    kernel = next(row for row in series_rows(store, device="demo-rpi4") if row.key.model == "detector")
    assert len({point.segment for point in points(store, kernel.series)}) == 2


def test_results_come_from_their_samples(store: Store) -> None:
    """The stored p50 is that of the stored sample files; energy, layers and the failed cell are there."""
    last = store.results(last=True)
    result = next(each for each in last if (each.device, each.model) == ("demo-rpi5", "detector"))
    packed = [store.objects.open(sha256).read() for sha256 in result.sample_hashes]
    assert result.latency is not None
    assert summarise([parse_samples(each, "block") for each in packed]).p50_ns == result.latency.p50_ns
    assert result.verdict.word == "valid"
    assert result.energy[0].gross_j is not None
    assert result.document["job"]["layers"]["layers"]
    failed = next(each for each in last if each.status == "failed")
    assert (failed.device, failed.error_code, failed.origin) == (
        "demo-rpi3",
        "runtime.out-of-memory",
        "simulated",
    )
    hot = {
        point.verdict for row in series_rows(store, model="keywords") for point in points(store, row.series)
    }
    assert "throttled" in hot


def test_same_seed_same_samples(tmp_path: Path) -> None:
    """Bytes are the same for the same seed and night, and differ for another one."""

    def hashes(seed: int, number: int) -> list[str]:
        folder = tmp_path / f"{seed}-{number}-{time.monotonic_ns()}"
        folder.mkdir()
        night = disturbed(Night(number, Story(), 0.0, seed), machine(entry.device))
        return [block.samples.sha256 for block in made(entry, night, "run", "job", folder)[1].result.blocks]

    entry = few()[-1]
    assert hashes(1, 3) == hashes(1, 3)
    assert len({*hashes(1, 3), *hashes(2, 3), *hashes(1, 4)}) == 15


def test_a_demo_takes_no_folder_from_anybody(fleet: Demo, tmp_path: Path) -> None:
    """What is there stays; what breaks off leaves nothing; measured results are never thrown away."""
    assert quick(fleet.folder).reused
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("precious")
    for folder in (tmp_path / "mine", tmp_path / "mine" / "notes.txt"):
        with pytest.raises(UsageError, match="no demo") as refused:
            quick(folder)
        assert refused.value.code == "demo.not-empty"
    with pytest.raises(UsageError) as few_nights:
        quick(tmp_path / "few", nights=3)
    assert few_nights.value.code == "demo.nights"

    def broken(_done: int, _of: int) -> None:
        raise KeyboardInterrupt

    for name, age_s in (("killed", 2 * STALE_S), ("at work", 60.0)):
        left = tmp_path / f".half-{name}"
        (left / "store").mkdir(parents=True)
        os.utime(left, (time.time() - age_s,) * 2)
    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path / "half", tell=broken)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".half-at work", "mine"]

    used = tmp_path / "used"
    open_store(used).close()
    (used / MARK).write_text((fleet.folder / MARK).read_text())
    (used / "report.html").write_text("kept")
    with pytest.raises(UsageError, match=r"'report\.html', too"):
        quick(used, again=True)
    (used / "report.html").unlink()
    opened = open_store(used)
    opened.add_run(results_made.run())
    opened.add_result(results_made.result())
    opened.close()
    with pytest.raises(UsageError, match="a device measured"):
        quick(used, again=True)


def test_command_line(fleet: Demo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder alone on standard output, the way on on standard error, and commands that work on it."""
    where = str(fleet.folder)
    assert farm.cli.main(["demo", "--into", where]) == 0
    out, err = capsys.readouterr()
    assert out == f"{where}\n"
    assert "SIMULATED" in err
    assert re.search(rf"farm serve --store \S*{re.escape(where)}", err)
    assert farm.cli.main(["--store", where, "demo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == "simulated"
    assert farm.cli.main(["results", "show", "last", "--store", where]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert all("SIMULATED" in line for line in shown[1:] if "demo-rpi5" in line)
    assert farm.cli.main(["--store", "postgresql://nobody@localhost/x", "demo"]) == 2
    assert "demo.not-a-folder" in capsys.readouterr().err
    blocked = tmp_path / "file"
    blocked.touch()
    assert farm.cli.main(["demo", "--into", str(blocked / "store")]) == 2
    assert "store.not-writable" in capsys.readouterr().err


def test_numbers_spread_as_the_fleet_says() -> None:
    """Medians of the processes of a night share its luck: between nights more than within one."""
    from farm.demo.job import process_medians

    entry = next(each for each in few() if each.device == "demo-rpi3" and each.milliseconds)
    box = machine(entry.device)
    medians = [
        process_medians(entry, Night(k, Story(), 0.0, 5), np.random.default_rng(k), factor=1.0)
        for k in range(200)
    ]
    logs = np.log(np.array(medians))
    assert logs.std(axis=1, ddof=1).mean() == pytest.approx(box.between, rel=0.15)
    assert np.median(logs, axis=1).std() == pytest.approx(box.night, rel=0.15)
