"""best.toml is read as strictly as it is written."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from farm.errors import UsageError
from farm.plan import Request
from farm.shapes import ShapeWish
from farm.tune import best, goals, plot
from farm.tune.best import DevicePart, MeasuredPart
from farm.tune.report import rows_of
from farm_converters.inspect import inspect_model
from farm_profiles import Target
from tests.farm.networks import conv_net
from tests.farm.tune.made import score


def written(folder: Path) -> Path:
    model = inspect_model(conv_net(folder / "net.onnx", batch="n"))
    request = Request(
        models=(model.path,),
        shapes=(ShapeWish("image", (2, 1, 8, 8)),),
        exclude=("op:Gemm",),
        data=folder / "data.npz",
        seed=7,
    )
    target = Target("onnx", "onnxruntime", "int8", 2, {"allow_spinning": "1"}, {"activations": "s8"})
    part = MeasuredPart("run", "job", "1.2", "valid", 0.0, {"latency_ns": 5.0}, ("latency<=5ms",))
    whole = best.best_of(model, request, target, 4, DevicePart("desk", "x86-cpu"), part)
    return best.write(whole, folder / "best.toml")


def test_what_is_written_comes_back_as_the_same_request(tmp_path: Path) -> None:
    found = best.read(written(tmp_path))
    request = found.request(Request(models=(), devices=("desk",)))

    assert request.targets == (
        Target("onnx", "onnxruntime", "int8", 2, {"allow_spinning": "1"}, {"activations": "s8"}),
    )
    assert (request.batch, request.exclude, request.seed) == ((4,), ("op:Gemm",), 7)
    assert request.shapes == (ShapeWish("image", (2, 1, 8, 8)),)
    assert request.models == (tmp_path / "net.onnx",)
    assert request.data == tmp_path / "data.npz"


def test_the_file_moves_with_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths count from the file, whatever folder the command runs in."""
    (tmp_path / "a").mkdir()
    written(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    monkeypatch.chdir("/")

    request = best.read(tmp_path / "b" / "best.toml").request(Request(models=()))

    assert request.models[0].is_file()


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ('schema = "farm.best/1"', 'schema = "farm.best/9"', "plan.schema"),
        ("threads = 2", "threads = 0", "plan.schema"),
        ("threads = 2", 'threads = "2"', "plan.schema"),
        ('runtime = "onnxruntime"', 'runtime = "onxruntime"', "plan.schema"),
        ('precision = "int8"', 'precision = "int7"', "plan.schema"),
        ("[target]", "[target]\nfast = true", "plan.schema"),
        ("latency_ns = 5.0", "latency_ns = nan", "plan.schema"),
        ("calib_random = 0", "calib_random = -1", "plan.schema"),
        ("batch = 4", "batch = ", "plan.syntax"),
    ],
)
def test_a_damaged_file_names_the_key(tmp_path: Path, before: str, after: str, code: str) -> None:
    path = written(tmp_path)
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))

    with pytest.raises(UsageError) as caught:
        best.read(path)
    assert caught.value.code == code


def test_the_picture_is_well_formed_and_has_a_point_per_configuration() -> None:
    aims = goals.objectives(("latency", "size"))
    scores = {"a <b> & c": score(10, 900), "d": score(2000, 5e4), "broken": score(0, status="failed")}
    rows = rows_of(list(scores), scores, aims, ())

    text = plot.svg("x & y", rows, aims, (goals.constraint("latency<=1us"),))
    root = ET.fromstring(text)  # noqa: S314 - our own
    circles = [item for item in root.iter() if item.tag.endswith("circle") and len(item)]

    assert len(circles) == 2
    assert any("a <b> & c" in (title.text or "") for title in root.iter() if title.tag.endswith("title"))
