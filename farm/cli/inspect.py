"""``farm inspect``: what a model file is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import UsageError

if TYPE_CHECKING:
    from farm_converters.model import InputSpec, Model, Origin, OutputSpec


@click.command(
    "inspect",
    epilog=examples(
        "farm inspect model.onnx",
        "farm inspect model.onnx --json | jq .operators",
    ),
)
@click.argument("model", type=click.Path(path_type=Path))
@json_option
@pass_state
def command(state: State, model: Path) -> None:
    """Show what a model file holds and what it can become.

    The file is read in a process of its own with limits on time and memory.
    """
    from farm_converters.convert import edges
    from farm_converters.sources import open_model

    found = open_model(model, state.config.cache_dir, say)
    own = f"{found.format}_to_"
    targets = tuple(edge.removeprefix(own) for edge in edges() if edge.startswith(own))
    if state.json:
        print_json(_document(found, targets))
    else:
        print_table(("fact", "value"), _rows(found, targets), title=found.name)


def needed_shapes(model: Model) -> str:
    """The ``--shape`` options to complete before the model can run; empty when its shapes are fixed."""
    from farm_converters.shapes import resolve_shapes

    try:
        resolve_shapes(model, {}, None)
    except UsageError as error:
        if error.code != "model.free-dimensions":
            raise
        return error.fix
    return ""


def _rows(model: Model, targets: tuple[str, ...]) -> list[tuple[str, str]]:
    operators = sorted(model.operators.items(), key=lambda item: (-item[1], item[0]))
    opsets = ", ".join(f"{domain or 'ai.onnx'} {number}" for domain, number in model.opsets.items())
    return [
        ("file", str(model.path)),
        ("sha256", model.sha256),
        ("size", f"{model.size_bytes} bytes"),
        ("format", f"onnx, IR {model.ir_version}, opset {opsets}" if opsets else model.format),
        ("producer", model.producer or "unknown"),
        *(("imported from", _origin(origin)) for origin in (model.origin,) if origin is not None),
        ("parameters", str(model.parameters)),
        *(("input", f"{spec.name}  {spec.dtype}  {_shape(spec)}") for spec in model.inputs),
        *(("output", f"{spec.name}  {spec.dtype}  {_shape(spec)}") for spec in model.outputs),
        ("operators", ", ".join(f"{name} {count}" for name, count in operators) or "none"),
        ("shapes", needed_shapes(model) or "fixed; no --shape is needed"),
        ("converts to", ", ".join(targets)),
        *(("caveat", caveat) for caveat in model.caveats),
    ]


def _origin(origin: Origin) -> str:
    by = ", ".join(f"{name} {version}" for name, version in origin.toolchain.items() if name != "edge")
    error = origin.check.get("max_abs_error", 0.0)
    return f"{origin.path} ({origin.format}) by {by}; outputs differ by at most {error:.3g}"


def _shape(spec: InputSpec | OutputSpec) -> str:
    if spec.shape is None:
        return "unknown shape"
    return "x".join("?" if size is None else str(size) for size in spec.shape) or "scalar"


def _document(model: Model, targets: tuple[str, ...]) -> dict[str, Any]:
    from farm_agent import codec

    fields = {**vars(model), "path": str(model.path)}
    return {
        "schema": "farm.model/1",
        "name": model.name,
        **{name: codec.encode(value) for name, value in fields.items()},
        "needed_shapes": needed_shapes(model),
        "converts_to": list(targets),
    }
