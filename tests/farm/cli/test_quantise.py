"""``farm convert`` and ``farm sensitivity`` with calibration, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import farm.cli
from tests.converters import quantisable as nets

Streams = pytest.CaptureFixture[str]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return nets.classifier(tmp_path / "net.onnx")


def samples(path: Path, array: np.ndarray[Any, Any] | None = None) -> Path:
    made = np.random.default_rng(0).normal(size=(6, 3, 8, 8)).astype(np.float32)
    np.savez(path, x=made if array is None else array)
    return path


def convert(net: Path, *options: str) -> int:
    return farm.cli.main(["convert", str(net), "--to", "onnx", *options])


def table(text: str) -> list[dict[str, str]]:
    lines = [line.split("\t") for line in text.splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def test_int8_shows_its_samples_its_proof_and_its_cosine(net: Path, tmp_path: Path, capsys: Streams) -> None:
    calib = samples(tmp_path / "s.npz")
    assert convert(net, "-p", "fp32,int8,int4-weights", "--calib", str(calib)) == 0
    plain, static, small = table(capsys.readouterr().out)
    assert (static["calibration"], static["state"], static["proof"]) == ("6 samples", "converted", "100%")
    assert float(static["cosine"]) > 0.98
    assert plain["calibration"] == small["calibration"] == "-"
    assert float(plain["max error"]) < float(static["max error"])


def test_random_calibration_is_marked_in_table_and_document(net: Path, capsys: Streams) -> None:
    assert convert(net, "-p", "int8", "--calib-random", "3") == 0
    assert table(capsys.readouterr().out)[0]["calibration"] == "3 RANDOM"
    assert convert(net, "-p", "int8", "--calib-random", "3", "--exclude", "last", "--json") == 0
    found = json.loads(capsys.readouterr().out)["conversions"][0]
    assert (found["calibration"]["kind"], found["calibration"]["count"]) == ("random", 3)
    assert len(found["calibration"]["sha256"]) == 64
    assert found["exclude"] == ["last"]
    assert 0.5 < found["precision_share"] < 1
    assert found["state"] == "converted"  # another list, another artifact
    assert "1 nodes stay in floats" in " ".join(found["caveats"])


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros((6, 3, 7, 7), np.float32), "calib.shape"),
        (np.zeros((6, 3, 8, 8), np.float64), "calib.dtype"),
        (np.full((6, 3, 8, 8), np.nan, np.float32), "calib.not-finite"),
        (np.zeros((0, 3, 8, 8), np.float32), "calib.empty"),
        (np.array([{"a": 1}]), "calib."),
    ],
)
def test_bad_samples_are_refused_before_anything_is_converted(
    net: Path, tmp_path: Path, capsys: Streams, array: np.ndarray[Any, Any], code: str
) -> None:
    assert convert(net, "-p", "int8", "--calib", str(samples(tmp_path / "s.npz", array))) == 2
    streams = capsys.readouterr()
    assert f"error[{code}" in streams.err
    assert "fix:" in streams.err
    assert "Traceback" not in streams.err


@pytest.mark.parametrize(
    ("options", "code", "status"),
    [
        (["-p", "int8"], "calib.missing", 2),
        (["-p", "int8", "--calib", "nowhere"], "calib.missing", 2),
        (["-p", "int8", "--calib", "x", "--calib-random", "3"], "calib.both", 2),
        (["-p", "int8", "--calib-random", "0"], "cli.usage", 2),
        (["-p", "int8", "--calib-random", "3", "--exclude", "lost"], "convert.exclude-unknown", 3),
        (["-p", "int8", "--calib-random", "3", "--exclude", "*"], "convert.nothing-to-quantise", 3),
        (["-p", "int8", "--calib-random", "3", "--exclude", "@nowhere"], "cli.usage", 2),
        (["-p", "int8", "--calib-random", "3", "--seed", "-1"], "cli.usage", 2),
        (["-p", "int8", "--calib-random", "3", "--option", "activation=s8"], "convert.option", 2),
        (["-p", "int8-weights", "--option", "io=int8"], "convert.option", 3),
    ],
)
def test_wrong_wishes_say_what_is_wrong(
    net: Path, capsys: Streams, options: list[str], code: str, status: int
) -> None:
    assert convert(net, *options) == status
    assert f"error[{code}]" in capsys.readouterr().err


def test_a_file_of_names_is_an_exclude_list(net: Path, tmp_path: Path, capsys: Streams) -> None:
    (tmp_path / "keep.txt").write_text("# worst first\nlast\n\nfirst\n")
    asked = ["-p", "int8", "--calib-random", "3", "--exclude", f"@{tmp_path / 'keep.txt'}", "--json"]
    assert convert(net, *asked) == 0
    assert json.loads(capsys.readouterr().out)["conversions"][0]["exclude"] == ["last", "first"]


def test_a_list_of_nodes_is_never_cut_off(net: Path, tmp_path: Path, capsys: Streams) -> None:
    (tmp_path / "keep.txt").write_text("last\n" * (1 << 18))
    assert convert(net, "-p", "int8", "--calib-random", "3", "--exclude", f"@{tmp_path / 'keep.txt'}") == 2
    assert "longer than any list" in capsys.readouterr().err


def test_sensitivity_on_random_samples_says_so_and_its_command_draws_the_same(
    net: Path, capsys: Streams
) -> None:
    asked = ["sensitivity", str(net), "--calib-random", "3", "--seed", "7"]
    assert farm.cli.main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["calibration"] == "random"
    assert "--calib-random 3 --seed 7" in found["command"]


def test_sensitivity_ranks_and_its_command_converts(net: Path, tmp_path: Path, capsys: Streams) -> None:
    calib, keep = samples(tmp_path / "s.npz"), tmp_path / "keep.txt"
    asked = ["sensitivity", str(net), "--calib", str(calib), "--until", "snr>=38", "--write", str(keep)]
    assert farm.cli.main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {entry["node"] for entry in found["nodes"]} >= {"first", "depthwise", "last"}
    ranked = [entry["snr_db"] for entry in found["nodes"]]
    assert ranked == sorted(ranked)
    assert keep.read_text().splitlines() == found["repair"]["exclude"]
    words = found["command"].split()
    assert words[-2:] == ["--exclude", f"@{keep}"]
    assert farm.cli.main(words[1:]) == 0


@pytest.mark.parametrize("target", ["cosine>=2", "snr>30", "accuracy>=0.9", "snr>=x"])
def test_a_target_that_cannot_be_read_is_refused(net: Path, capsys: Streams, target: str) -> None:
    assert farm.cli.main(["sensitivity", str(net), "--until", target]) == 2
    assert "is not a target" in capsys.readouterr().err


def test_a_copy_that_fails_leaves_nothing_beside_it(net: Path, tmp_path: Path, capsys: Streams) -> None:
    in_the_way = tmp_path / "out" / "net-onnx-fp32" / "model.onnx"
    in_the_way.mkdir(parents=True)
    assert convert(net, "--out", str(tmp_path / "out")) == 3
    assert "error[host.not-writable]" in capsys.readouterr().err
    assert list(in_the_way.parent.iterdir()) == [in_the_way]
