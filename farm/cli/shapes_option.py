"""``--shape [MODEL/]INPUT:1x3x224x224``: the sizes of inputs that a model leaves open.

The sizes stand after the last colon, so that an input's name may hold colons and slashes.
"""

from __future__ import annotations

import click

from farm.shapes import ShapeWish

MAX_AXES = 16
MAX_SIZE = 2**31 - 1


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
