"""What a user says about the sizes that a model leaves open: ``[MODEL/]INPUT`` and a shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farm.errors import UsageError


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
