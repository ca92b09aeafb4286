"""Planning: which cells a request becomes, and which of them cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.devices.device import Device
from farm.errors import JobError, UsageError
from farm.plan import Plan, Request, make_plan
from farm.shapes import ShapeWish
from farm_converters.model import InputSpec, Model
from farm_profiles import Limits, Profile, Reach, Support, Target

PROFILE = Profile(
    name="box",
    schema=1,
    title="A box",
    family="boxes",
    arch="x86_64",
    reach=Reach(("local",)),
    support=Support("active"),
    targets=(
        Target("onnx", "onnxruntime"),
        Target("tflite", "litert"),
        Target("tflite", "litert", "fp16"),
    ),
    limits=Limits(),
)


def model(name: str, *inputs: InputSpec) -> Model:
    return Model(
        Path(f"{name}.onnx"), "onnx", "0" * 64, 10, inputs or (InputSpec("x", "float32", (1, 3)),), ()
    )


def plan_of(request: Request, **models: Model) -> Plan:
    def inspect(path: Path) -> Model:
        if path.stem not in models:
            raise JobError("not a model", code="model.corrupt")
        return models[path.stem]

    device = Device("d1", "box", "local")
    return make_plan(
        request,
        run_id="r",
        devices=[device],
        matched=[("all", ("d1",))],
        profile_of=lambda _: PROFILE,
        inspect=inspect,
    )


def test_default_is_every_runtime_of_the_profile_at_fp32() -> None:
    plan = plan_of(Request((Path("a.onnx"),)), a=model("a"))

    assert [(c.target.runtime, c.target.precision) for c in plan.cells] == [
        ("onnxruntime", "fp32"),
        ("litert", "fp32"),
    ]
    assert [cell.job_id for cell in plan.cells] == ["r-000", "r-001"]
    assert all(cell.runs for cell in plan.cells)


def test_precision_that_a_profile_lacks_is_skipped_with_the_reason() -> None:
    plan = plan_of(Request((Path("a.onnx"),), precisions=("fp16",)), a=model("a"))

    skipped = [cell for cell in plan.cells if not cell.runs]
    assert [cell.skip for cell in skipped] == ["profile box has no onnxruntime target at fp16"]
    assert [cell.target.runtime for cell in plan.cells if cell.runs] == ["litert"]


def test_unreadable_model_fails_its_own_cells_only() -> None:
    plan = plan_of(Request((Path("bad.onnx"), Path("a.onnx"))), a=model("a"))

    assert [cell.error.code if cell.error else "" for cell in plan.cells] == ["model.corrupt"] * 2 + [""] * 2
    assert plan.cells[0].model_name == "bad"


def test_free_dimension_without_shape_fails_with_the_option_to_use() -> None:
    free = model("a", InputSpec("x", "float32", ("batch", 3)))
    plan = plan_of(Request((Path("a.onnx"),)), a=free)

    error = plan.cells[0].error
    assert error is not None
    assert error.code == "model.free-dimensions"
    assert error.fix == "give --batch 1"


def test_model_named_shape_beats_plain_one_and_reaches_only_that_model() -> None:
    free = InputSpec("x", "float32", ("batch", 3))
    wishes = (ShapeWish("x", (1, 3)), ShapeWish("b/x", (4, 3)))
    plan = plan_of(
        Request((Path("a.onnx"), Path("b.onnx")), shapes=wishes, runtimes=("onnxruntime",)),
        a=model("a", free),
        b=model("b", free),
    )

    assert [cell.recipe.shapes if cell.recipe else None for cell in plan.cells] == [
        {"x": (1, 3)},
        {"x": (4, 3)},
    ]


def test_shape_for_an_input_of_no_model_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no model has such an input") as caught:
        plan_of(Request((Path("a.onnx"),), shapes=(ShapeWish("nope", (1,)),)), a=model("a"))

    assert caught.value.code == "model.unknown-input"


def test_threads_multiply_the_targets() -> None:
    plan = plan_of(Request((Path("a.onnx"),), threads=(1, 2), runtimes=("litert",)), a=model("a"))

    assert [cell.target.threads for cell in plan.cells] == [1, 2]
