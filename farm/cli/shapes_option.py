"""``--shape [MODEL/]INPUT:1x3x224x224``: the sizes of inputs that a model leaves open.

The sizes stand after the last colon, so that an input's name may hold colons and slashes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click

from farm.errors import UsageError

MAX_AXES = 16
MAX_SIZE = 2**31 - 1


@dataclass(frozen=True)
class ShapeWish:
    """One ``--shape``: ``target`` is ``INPUT`` or ``MODEL/INPUT`` as typed."""

    target: str
    shape: tuple[int, ...]

    def names(self, model: str, name: str) -> bool:
        """Whether this wish is about the input ``name`` of ``model``."""
        return self.target in (name, f"{model}/{name}")

    def __str__(self) -> str:
        return f"{self.target}:{'x'.join(map(str, self.shape))}"


class ShapeType(click.ParamType[ShapeWish]):
    """Parses one ``--shape``; an empty size list (``INPUT:``) means a scalar."""

    name = "shape"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> ShapeWish:
        """Split at the last colon and read the sizes."""
        if isinstance(value, ShapeWish):
            return value
        target, colon, sizes = str(value).rpartition(":")
        parts = sizes.split("x") if sizes else []
        whole = all(part.isascii() and part.isdigit() and len(part) < 11 for part in parts)
        if not colon or not target or not whole or len(parts) > MAX_AXES:
            self.fail(f"{value!r} is not [MODEL/]INPUT:SIZES, for instance image:1x3x224x224", param, ctx)
        shape = tuple(int(part) for part in parts)
        if any(not 1 <= size <= MAX_SIZE for size in shape):
            self.fail(f"{value!r}: every size must lie between 1 and {MAX_SIZE}", param, ctx)
        return ShapeWish(target, shape)


shape_option = click.option(
    "--shape",
    "shapes",
    type=ShapeType(),
    multiple=True,
    metavar="[MODEL/]INPUT:1x3x224x224",
    help="Shape of an input that the model leaves open; may be repeated.",
)
"""Decorator: the option as every command has it; the parameter is ``shapes: tuple[ShapeWish, ...]``."""


def shapes_for(wishes: Sequence[ShapeWish], model: str, inputs: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The wishes that concern one model's inputs; a later one wins, and ``MODEL/INPUT`` beats ``INPUT``."""
    found: dict[str, tuple[int, ...]] = {}
    for name in inputs:
        mine = [wish for wish in wishes if wish.names(model, name)]
        for wish in sorted(mine, key=lambda wish: wish.target != name):
            found[name] = wish.shape
    return found


def refuse_unused(wishes: Sequence[ShapeWish], models: Mapping[str, Sequence[str]]) -> None:
    """Raise UsageError model.unknown-input for a wish that fits no input of any model.

    ``models`` maps each model's name to the names of its inputs.
    """
    for wish in wishes:
        if not any(wish.names(model, name) for model, inputs in models.items() for name in inputs):
            known = ", ".join(f"{model}/{name}" for model, inputs in models.items() for name in inputs)
            raise UsageError(
                f"--shape {wish}: no model has such an input; there are {known or 'none'}",
                code="model.unknown-input",
                fix="name one of these inputs",
            )
