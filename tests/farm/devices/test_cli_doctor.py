"""``farm doctor``: a word and a fix for everything, on this machine and on devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farm.config import load_config
from farm.devices import inventory
from tests.farm.devices.conftest import Said
from tests.zoo.device import Shape
from tests.zoo.zoo import Zoo

pytestmark = pytest.mark.zoo

Farm = Callable[..., Said]


def _findings(said: Said, subject: str) -> dict[str, dict[str, str]]:
    return {each["check"]: each for each in said.json()["findings"] if each["subject"] == subject}


def test_this_machine_is_examined_by_default(farm: Farm) -> None:
    said = farm("doctor", "--json")
    assert said.code == 0, said.out
    host, local = _findings(said, "farm"), _findings(said, "local")
    assert {"python", "store", "cache", "uv", "converter onnx"} <= host.keys()
    assert local["runtime onnxruntime"]["state"] != "fail"
    assert "a real inference gave the right answer" in local["runtime onnxruntime"]["text"]
    told = {"load", "other jobs", "memory", "governor", "clock source", "throttling", "energy"}
    assert told <= local.keys()
    assert all(each["fix"] for each in said.json()["findings"] if each["state"] != "ok")


def test_a_store_that_does_not_open_fails_the_check_and_nothing_else(farm: Farm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no store")
    said = farm("--store", str(tmp_path / "file"), "doctor", "--json")
    assert said.code == 3
    assert _findings(said, "farm")["store"]["state"] == "fail"
    assert _findings(said, "local")["agent"]["state"] == "ok"


def test_each_sick_device_gets_its_own_reason(farm: Farm, zoo: Zoo) -> None:
    full = zoo.add("full", Shape(home_bytes=8 * 1024 * 1024))
    cut = zoo.add("cut")
    well = zoo.add("well")
    path = load_config().inventory_path
    for device in (full, cut, well):
        inventory.add(path, device.entry())
    full.fill_disk()
    cut.stop_sshd()
    said = farm("doctor", "all", "--json")
    assert said.code == 3
    assert _findings(said, "well")["agent"]["state"] == "ok"
    assert "load" in _findings(said, "well")
    assert _findings(said, "cut")["reach"]["code"] == "device.unreachable"
    assert _findings(said, "full")["agent"]["code"] == "device.disk-full"


def test_an_unknown_device_is_a_usage_error(farm: Farm) -> None:
    said = farm("doctor", "nobody")
    assert said.code == 2
    assert "device.unknown" in said.err
