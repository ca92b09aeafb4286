"""``farm env``: what a user sees of the converter environments, and what can be removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import farm.cli
from farm_converters import environment

Streams = pytest.CaptureFixture[str]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one environment that an earlier release left."""
    monkeypatch.setenv("FARM_CACHE_DIR", str(tmp_path / "cache"))
    old = tmp_path / "cache" / "environments" / "tflite-0123456789ab"
    old.mkdir(parents=True)
    (old / "large").write_bytes(b"x" * 3_000_000)
    environment.marker(old).touch()
    return tmp_path / "cache"


def test_list_tells_what_each_is_for_and_whether_it_is_there(cache: Path, capsys: Streams) -> None:
    assert farm.cli.main(["env", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "farm.env/1"
    assert document["network_is_left"] in (True, False)
    rows = document["environments"]
    listed = {row["name"]: row for row in rows if row["state"] != "old"}
    assert set(listed) == set(environment.names())
    assert all(row["about"] for row in listed.values())
    assert listed["onnx"]["state"] == "this Python"
    (old,) = (row for row in rows if row["state"] == "old")
    assert old["size_bytes"] >= 3_000_000
    assert Path(old["path"]).is_dir()


def test_prune_asks_and_nobody_there_means_no(cache: Path, capsys: Streams) -> None:
    assert farm.cli.main(["env", "prune"]) == 2
    said = capsys.readouterr().err
    assert "env.unconfirmed" in said
    assert "tflite-0123456789ab" in said
    assert (cache / "environments" / "tflite-0123456789ab").is_dir()


def test_prune_says_what_it_freed(cache: Path, capsys: Streams) -> None:
    assert farm.cli.main(["env", "prune", "--yes", "--json"]) == 0
    freed = json.loads(capsys.readouterr().out)["freed_bytes"]
    assert freed["tflite-0123456789ab"] >= 3_000_000
    assert not (cache / "environments" / "tflite-0123456789ab").exists()
    assert farm.cli.main(["env", "prune"]) == 0, "nothing is left to ask about"


@pytest.mark.parametrize(
    "words", [("sync", "nothing"), ("wheels", "folder", "nothing"), ("--offline", "wheels", "f")]
)
def test_what_cannot_be_done_is_a_usage_error(cache: Path, capsys: Streams, words: tuple[str, ...]) -> None:
    front = [word for word in words if word.startswith("--")]
    assert farm.cli.main([*front, "env", *[word for word in words if word not in front]]) == 2
    assert "env." in capsys.readouterr().err


def test_sync_of_what_is_here_builds_nothing(cache: Path, capsys: Streams) -> None:
    assert farm.cli.main(["env", "sync", "onnx", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["environments"]
    assert (row["name"], row["state"]) == ("onnx", "this Python")


def test_sync_from_an_empty_folder_says_what_lacks(cache: Path, tmp_path: Path, capsys: Streams) -> None:
    (tmp_path / "wheels").mkdir()
    assert farm.cli.main(["env", "sync", "rtx", "--from", str(tmp_path / "wheels")]) == 3
    assert "tensorrt-rtx" in capsys.readouterr().err
