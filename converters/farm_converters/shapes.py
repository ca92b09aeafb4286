"""Fix every free dimension of a model's inputs, or say exactly what to type."""

from __future__ import annotations

import math
from collections.abc import Mapping

from farm_agent.errors import UsageError
from farm_converters.model import InputSpec, Model

MAX_ELEMENTS = 2**31
Shape = tuple[int | str | None, ...]


def resolve_shapes(
    model: Model, wanted: Mapping[str, tuple[int, ...]], batch: int | None
) -> dict[str, tuple[int, ...]]:
    """Each input's fixed shape, in the model's order.

    ``batch`` fixes axis 0 of every input where it is free. A named dimension fixed once is fixed
    wherever the name stands. Raises UsageError model.unknown-input, model.shape-mismatch,
    model.free-dimensions; the fix of the last is the --shape options to complete.
    """
    known = {item.name for item in model.inputs}
    for name in wanted:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"{model.path.name} has no input {name!r}; it has: {names}",
                code="model.unknown-input",
                fix="name one of its inputs in --shape",
            )
    if batch is not None and batch < 1:
        raise UsageError(
            f"the batch must be at least 1, not {batch}", code="model.shape-mismatch", fix="--batch 1"
        )
    _refuse_idle_batch(model, wanted, batch)
    symbols: dict[str, tuple[int, str]] = {}
    for item in model.inputs:
        if item.name in wanted:
            _agree(item, tuple(wanted[item.name]), symbols)
    shapes = {item.name: _fill(item, wanted.get(item.name), symbols, batch) for item in model.inputs}
    _refuse_free(model, shapes)
    fixed = {name: tuple(int(size) for size in shape if size is not None) for name, shape in shapes.items()}
    for item in model.inputs:
        _refuse_absurd(item, fixed[item.name])
    return fixed


def _refuse_idle_batch(model: Model, wanted: Mapping[str, tuple[int, ...]], batch: int | None) -> None:
    """A batch that changes nothing would put its name on another batch's numbers."""
    firsts = [item.shape[0] for item in model.inputs if item.shape and item.name not in wanted]
    if batch in (None, 1) or not firsts or any(size == batch or not isinstance(size, int) for size in firsts):
        return
    what = ", ".join(f"{item.name} is {text(item.shape)}" for item in model.inputs)
    raise UsageError(
        f"the batch {batch} fits no input of {model.path.name}, whose first dimensions are fixed: {what}",
        code="model.shape-mismatch",
        fix="leave --batch out, or export the model with a free first dimension",
    )


def text(shape: tuple[int | str | None, ...]) -> str:
    """A shape as --shape takes it; ``?`` where it is free."""
    return "x".join(str(size) if isinstance(size, int) else "?" for size in shape)


def _agree(item: InputSpec, shape: tuple[int, ...], symbols: dict[str, tuple[int, str]]) -> None:
    if len(shape) != len(item.shape):
        raise _mismatch(item, f"{text(shape)} has {len(shape)} dimensions, not {len(item.shape)}")
    for axis, (size, declared) in enumerate(zip(shape, item.shape, strict=True)):
        if size < 1:
            raise _mismatch(item, f"axis {axis} must be at least 1, not {size}")
        if isinstance(declared, int) and declared != size:
            raise _mismatch(item, f"axis {axis} is fixed to {declared}, not {size}")
        if isinstance(declared, str):
            before, owner = symbols.setdefault(declared, (size, item.name))
            if before != size:
                raise _mismatch(item, f"{declared!r} cannot be {size} here and {before} in {owner!r}")


def _fill(
    item: InputSpec, wanted: tuple[int, ...] | None, symbols: Mapping[str, tuple[int, str]], batch: int | None
) -> Shape:
    if wanted is not None:
        return tuple(wanted)
    sizes: list[int | str | None] = []
    for axis, declared in enumerate(item.shape):
        if isinstance(declared, int):
            sizes.append(declared)
        elif isinstance(declared, str) and declared in symbols:
            sizes.append(symbols[declared][0])
        else:
            sizes.append(batch if axis == 0 else None)
    return tuple(sizes)


def _refuse_free(model: Model, shapes: Mapping[str, Shape]) -> None:
    free = {name: shape for name, shape in shapes.items() if None in shape}
    if not free:
        return
    what = ", ".join(f"{name} is {text(shape)}" for name, shape in free.items())
    hint = " and a number for each ?" if any(shape[1:].count(None) for shape in free.values()) else ""
    batch_only = not hint
    options = " ".join(f"--shape {name}:{text(shape)}" for name, shape in free.items())
    raise UsageError(
        f"{model.path.name} leaves dimensions free: {what}",
        code="model.free-dimensions",
        fix="give --batch 1" if batch_only else f"give {options}{hint}",
    )


def _refuse_absurd(item: InputSpec, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MAX_ELEMENTS:
        raise _mismatch(item, f"{text(shape)} has {math.prod(shape):.3g} elements; at most 2^31 can be used")


def _mismatch(item: InputSpec, reason: str) -> UsageError:
    return UsageError(
        f"the shape for {item.name!r} does not fit: {reason}",
        code="model.shape-mismatch",
        fix=f"give --shape {item.name}:{text(item.shape)}",
    )
