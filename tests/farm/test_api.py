"""The Python API."""

from __future__ import annotations

from pathlib import Path

import pytest

import farm
from farm.benchmark import Outcome
from farm.errors import UsageError
from farm.plan import Request
from tests.farm.networks import conv_net


def test_convert_returns_checked_artifacts(tmp_path: Path) -> None:
    (artifact,) = farm.convert(conv_net(tmp_path / "n.onnx", batch="n"), to=["onnx"], batch=2)

    assert artifact.paths[0].is_file()
    assert artifact.check is not None
    assert artifact.check.passed
    assert artifact.spec.inputs[0].source.shape == (2, 1, 8, 8)


def test_convert_raises_the_typed_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        farm.convert(tmp_path / "none.onnx", to=["onnx"])

    assert caught.value.code == "model.missing"


def test_ctrl_c_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was finished is kept, and the program that called hears of it."""
    monkeypatch.setattr("farm.benchmark.execute", lambda *_, **__: Outcome("run", (), interrupted=True))
    with pytest.raises(KeyboardInterrupt):
        farm.bench(runtimes=["onnxruntime"])


def test_one_of_a_kind_needs_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A string is one runtime, not its letters; labels are text; what is of another kind is refused."""
    asked: list[Request] = []
    monkeypatch.setattr("farm.benchmark.plan_for", lambda request, _config: asked.append(request))
    monkeypatch.setattr("farm.benchmark.execute", lambda *_, **__: Outcome("run", ()))
    farm.bench(runtimes="onnxruntime", precisions="fp32", threads=2, batch=4, labels={"night": 12})
    (request,) = asked
    assert (request.runtimes, request.precisions) == (("onnxruntime",), ("fp32",))
    assert (request.threads, request.batch, request.labels) == ((2,), (4,), {"night": "12"})
    for wrong in ({"threads": "x"}, {"threads": [True]}, {"runtimes": [3]}):
        with pytest.raises(UsageError) as caught:
            farm.bench(**wrong)
        assert caught.value.code == "api.argument"


def test_module_names_do_not_shadow_the_functions() -> None:
    import farm.benchmark

    assert callable(farm.bench)
    assert callable(farm.convert)
    assert callable(farm.load_results)
