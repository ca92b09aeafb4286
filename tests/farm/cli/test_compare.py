"""``farm compare`` and ``farm baseline``: a real store behind the commands."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import farm.cli
from farm import audit
from farm.config import load_config
from farm_results.comparison import Comparison, Effect, Side
from farm_results.finding import Finding
from farm_results.history import baselines, comparisons, findings
from farm_results.model import Caveat, Verdict
from farm_results.series import key_of, series_id
from farm_results.store import Store, open_store
from tests.results.compare.nights import FACTS, OTHER, measured
from tests.results.made import run

Streams = pytest.CaptureFixture[str]
OLD, NEW = "20261129-030000-0000", "20261130-030000-0000"
HOSTILE = "pi|<b>\x1b[31m\nx"


def last_of(night: int) -> bool:
    """The night on which something happened; its run was cut short."""
    return night == 30


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve nights of 1 % noise on three devices; on the last one regressed, one got another kernel, one is
    throttled; on the last night alone there is a fourth, whose name is hostile."""
    rng = np.random.default_rng(1)
    folder = tmp_path_factory.mktemp("nights") / "store"
    store = open_store(folder)
    for night in range(19, 31):
        name, at, last = f"202611{night:02d}-030000-0000", 1e9 + night * 86_400, last_of(night)
        state = "interrupted" if last_of(night) else "done"
        store.add_run(replace(run(name, at), labels={"night": str(night)}, state=state))
        for number, device in enumerate(("phone", "jetson", "pi", *([HOSTILE] if last else []))):
            slower = 1.2 if last and device == "pi" else 1.0
            result = measured(
                f"{name}-{number:03d}",
                5e6 * slower * float(np.exp(rng.normal(0, 0.01))),
                run_id=name,
                created_unix_s=at + number,
                device=device,
                artifact_sha256=OTHER if last else "a" * 64,
                artifact_bytes=1000,
                facts={**FACTS, "kernel": "6.6"} if last and device == "phone" else FACTS,
            )
            if last and device == "jetson":
                reasons = (Caveat("clock", "throttled", "the clock fell to 60 %"),)
                result = replace(result, verdict=Verdict("throttled", reasons))
            store.add_result(result)
    store.close()
    return folder


@pytest.fixture(autouse=True)
def store_of_nights(private_folders: Path, nights: Path) -> None:
    """Each test has a copy of its own."""
    shutil.copytree(nights, load_config().store)


def opened() -> Store:
    """The store of the commands."""
    return open_store(load_config().store)


def farm_(*words: str) -> int:
    """One command's exit code."""
    return farm.cli.main(list(words))


def series_of(device: str) -> str:
    """The id of a device's only series."""
    return series_id(key_of(measured("x", device=device)))


def test_compare_shows_what_changed_and_why_the_rest_cannot_be_told(capsys: Streams) -> None:
    """TSV in a pipe, the words on standard error; nothing foreign reaches a terminal as such."""
    assert farm_("compare", "last~1") == 0
    out, err = capsys.readouterr()
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == [
        "section",
        "regressed",
        "not comparable",
        "not comparable",
        "only in one",
    ]
    assert rows[1][1] == "mobilenet pi onnxruntime fp32"
    assert float(rows[1][5]) == pytest.approx(0.2, abs=0.05)
    assert {row[-1] for row in rows[2:4]} == {
        "kernel 6.1 → 6.6",
        "the candidate is throttled: the clock fell to 60 %",
    }
    assert "\x1b" not in out + err
    assert f"last~1 ({OLD}) → last ({NEW}): 1 regressed, 2 not comparable, 1 only in one" in err
    assert "farm bench --ab" in err
    assert "slower" not in out
    assert f"run {NEW} was interrupted: 4 results" in err
    assert f"run {OLD}" not in err


def test_compare_as_json_and_as_markdown(capsys: Streams) -> None:
    assert farm_("compare", "night=29", "night=30", "--json", "--metric", "own,size") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "farm.compare/1"
    assert document["counts"]["regressed"] == 1
    row = next(row for row in document["rows"] if row["section"] == "regressed")
    assert row["reference"]["job_id"] == f"{OLD}-002"
    assert row["low"] < row["effect"] < row["high"]
    assert [one["name"] for one in row["differences"]] == ["artifact"]
    assert {row["metric"] for row in document["rows"]} == {"p50", "size"}
    assert farm_("compare", OLD, NEW, "--md", "--all") == 0
    text = capsys.readouterr().out
    assert "### Regressed" in text
    assert "### Only in one" in text
    assert "| mobilenet pi onnxruntime fp32 |" in text
    assert "<b>" not in text.replace("\\<b\\>", "")


CODES = (
    ("compare last~1 --fail-on regression", 1),
    ("compare last~1 --fail-on noise", 5),
    ("compare last~1 --fail-on noise,regression", 1),
    ("compare last~1 --fail-on never,regression", 0),
    ("compare last~3 last~2 --fail-on regression,noise", 0),
    ("compare last last", 2),
    ("compare nosuch", 2),
    ("compare @baseline", 2),
    ("compare last --metric beauty", 2),
    ("compare last --by colour", 2),
    ("compare last --by runtime", 4),  # there is one runtime only
    (f"compare {NEW}-003 {OLD}-002", 4),  # different series
    ("baseline show", 4),
    ("baseline history", 4),
    ("baseline set nosuch", 2),
    ("baseline set @baseline", 2),
    ("baseline set last --device nobody", 4),
    ("baseline accept abc", 2),
)


def test_exit_codes(capsys: Streams) -> None:
    """And every failure has a code and a fix."""
    for words, code in CODES:
        assert farm_(*words.split()) == code, words
        err = capsys.readouterr().err
        assert "bug" not in err
        assert (code == 2) == ("error[" in err), words


def test_the_same_from_python() -> None:
    found = farm.compare("last~1", metrics=["own"])
    assert [row.key.device for row in found.of("regressed")] == ["pi"]
    assert found.candidate == f"last ({NEW})"


def test_a_label_of_both_sides_does_not_hold_a_run_against_itself(capsys: Streams) -> None:
    """The newest run has the label, too: its numbers are the candidate's alone."""
    assert farm_("compare", "why=test", "last", "--json", "--all") == 2
    assert "results.unknown-label" in capsys.readouterr().err
    store = opened()
    store.add_run(replace(run("20261118-030000-0000", 1e9), labels={"night": "30"}))
    before = measured("20261118-030000-0000-002", run_id="20261118-030000-0000", device="pi")
    store.add_result(replace(before, created_unix_s=1e9))
    store.close()
    assert farm_("compare", "night=30", "last", "--json", "--all") == 0
    found = json.loads(capsys.readouterr().out)
    row = next(row for row in found["rows"] if row["device"] == "pi")
    assert (row["reference"]["job_id"], row["reference"]["runs"]) == ("20261118-030000-0000-002", 1)
    assert row["section"] == "regressed"
    assert "1 result of both sides counts for the candidate alone" in found["notes"]


def test_devices_are_held_against_each_other(capsys: Streams) -> None:
    assert farm_("compare", "last~1", "--by", "device", "--all", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["axis"] for row in rows} == {"phone → jetson", "phone → pi"}


def test_an_a_b_of_these_two_results_is_what_says_slower(capsys: Streams) -> None:
    """Of other results it says nothing."""
    store = opened()
    sides = [
        Side(name, "m", "", "", "onnxruntime", "1", job_id=job)
        for name, job in (("old", f"{OLD}-002"), ("new", f"{NEW}-002"))
    ]
    effect = Effect(0.19, 0.17, 0.21, 0.99, 0.01)
    found = Comparison("c1", 1.0, "ab", series_of("pi"), "pi", NEW, sides[0], sides[1], "slower", 20, effect)
    comparisons.add(store, found)
    store.close()
    assert farm_("compare", "last~1") == 0
    out, err = capsys.readouterr()
    assert "A/B: slower +19.0 % (20 pairs)" in out
    assert "farm bench --ab" not in err
    farm_("compare", "last~2")
    assert "A/B" not in capsys.readouterr().out


def test_baselines_move_by_hand_alone_and_leave_a_trail(capsys: Streams) -> None:
    """Set, refused where the number cannot be believed, shown, and accepted out of a finding."""
    assert farm_("baseline", "set", "last~1", "--dry-run") == 0
    assert farm_("baseline", "show") == 4
    assert farm_("baseline", "set", "last~1", "--reason", "release 1") == 0
    assert "refused" not in capsys.readouterr().err
    assert farm_("baseline", "set", "last~1") == 0  # once more changes nothing, and says so
    out, err = capsys.readouterr()
    assert (out, err) == ("", "3 series are held against it already\n")
    assert farm_("baseline", "set", "last", "--device", "jetson") == 4
    assert "throttled: the clock fell to 60 %" in capsys.readouterr().err
    assert farm_("compare", "@baseline", "--fail-on", "regression") == 1
    assert capsys.readouterr().out.splitlines()[1].startswith("regressed\tmobilenet pi")
    assert farm_("compare", "@baseline", f"{NEW}-002", "--by", "threads", "--json", "--all") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["device"] for row in rows] == ["pi"]  # the baselines of others say nothing of it

    store = opened()
    finding = Finding(
        "f" * 32, "n1", series_of("pi"), "pi", "mobilenet", 2.0, "regression", job_id=f"{NEW}-002"
    )
    silent = replace(finding, finding_id="5" * 32, word="silent", job_id="")
    throttled = replace(finding, finding_id="7" * 32, job_id=f"{NEW}-001")
    for one in (finding, silent, throttled):
        findings.add(store, one)
    for wrong, told in (("f", "write more of the id: ffff"), ("zzz", "fix: farm nightly status")):
        capsys.readouterr()
        assert farm_("baseline", "accept", wrong) == 2
        assert told in capsys.readouterr().err
    assert farm_("baseline", "accept", "ffff", "--reason", "larger on purpose") == 0
    assert farm_("baseline", "accept", "ffff") == 2  # it may have moved on since
    assert farm_("baseline", "accept", "5555") == 2
    assert farm_("baseline", "accept", "7777") == 2
    err = capsys.readouterr().err
    assert "baseline.accepted" in err
    assert "baseline.no-result" in err
    assert "baseline.unusable" in err
    now = baselines.current(store, series_of("pi"))
    assert now is not None
    assert (now.job_id, now.event, now.reason) == (f"{NEW}-002", "accepted", "larger on purpose")
    assert findings.get(store, "ffff").state == "accepted"
    trail = [(one.device, one.event, one.actor) for one in audit.recent(store.engine, "pi")]
    assert ("pi", "baseline accepted", audit.person()) in trail
    assert ("pi", "baseline set", audit.person()) in trail
    store.close()

    assert farm_("baseline", "history", "--device", "pi", "--json") == 0
    listed = json.loads(capsys.readouterr().out)["baselines"]
    assert [one["event"] for one in listed] == ["accepted", "set"]
    assert farm_("baseline", "set", "last") == 3
    assert farm_("baseline", "show", "--device", "pi") == 0
    assert f"{NEW}-002" in capsys.readouterr().out
