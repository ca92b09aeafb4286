"""A job whose device builds its own engine, from the command line to the result, over stand-ins of the driver
and of TensorRT (see tests/agents/tensorrt): what is shipped, kept, used again and shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper

from farm_agent.messages.build import BuildReport, Engine
from farm_agent.wire import Blob
from farm_converters import cache
from farm_results.view.engines import builds_text
from tests.agents.tensorrt import parts
from tests.farm.networks import save
from tests.farm.runs import Farm
from tests.support import ROOT

MODULE = """
from tests.agents.tensorrt import parts
globals().update(vars(parts.module({version!r})))
"""
QUICK = ("-r", "tensorrt", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10", "--no-gate")


def line_net(path: Path) -> Path:
    """y = 2 x + 1, which is all that the stand-in can compute."""
    numbers = {"two": 2.0, "one": 1.0}
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "two"], ["m"]), helper.make_node("Add", ["m", "one"], ["y"])],
        "line",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in numbers.items()],
    )
    return save(path, graph)


@pytest.fixture
def user(tmp_path: Path) -> Farm:
    """Somebody with one device that has a GPU and TensorRT, as far as it can tell."""
    folder = tmp_path / "python" / "tensorrt"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(MODULE.format(version="10.3.0"))
    parts.library(tmp_path, "libcuda.so.1")
    settings = {"PYTHONPATH": f"{ROOT}:{folder.parent}", "LD_LIBRARY_PATH": str(tmp_path)}
    found = Farm(tmp_path / "home", tmp_path / "cache", settings)
    found.folder.mkdir()
    found.inventory.write_text(
        f'[devices.gpu]\nprofile = "x86-nvidia"\naddress = "local"\nroot = "{tmp_path / "agent"}"\n'
    )
    return found


def bench(user: Farm, model: Path, *options: str) -> dict[str, Any]:
    done = user.run("--json", "bench", str(model), "--devices", "gpu", *QUICK, *options)
    row = done.row("gpu")
    assert row["status"] == "ok", (row, done.err)
    document = row.get("document", {})
    return {**row, "job": document.get("job", {}), "spec": document.get("spec", {})}


def test_an_engine_is_built_checked_measured_and_used_again(user: Farm, tmp_path: Path) -> None:
    model = line_net(tmp_path / "line.onnx")
    row = bench(user, model)
    assert row["precision"] == row["executed_precision"] == "fp32"
    shown = user.run("show").out
    assert "strongly typed" in shown
    assert "Stand-in GPU (sm87)" in shown
    assert "used again" not in shown
    (kept,) = (user.cache / "timing-caches").iterdir()
    index = cache.read(kept)
    assert index is not None
    assert index["devices"] == ["gpu"]
    assert (kept / "timing.cache").read_bytes() == b"cache of nothing"
    engines = list((tmp_path / "agent").rglob("engines/*/model.engine"))
    assert len(engines) == 1
    assert not list(user.cache.rglob("*.engine")), "an engine never leaves its device"

    bench(user, model)
    assert "used again" in user.run("show").out


def test_several_builds_are_shown_with_their_spread(user: Farm, tmp_path: Path) -> None:
    bench(user, line_net(tmp_path / "line.onnx"), "--builds", "3")
    text = user.run("show").out
    assert "coefficient of variation" in text
    assert "was measured" in text


def test_a_silent_fp32_engine_is_refused(user: Farm, tmp_path: Path) -> None:
    """The graph's types are lost on the way (the stand-in builds fp32 whatever it is given)."""
    done = user.run(
        "--json", "bench", str(line_net(tmp_path / "line.onnx")), "--devices", "gpu", *QUICK, "-p", "fp16"
    )
    row = json.loads(done.out)["results"][0]
    assert row["status"] == "failed"
    assert row["error_code"] == "check.precision"


def test_builds_that_were_not_timed_have_no_spread() -> None:
    engine = Engine(Blob("a" * 64, 1, "model.engine"), 1.0)
    report = BuildReport("strong", "x", (engine, engine))
    assert builds_text(report) == ""
    odd = [Engine(engine.blob, 1.0, latency) for latency in (float("nan"), 0.0, -1.0, 2e6, 1e6)]
    assert builds_text(BuildReport("weak", "x", tuple(odd), chosen=4)).startswith("2.000, 1.000 ms")
