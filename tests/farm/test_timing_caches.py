"""Which timing cache a device's next build begins with, and what else its builder is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm import engines
from farm.devices.device import Device
from farm.errors import UsageError
from farm.plan import Cell, Request
from farm_agent.messages.build import BuildReport, Engine
from farm_agent.wire import Blob, RuntimeFact
from farm_converters import cache
from farm_converters.calibration import Calibration
from farm_converters.recipe import Recipe
from farm_profiles import Target
from farm_profiles.load import load_profile

REQUEST = Request(models=(Path("net.onnx"),))


def cell(device: str = "orin-a", profile: str = "jetson-orin-nano", **target: Any) -> Cell:
    found = Target("tensorrt", "tensorrt", **target)
    recipe = Recipe("tensorrt", found.precision)
    return Cell("job", "net", None, Device(device, profile, "local"), load_profile(profile), found, recipe)


def facts(version: str = "10.3.0") -> Any:
    return SimpleNamespace(runtimes=(RuntimeFact("onnxruntime", "1"), RuntimeFact("tensorrt", version)))


def keep(folder: Path, where: Cell, text: str, kind: str = "Orin", version: str = "10.3.0") -> None:
    """As if a build on that device had come back with this timing cache."""
    path = folder / "fetched" / "timing.cache"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    report = BuildReport("strong", f"{kind}, TensorRT {version}", (Engine(Blob("a" * 64, 1, "e"), 1.0),))
    fetched: Any = SimpleNamespace(result=SimpleNamespace(build=report), timing_cache=path)
    engines.keep(where, facts(version), fetched, folder)
    assert path.read_text() == text, "what was fetched stays"


def found(folder: Path, where: Cell, version: str = "10.3.0") -> str:
    part = engines.find(where, facts(version), folder)
    return part[1].read_text() if part else ""


def test_a_device_gets_its_own_else_that_of_its_kind(tmp_path: Path) -> None:
    assert found(tmp_path, cell()) == ""
    keep(tmp_path, cell("orin-b"), "of b", kind="Orin of b")
    assert found(tmp_path, cell("orin-a")) == "of b"
    keep(tmp_path, cell("orin-a"), "of a", kind="Orin of a")
    keep(tmp_path, cell("orin-b"), "of b, newer", kind="Orin of b")
    assert found(tmp_path, cell("orin-a")) == "of a"
    assert found(tmp_path, cell("orin-b")) == "of b, newer"
    assert found(tmp_path, cell("orin-a"), version="10.4.0") == ""
    assert found(tmp_path, cell("orin-a", profile="x86-nvidia")) == ""


def test_one_class_has_one_cache_and_knows_its_devices(tmp_path: Path) -> None:
    for name in ("orin-a", "orin-b"):
        keep(tmp_path, cell(name), name)
    (entry,) = (tmp_path / engines.FOLDER).iterdir()
    index = cache.read(entry)
    assert index is not None
    assert index["devices"] == ["orin-a", "orin-b"]
    assert found(tmp_path, cell("orin-a")) == "orin-b"


def test_a_damaged_cache_is_not_sent(tmp_path: Path) -> None:
    keep(tmp_path, cell(), "sound")
    (path,) = (tmp_path / engines.FOLDER).rglob("timing.cache")
    path.write_text("other")
    assert found(tmp_path, cell()) == ""


def test_what_another_run_is_writing_is_not_sent(tmp_path: Path) -> None:
    """It is whole, but goes to its own place, or away, at any moment."""
    keep(tmp_path, cell(), "sound")
    (entry,) = (tmp_path / engines.FOLDER).iterdir()
    entry.rename(entry.with_name(f".{entry.name}.123"))
    assert found(tmp_path, cell()) == ""


def test_the_plan_holds_what_concerns_the_builder(tmp_path: Path) -> None:
    keep(tmp_path, cell(), "sound")
    options = {"typing": "weak", "workspace_mb": "256", "stream": "7"}
    plan, parts = engines.plan_of(REQUEST, cell(precision="fp16", options=options), facts(), tmp_path)
    assert (plan.precision, plan.builds, plan.options) == ("fp16", 1, {"typing": "weak"})
    assert plan.workspace_bytes == 256 << 20
    assert [part[0] for part in parts] == [plan.timing_cache]
    several, parts = engines.plan_of(replace(REQUEST, builds=3), cell(), facts(), tmp_path)
    assert (several.builds, several.timing_cache, parts) == (3, None, [])


def test_samples_go_along_only_where_the_builder_finds_the_ranges(tmp_path: Path) -> None:
    path = tmp_path / "samples.npz"
    path.write_bytes(b"samples")
    samples = Calibration("data", 4, "0" * 64, path, "samples")
    for graph, sent in (("fp32", True), ("typed", False)):
        recipe = Recipe("tensorrt", "int8", calibration=samples, options={"graph": graph})
        asked = replace(cell(precision="int8"), recipe=recipe)
        plan, parts = engines.plan_of(REQUEST, asked, facts(), tmp_path)
        assert (plan.calibration is not None) is sent
        assert len(parts) == int(sent)


def test_an_option_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        engines.plan_of(REQUEST, cell(options={"workspace_mb": "much"}), facts(), tmp_path)
    assert caught.value.code == "build.option"
