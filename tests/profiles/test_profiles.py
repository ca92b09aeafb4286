"""Every shipped device kind, and what a faulty file says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from farm_agent import precisions, runtimes, sensors
from farm_agent.errors import UsageError
from farm_converters.recipe import FORMATS, PRECISIONS
from farm_profiles import Limits, Profile, Reach, Support, Target
from farm_profiles.load import load_file, load_profile, profile_names
from tests.support import ROOT

REQUIRED = {
    "jetson-nano",
    "jetson-xavier-nx",
    "jetson-orin-nano",
    "jetson-agx-orin",
    "rpi3",
    "rpi4",
    "rpi5",
    "android-generic",
    "pixel",
    "x86-cpu",
    "x86-nvidia",
}
TRANSPORTS = {"local", "ssh", "adb"}
FORMAT_OF = {"onnxruntime": "onnx", "openvino": "openvino", "litert": "tflite", "tensorrt": "tensorrt"}
GOOD = """
schema = 1
title = "A board"
family = "board"
arch = "aarch64"
[reach]
transports = ["ssh"]
[support]
state = "supported"
[[targets]]
format = "onnx"
runtime = "onnxruntime"
"""
LISTED = """[[targets]]
format = "tflite"
runtime = "litert"
precisions = ["fp32", "fp16", "int8"]

"""


def test_the_named_kinds_ship() -> None:
    """The kinds that the project promises are all there."""
    assert set(profile_names()) >= REQUIRED


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_profile_is_usable(name: str) -> None:
    """It loads strictly, and everything it names exists."""
    profile = load_profile(name)

    assert profile.name == name
    assert set(profile.reach.transports) <= TRANSPORTS
    assert set(profile.sensors) <= set(sensors.names())
    assert len(set(map(repr, profile.targets))) == len(profile.targets)
    for target in profile.targets:
        assert target.runtime in runtimes.names()
        assert target.format == FORMAT_OF[target.runtime]
        assert target.format in FORMATS
        assert target.precision in PRECISIONS


@pytest.mark.parametrize("name", profile_names())
def test_fp32_is_preferred(name: str) -> None:
    """The first target is fp32, and every runtime is listed at fp32 before fp16."""
    targets = load_profile(name).targets

    assert targets[0].precision == "fp32"
    for target in targets:
        first = next(other for other in targets if other.runtime == target.runtime)
        assert first.precision == "fp32"


@pytest.mark.parametrize("name", profile_names())
def test_a_kind_without_full_support_says_why(name: str) -> None:
    """Whatever is not plainly supported explains itself."""
    support = load_profile(name).support

    assert support.state == "supported" or len(support.note) > 40


def test_limits_of_old_boards_are_said() -> None:
    """JetPack 4 is out because of its Python; 32-bit ARM has one runtime."""
    assert load_profile("jetson-nano").support.state == "unsupported"
    assert "Python 3.6" in load_profile("jetson-nano").support.note
    assert {target.runtime for target in load_profile("rpi3").targets} == {"litert"}
    assert load_profile("rpi3").arch == "armv7l"


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ('family = "board"', "family = 3", "family", "str"),
        ('title = "A board"', "", "title", "str"),
        ('arch = "aarch64"', 'arch = "aarch64"\ncolour = "red"', "colour", "one of the keys"),
        ("schema = 1", "schema = 7", "schema", "1"),
        ('transports = ["ssh"]', 'transports = "ssh"', "reach.transports", "list"),
        ('transports = ["ssh"]', "transports = []", "reach.transports", "at least one"),
        ('state = "supported"', 'state = "maybe"', "support.state", "one of supported"),
        ('runtime = "onnxruntime"', 'runtime = "onxruntime"', "targets[0].runtime", "one of"),
        ('runtime = "onnxruntime"', 'runtime = "onnxruntime"\nthreads = "2"', "targets[0].threads", "int"),
        (
            'runtime = "onnxruntime"',
            'runtime = "onnxruntime"\nthreads = 0',
            "targets[0].threads",
            "at least 1",
        ),
        ("schema = 1", 'schema = 1\nname = "other"', "name", "no such key"),
        (
            'runtime = "onnxruntime"',
            'runtime = "onnxruntime"\nprecisions = ["fp32", "int7"]',
            "targets[0].precision",
            "one of",
        ),
        (
            'runtime = "onnxruntime"',
            'runtime = "onnxruntime"\nprecisions = []',
            "targets[0].precisions",
            "a list",
        ),
        (
            "[[targets]]",
            LISTED + "[[targets]]\nthreads = 0",
            "targets[1].threads",
            "at least 1",
        ),
        (
            "[[targets]]",
            LISTED + '[[targets]]\nthreads = "2"',
            "targets[1].threads",
            "int",
        ),
    ],
)
def test_a_fault_names_file_key_and_expectation(
    tmp_path: Path, old: str, new: str, key: str, expected: str
) -> None:
    """A wrong value tells the file, the dotted key, what was expected and how to go on."""
    assert old in GOOD
    path = tmp_path / "board.toml"
    path.write_text(GOOD.replace(old, new))

    with pytest.raises(UsageError) as caught:
        load_file(path)

    assert caught.value.code == "profile.schema"
    assert str(path) in caught.value.message
    assert f"key {key}: expected {expected}" in caught.value.message
    assert key in caught.value.fix


def test_a_good_file_takes_its_name_from_the_file(tmp_path: Path) -> None:
    """The unchanged text above loads, so the faults above are the only ones."""
    path = tmp_path / "board.toml"
    path.write_text(GOOD)

    assert load_file(path).name == "board"


def test_text_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    """The parser's own place is handed on."""
    path = tmp_path / "board.toml"
    path.write_text("schema = = 1")

    with pytest.raises(UsageError, match="line 1") as caught:
        load_file(path)
    assert caught.value.code == "profile.syntax"


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    """Neither is a stack trace."""
    path = tmp_path / "board.toml"
    path.write_bytes(b"\xff\xfe\x00")

    for bad in (path, tmp_path / "absent.toml"):
        with pytest.raises(UsageError) as caught:
            load_file(bad)
        assert caught.value.code == "profile.unreadable"


def test_an_unknown_name_suggests_the_nearest() -> None:
    """A slip of the finger is answered with the right name."""
    with pytest.raises(UsageError) as caught:
        load_profile("rpi55")

    assert caught.value.code == "profile.unknown"
    assert "rpi5" in caught.value.fix


DOCS = (ROOT / "docs" / "profiles.md").read_text() if (ROOT / "docs" / "profiles.md").exists() else ""


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_is_documented(name: str) -> None:
    """docs/profiles.md has a heading for each kind."""
    assert f"\n### {name}\n" in DOCS


@pytest.mark.parametrize("name", profile_names())
def test_every_target_is_documented(name: str) -> None:
    """The line "Targets:" names each runtime with its precisions, in the profile's order."""
    groups: dict[str, list[str]] = {}
    for target in load_profile(name).targets:
        way = " ".join([target.runtime, *(f"({value})" for value in target.options.values())])
        groups.setdefault(way, []).append(target.precision)
    every = list(precisions.NAMES)
    words = [f"{way} {'all' if names == every else ' '.join(names)}" for way, names in groups.items()]
    section = DOCS.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    assert f"Targets: {'; '.join(words)}." in " ".join(section.split())


def test_every_key_is_documented() -> None:
    """docs/profiles.md names every key a profile may have."""
    for prefix, kind in (
        ("", Profile),
        ("reach.", Reach),
        ("support.", Support),
        ("limits.", Limits),
        ("targets.", Target),
    ):
        for field in dataclasses.fields(kind):
            if (prefix, field.name) != ("", "name"):
                assert f"`{prefix}{field.name}`" in DOCS, f"{prefix}{field.name}"
