"""``farm wheels`` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.cli import main


def test_the_list_names_what_there_is_for_each_processor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["wheels", "list"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert ["armv7l", "3.11", "2.34", "–", "tflite-runtime==2.14.0", "–"] in lines
    assert any(line[0] == "aarch64" and line[3].startswith("onnxruntime==") for line in lines)


def test_a_profile_is_taken_with_its_usual_system_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["wheels", "list", "--for", "rpi3", "--json"]) == 0
    said = capsys.readouterr()
    assert "armv7l-cp311-glibc2.36" in said.err
    document = json.loads(said.out)
    assert document["requirements"] == {"litert": ["tflite-runtime==2.14.0"]}
    assert document["system_packages"] == ["python3-numpy"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["list", "--for", "a-toaster"], "wheels.target"),
        (["fetch", "--for", "armv6l-cp311-glibc2.36"], "wheels.none"),
        (["fetch", "--for", "aarch64-cp311-musl1.2"], "wheels.none"),
        (["fetch", "--for", "armv7l-cp311-glibc2.36", "--runtime", "onnxruntime"], "wheels.none"),
        (["list", "--from", "."], "cli.usage"),
    ],
)
def test_what_cannot_be_is_an_error(
    words: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")] if words[0] == "fetch" else []
    assert main(["wheels", *words, *out]) == 2
    assert f"error[{code}]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
