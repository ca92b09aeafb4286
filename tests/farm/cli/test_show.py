"""``farm show``: a real store with real sample files behind the command."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import farm.cli
from farm_agent import codec
from farm_agent.messages.layers import Layer, LayerProfile
from farm_agent.wire import JobResult
from farm_results.model import Result
from farm_results.store import Store, open_store
from tests.results import made

Streams = pytest.CaptureFixture[str]


def measured(job_result: JobResult | None = None) -> JobResult:
    blocks = tuple(made.block(index, count=400) for index in range(2))
    return job_result or made.job(blocks=blocks)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Two runs of one job each; the later one has its samples and a profile of its layers."""
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    opened = open_store(tmp_path / "store")
    layers = LayerProfile(
        "ort", (Layer(0, "conv1", "Conv", mean_us=30.0, median_us=29.0, unit="cpu"),), 5, 30.0, 31.0
    )
    job = made.job(blocks=measured().blocks, layers=layers)
    hashes = tuple(opened.objects.put_bytes(made.packed(made.quiet_pairs(seed))) for seed in (1, 2))
    for run_id, created, extra in (
        ("20260101-aaa", 1.0, {"document": {}}),
        ("20260102-bbb", 2.0, {"sample_hashes": hashes, "document": {"job": codec.encode(job)}}),
    ):
        opened.add_run(made.run(run_id, created))
        one: Result = made.result(f"{run_id}-000", run_id=run_id, created_unix_s=created, **extra)
        opened.add_result(one)
    return opened


def show(*arguments: str) -> int:
    return farm.cli.main(["show", *arguments])


def test_the_last_run_is_shown_in_full(store: Store, capsys: Streams) -> None:
    """On a pipe without colours; the reasons stand on standard output too, for they are the data."""
    assert show() == 0
    out = capsys.readouterr().out
    for title in ("Numbers", "Histogram", "Timeline", "Memory", "Conditions", "Verdict"):
        assert f"\n{title}\n" in out
    assert "job 20260102-bbb-000" in out
    assert "[processes.one]" in out
    assert "\x1b" not in out
    assert "Layers" not in out


def test_a_run_or_a_job_is_found_by_the_beginning_of_its_id(store: Store, capsys: Streams) -> None:
    for name in ("20260101", "20260101-aaa-000"):
        assert show(name) == 0
        assert "job 20260101-aaa-000" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "code"), [("1999", "results.unknown-run"), ("2026", "results.ambiguous-run")]
)
def test_a_name_that_fits_none_or_several_is_an_error(
    store: Store, capsys: Streams, name: str, code: str
) -> None:
    assert show(name) == 2
    assert f"error[{code}]" in capsys.readouterr().err


def test_a_filter_that_nothing_matches_ends_with_four(store: Store, capsys: Streams) -> None:
    assert show("last", "--runtime", "litert") == 4
    assert "no result matches" in capsys.readouterr().err


def test_layers_are_shown_when_asked_for(store: Store, capsys: Streams) -> None:
    assert show("--layers") == 0
    out = capsys.readouterr().out
    assert "\nLayers\n" in out
    assert "conv1" in out
    assert show("20260101", "--layers") == 0
    assert "farm bench --profile-ops" in capsys.readouterr().out


def test_json_is_one_document_with_histogram_and_timeline(store: Store, capsys: Streams) -> None:
    assert show("--json", "--layers") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "farm.show/1"
    (record,) = document["results"]
    assert sum(record["histogram"]["counts"]) == 800
    assert [len(line["p50_ns"]) for line in record["timeline"]] == [60, 60]
    assert record["layers"]["source"] == "ort"


def test_lost_samples_are_said_and_everything_else_is_shown(store: Store, capsys: Streams) -> None:
    (lost, _) = store.results(last=True)[0].sample_hashes
    store.objects.path_of(lost).unlink()
    assert show() == 0
    out = capsys.readouterr().out
    assert "[store.object-missing]" in out
    assert "Histogram" not in out
    assert "Memory" in out


def test_samples_that_were_damaged_are_not_shown(store: Store, capsys: Streams) -> None:
    (hurt, _) = store.results(last=True)[0].sample_hashes
    path = store.objects.path_of(hurt)
    path.chmod(0o644)
    path.write_bytes(b"\x1f\x8b broken")
    assert show() == 0
    assert "[store.object-corrupt]" in capsys.readouterr().out


def test_a_record_that_cannot_be_read_is_said(store: Store, capsys: Streams) -> None:
    store.add_run(made.run("20260103-ccc", 3.0))
    store.add_result(made.result("bad", run_id="20260103-ccc", document={"job": {"outcome": 7}}))
    assert show() == 0
    assert "[samples.document]" in capsys.readouterr().out


def test_an_output_that_holds_only_ascii_gets_ascii(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    assert show() == 0
    sys.stdout.flush()
    text = buffer.getvalue().decode("ascii")
    assert "####" in text
    assert "5.00 ms" in text


@pytest.mark.parametrize("columns", ["60", "20"])
def test_a_narrow_terminal_gets_narrow_lines(
    store: Store, capsys: Streams, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert show() == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


def test_colours_are_for_terminals_that_want_them(
    store: Store, capsys: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert show() == 0
    assert "\x1b[1mNumbers\x1b[0m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    assert show() == 0
    assert "\x1b" not in capsys.readouterr().out
