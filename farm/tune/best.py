"""``best.toml``: one configuration with everything needed to measure or to export it again."""

from __future__ import annotations

import math
import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from farm.errors import InfrastructureError, UsageError
from farm.plan import Request
from farm.shapes import ShapeWish
from farm_agent import codec
from farm_converters.model import Model
from farm_profiles import Target

SCHEMA = "farm.best/1"
HEAD = "# Measure it again: farm bench --plan FILE; a folder to deploy: farm export FILE --out DIR\n"


@dataclass(frozen=True)
class ModelPart:
    """``path`` counts from the file's folder when it is relative; ``shapes`` are what was asked for."""

    path: str
    name: str
    sha256: str
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class DevicePart:
    """Where it was measured."""

    name: str
    profile: str


@dataclass(frozen=True)
class InputsPart:
    """Samples, calibration and what stays in floats, as given; "" and 0: none."""

    inputs: str = ""
    calib: str = ""
    calib_random: int = 0
    preprocess: str = ""
    exclude: tuple[str, ...] = ()
    data: str = ""
    metric: str = ""
    seed: int = 0


@dataclass(frozen=True)
class MeasuredPart:
    """What was measured, for people and for the README of an export; ``values`` with units in
    their names."""

    run_id: str = ""
    job_id: str = ""
    runtime_version: str = ""
    verdict: str = ""
    created_unix_s: float = 0.0
    values: dict[str, float] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Best:
    """The file. ``batch`` 0: nothing was asked for."""

    schema: str
    model: ModelPart
    device: DevicePart
    target: Target
    batch: int = 0
    inputs: InputsPart = field(default_factory=InputsPart)
    measured: MeasuredPart = field(default_factory=MeasuredPart)
    path: str = ""

    def request(self, base: Request) -> Request:
        """``base`` (how to measure) with exactly this configuration."""
        here = Path(self.path).parent
        part = self.inputs
        return replace(
            base,
            models=(here / self.model.path,),
            devices=base.devices or (self.device.name,),
            targets=(self.target,),
            shapes=tuple(ShapeWish(name, shape) for name, shape in self.model.shapes.items()),
            batch=(self.batch,) if self.batch else (),
            inputs=_near(here, part.inputs),
            data=base.data or _near(here, part.data),
            metric=base.metric or part.metric,
            calib=_near(here, part.calib),
            calib_random=part.calib_random,
            preprocess=part.preprocess,
            exclude=part.exclude,
            seed=part.seed,
        )

    def check(self, model: Model) -> None:
        """Raises UsageError plan.model-changed for a model with another content."""
        if model.sha256 != self.model.sha256:
            raise UsageError(
                f"{model.path} is not the model of {self.path}: its sha256 is {model.sha256[:12]}…, "
                f"not {self.model.sha256[:12]}…",
                code="plan.model-changed",
                fix="restore that model, or run farm tune on the new one",
            )


def best_of(
    model: Model,
    request: Request,
    target: Target,
    batch: int | None,
    device: DevicePart,
    measured: MeasuredPart,
) -> Best:
    """What to write; every path absolute until ``write`` makes it relative to the file."""
    wishes = {wish.target.rpartition("/")[2]: wish.shape for wish in request.shapes}
    part = InputsPart(
        inputs=_absolute(request.inputs),
        calib=_absolute(request.calib),
        calib_random=request.calib_random,
        preprocess=request.preprocess,
        exclude=request.exclude,
        data=_absolute(request.data),
        metric=request.metric,
        seed=request.seed,
    )
    path = _absolute(request.models[0])
    return Best(
        SCHEMA, ModelPart(path, model.name, model.sha256, wishes), device, target, batch or 0, part, measured
    )


def write(best: Best, path: Path) -> Path:
    """Write the file whole or not at all. Raises InfrastructureError host.not-writable."""
    import tomlkit

    document = codec.encode(best)
    del document["path"]
    here = Path(os.path.abspath(path)).parent  # noqa: PTH100 - a link's target is not where the file lies
    document["model"]["path"] = _relative(document["model"]["path"], here)
    for name in ("inputs", "calib", "data"):
        document["inputs"][name] = _relative(document["inputs"][name], here)
    when = time.strftime("# Measured %Y-%m-%d %H:%M UTC\n", time.gmtime(best.measured.created_unix_s))
    try:
        here.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(HEAD + when + tomlkit.dumps(_without_none(document)), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write {path}: {error.strerror}", code="host.not-writable", fix="choose another --out"
        ) from error
    return path


def read(path: Path) -> Best:
    """Read a file strictly. Raises UsageError plan.missing, plan.syntax, plan.schema."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}",
            code="plan.missing",
            fix="give a best.toml that farm tune wrote",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}", code="plan.syntax", fix=f"correct {path}") from error
    if data.get("schema") != SCHEMA:
        raise _fault(path, "schema", repr(SCHEMA), repr(data.get("schema")))
    try:
        best = codec.decode(Best, data, unknown="refuse")
    except codec.DecodeError as error:
        raise _fault(path, error.path.removeprefix("Best."), error.expected, error.got) from error
    _check(path, best)
    return replace(best, path=str(path))


def _check(path: Path, best: Best) -> None:
    from farm_agent import precisions, runtimes
    from farm_converters.recipe import FORMATS

    target = best.target
    for key, value, known in (
        ("target.format", target.format, FORMATS),
        ("target.runtime", target.runtime, runtimes.names()),
        ("target.precision", target.precision, precisions.NAMES),
    ):
        if value not in known:
            raise _fault(path, key, f"one of {', '.join(known)}", repr(value))
    for key, number, least in (
        ("target.threads", target.threads, 1),
        ("batch", best.batch, 0),
        ("inputs.calib_random", best.inputs.calib_random, 0),
    ):
        if number < least:
            raise _fault(path, key, f"at least {least}", str(number))
    for name, measured in best.measured.values.items():
        if not math.isfinite(measured):
            raise _fault(path, f"measured.values.{name}", "a finite number", str(measured))


def _fault(path: Path, key: str, expected: str, got: str) -> UsageError:
    return UsageError(
        f"{path}: key {key}: expected {expected}, got {got}",
        code="plan.schema",
        fix=f"correct {key} in {path}, or have farm tune write it anew",
    )


def _near(here: Path, text: str) -> Path | None:
    return here / text if text else None


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path is not None else ""


def _relative(text: str, here: Path) -> str:
    """From the file's folder where that goes downwards or to a neighbour, else as it is."""
    if not text:
        return text
    relative = os.path.relpath(text, here)
    return text if relative.startswith(os.path.join("..", "..", "..")) else relative  # noqa: PTH118


def _without_none(value: Any) -> Any:  # noqa: ANN401 - JSON; TOML has no null
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
