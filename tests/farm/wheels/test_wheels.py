"""Which wheels fit which device: by what the release knows, and by what lies in a folder."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from farm import wheels
from farm.errors import InfrastructureError, UsageError
from farm.wheels import box as boxes
from farm.wheels import known
from farm.wheels.box import Box, parse
from farm.wheels.providers import PROVIDERS
from farm_agent.wire import Facts
from farm_profiles.load import load_profile

ALL = (*PROVIDERS, "tensorrt")
FACTS = Facts("aarch64", "Raspberry Pi 4", "", 4, None, "6.1", "Debian", "glibc 2.36", "3.11.2", ())


def _wheel(folder: Path, name: str, *needs: str, pythons: str = "") -> Path:
    """A wheel that is nothing but its metadata."""
    path = folder / name
    package, version = name.split("-")[:2]
    lines = [f"Name: {package}", f"Version: {version}", *(f"Requires-Dist: {need}" for need in needs)]
    lines += [f"Requires-Python: {pythons}"] if pythons else []
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{package}-{version}.dist-info/METADATA", "\n".join(lines) + "\n")
    return path


def _why(plan: wheels.WheelPlan, runtime: str) -> str:
    return next(each.why for each in plan.refused if each.runtime == runtime)


def test_a_64_bit_board_gets_all_three_in_one_environment() -> None:
    plan = wheels.plan(FACTS, load_profile("rpi4"))
    assert set(plan.requirements) == {"onnxruntime", "litert", "openvino"}
    names = [pin.partition("==")[0] for pin in plan.pins()]
    assert len(names) == len(set(names))
    assert any(pin.startswith("ai-edge-litert==") for pin in plan.pins("litert"))
    assert not plan.system_packages
    assert all(f"{pin} --hash=sha256:" in plan.locked() for pin in plan.pins())


def test_32_bit_arm_gets_the_older_litert_and_its_distributions_numpy() -> None:
    plan = wheels.plan(replace(FACTS, machine="armv7l"), load_profile("armhf-generic"), runtimes=ALL)
    assert plan.requirements == {"litert": ("tflite-runtime==2.14.0",)}
    assert plan.system_packages == ("python3-numpy",)
    assert "no wheels of onnxruntime for armv7l" in _why(plan, "onnxruntime")
    with pytest.raises(UsageError) as caught:
        plan.require(["litert", "onnxruntime"])
    assert caught.value.code == "wheels.none"
    assert "litert" in caught.value.fix
    plan.require(["litert"])


def test_a_32_bit_system_on_a_64_bit_kernel_is_32_bit() -> None:
    plan = wheels.plan(replace(FACTS, details={"userland_bits": 32}), load_profile("rpi3"))
    assert plan.requirements == {"litert": ("tflite-runtime==2.14.0",)}


@pytest.mark.parametrize(
    ("word", "runtime", "text"),
    [
        ("aarch64-cp311-musl1.2", "onnxruntime", "musl"),
        ("armv6l-cp311-glibc2.36", "litert", "armv6l"),
        ("armv7l-cp313-glibc2.41", "litert", "only for 3.8 to 3.11"),
        ("armv7l-cp311-glibc2.31", "litert", "needs glibc 2.34, the system has 2.31"),
        ("aarch64-cp311-glibc2.19", "onnxruntime", "needs glibc 2."),
        ("aarch64-cp37-glibc2.36", "onnxruntime", "Python 3.7"),
        ("aarch64-cp311-glibc2.36", "tensorrt", "JetPack"),
    ],
)
def test_what_does_not_exist_is_refused_with_a_reason_and_a_fix(word: str, runtime: str, text: str) -> None:
    plan = wheels.plan_box(parse(word), ALL)
    assert text in _why(plan, runtime)
    assert all(each.fix for each in plan.refused)
    assert runtime not in plan.requirements


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"libc": "musl 1.2.5"}, "musl (1.2 here)"),
        ({"libc": ""}, "C library is not known"),
        ({"details": {"python_flavour": "it is PyPy"}}, "it is PyPy"),
        ({"details": {"python_flavour": "it is a free-threaded build"}}, "free-threaded"),
        ({"machine": "riscv64"}, "riscv64"),
    ],
)
def test_facts_decide(change: dict[str, object], text: str) -> None:
    plan = wheels.plan(replace(FACTS, **change), load_profile("rpi4"))  # type: ignore[arg-type]
    assert not plan.requirements
    assert {each.runtime for each in plan.refused} == {"onnxruntime", "litert", "openvino"}
    assert text in plan.refused[0].why


def test_every_known_set_is_whole_and_fits_what_it_is_for() -> None:
    """Each wheel of each set carries a tag of the oldest system that the set is said to fit."""
    seen = 0
    for machine in boxes.OLDEST:
        for python in known.pythons(machine):
            for level in known.levels(machine, python):
                minor = int(level["glibc"].partition(".")[2])
                box = Box(machine, python, "glibc", (2, minor))
                plan = known.choose(box, tuple(PROVIDERS))
                assert dict(plan.requirements) == {k: tuple(v) for k, v in level["requirements"].items()}
                for pin, wheel in plan.wheels.items():
                    name, version, _, tags = parse_wheel_filename(wheel.file)
                    assert f"{name}=={version}" == pin
                    assert tags & set(box.tags()), f"{wheel.file} does not fit {box.word}"
                    seen += 1
    assert seen > 50


@pytest.mark.parametrize(
    "word", ["", "rpi", "aarch64", "aarch64-cp311", "aarch64-cp311-glibc", "a-b-c-d", "../x"]
)
def test_an_unclear_target_is_an_error_with_an_example(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(word)
    assert caught.value.code == "wheels.target"
    assert boxes.EXAMPLE in caught.value.fix


def test_words_for_processors_and_back() -> None:
    assert parse("arm64-3.11-glibc2.36").word == "aarch64-cp311-glibc2.36"
    assert parse("armhf-cp39-musl1.2").word == "armv7l-cp39-musl1.2"
    assert parse(parse(boxes.EXAMPLE).word) == parse(boxes.EXAMPLE)


def test_a_folder_gives_the_newest_that_fit_together(tmp_path: Path) -> None:
    arm = "cp311-cp311-manylinux_2_28_aarch64.whl"
    _wheel(tmp_path, f"onnxruntime-1.9-{arm}", "numpy>=1.21")
    _wheel(tmp_path, f"onnxruntime-1.10-{arm}", "numpy>=1.21,<2", "flatbuffers", 'old; python_version<"3.10"')
    _wheel(tmp_path, "onnxruntime-2.0-cp311-cp311-manylinux_2_28_x86_64.whl")
    _wheel(tmp_path, "onnxruntime-3.0-cp311-cp311-manylinux_2_39_aarch64.whl")
    _wheel(tmp_path, f"numpy-2.1-{arm}")
    _wheel(tmp_path, f"numpy-1.26-{arm}")
    _wheel(tmp_path, "flatbuffers-25-py2.py3-none-any.whl", pythons=">=3.8")
    _wheel(tmp_path, "flatbuffers-26-py2.py3-none-any.whl", pythons=">=3.12")
    (tmp_path / "notes.whl").write_text("no wheel")
    plan = wheels.plan_box(parse("aarch64-cp311-glibc2.36"), ("onnxruntime", "litert"), folder=tmp_path)
    assert plan.requirements == {"onnxruntime": ("flatbuffers==25", "numpy==1.26", "onnxruntime==1.10")}
    assert "no wheel of ai-edge-litert" in _why(plan, "litert")
    target = tmp_path / "copied"
    assert sorted(path.name for path in wheels.fetch(plan, target)) == sorted(
        wheel.file for wheel in plan.wheels.values()
    )


def test_a_wheel_of_ones_own_serves_where_the_index_has_none(tmp_path: Path) -> None:
    _wheel(tmp_path, "onnxruntime-1.20-cp311-cp311-linux_armv7l.whl", "numpy>=1.21")
    plan = wheels.plan_box(parse("armv7l-cp311-glibc2.36"), ("onnxruntime",), folder=tmp_path)
    assert plan.requirements == {"onnxruntime": ("onnxruntime==1.20",)}
    assert plan.system_packages == ("python3-numpy",)


def test_two_runtimes_of_a_folder_share_what_both_can_bear(tmp_path: Path) -> None:
    for version in ("1.26", "2.1"):
        _wheel(tmp_path, f"numpy-{version}-cp311-cp311-linux_x86_64.whl")
    _wheel(tmp_path, "onnxruntime-1.20-cp311-cp311-linux_x86_64.whl", "numpy")
    _wheel(tmp_path, "tflite_runtime-2.14.0-cp311-cp311-linux_x86_64.whl", "numpy")
    plan = wheels.plan_box(parse("x86_64-cp311-glibc2.36"), ("litert", "onnxruntime"), folder=tmp_path)
    assert plan.pins() == ("numpy==1.26", "onnxruntime==1.20", "tflite-runtime==2.14.0")


def test_a_broken_wheel_and_no_folder_are_errors(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime-1.20-cp311-cp311-linux_x86_64.whl").write_bytes(b"PK half")
    for folder, code in ((tmp_path, "wheels.broken"), (tmp_path / "none", "wheels.folder")):
        with pytest.raises(UsageError) as caught:
            wheels.plan_box(parse("x86_64-cp311-glibc2.36"), ("onnxruntime",), folder=folder)
        assert caught.value.code == code


def test_without_a_network_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_OFFLINE", "1")
    plan = wheels.plan_box(parse("armv7l-cp311-glibc2.36"), ("litert",))
    with pytest.raises(UsageError) as caught:
        wheels.fetch(plan, tmp_path / "out")
    assert caught.value.code == "wheels.offline"


def test_another_file_under_a_wheels_name_is_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pip is told to look into one folder alone, where a false file has the right name."""
    plan = wheels.plan_box(parse("armv7l-cp311-glibc2.36"), ("litert",))
    (false := tmp_path / "false").mkdir()
    _wheel(false, next(iter(plan.wheels.values())).file)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(false))
    with pytest.raises(InfrastructureError) as caught:
        wheels.fetch(plan, tmp_path / "out")
    assert caught.value.code == "wheels.fetch-failed"
    assert not list((tmp_path / "out").glob("*.whl"))


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError) as caught:
        wheels.fetch(wheels.plan_box(parse("armv7l-cp311-glibc2.36"), ("litert",)), tmp_path / "file" / "out")
    assert caught.value.code == "wheels.folder"
