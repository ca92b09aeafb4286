"""Free dimensions are fixed by what the user said, or the error says what to type."""

from __future__ import annotations

import pytest

from farm_agent.errors import UsageError
from farm_converters.shapes import resolve_shapes
from tests.converters.made import model_of


def test_a_fixed_model_needs_nothing() -> None:
    assert resolve_shapes(model_of(("x", (1, 3)), ("s", ())), {}, None) == {"x": (1, 3), "s": ()}


def test_batch_fixes_the_first_axis_where_it_is_free_and_only_there() -> None:
    model = model_of(("x", ("N", 3)), ("y", (None, 4)), ("state", (2, 8)))
    assert resolve_shapes(model, {}, 4) == {"x": (4, 3), "y": (4, 4), "state": (2, 8)}


def test_a_name_fixed_once_is_fixed_everywhere() -> None:
    model = model_of(("ids", ("b", "len")), ("mask", ("b", "len")))
    assert resolve_shapes(model, {"ids": (2, 7)}, None)["mask"] == (2, 7)


def test_shape_wins_over_batch() -> None:
    assert resolve_shapes(model_of(("x", ("N", 3))), {"x": (2, 3)}, 8) == {"x": (2, 3)}


def test_free_dimensions_are_listed_with_the_exact_option_to_complete() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_shapes(model_of(("x", (None, 3, "h", "w")), ("z", (1,))), {}, 1)
    assert caught.value.code == "model.free-dimensions"
    assert "--shape x:1x3x?x?" in caught.value.fix
    assert "z:" not in caught.value.fix


def test_a_free_batch_alone_is_told_as_such() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_shapes(model_of(("x", ("N", 3))), {}, None)
    assert "--batch 1" in caught.value.fix


@pytest.mark.parametrize(
    "shape",
    [(1, 3, 5), (1, 4), (1, 0), (1, -3)],
    ids=["rank", "fixed size", "zero", "negative"],
)
def test_a_shape_that_does_not_fit_names_the_declared_one(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_shapes(model_of(("x", ("N", 3))), {"x": shape}, None)
    assert caught.value.code == "model.shape-mismatch"
    assert "--shape x:?x3" in caught.value.fix


def test_one_name_cannot_have_two_sizes() -> None:
    model = model_of(("a", ("n",)), ("b", ("n",)))
    with pytest.raises(UsageError, match="'n' cannot be 3 here and 2"):
        resolve_shapes(model, {"a": (2,), "b": (3,)}, None)


def test_an_absurd_size_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 2\\^31"):
        resolve_shapes(model_of(("x", ("N", 3))), {"x": (10**10, 3)}, None)


def test_an_unknown_input_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_shapes(model_of(("x", (1,))), {"images": (1,)}, None)
    assert caught.value.code == "model.unknown-input"
    assert "it has: x" in caught.value.message


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_below_one_is_refused(batch: int) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        resolve_shapes(model_of(("x", ("N",))), {}, batch)


def test_a_batch_that_would_change_nothing_is_refused() -> None:
    """Else its name would stand on the numbers of another batch."""
    fixed = model_of(("x", (1, 3)), ("s", ()))
    with pytest.raises(UsageError, match="batch 8 fits no input") as caught:
        resolve_shapes(fixed, {}, 8)
    assert caught.value.code == "model.shape-mismatch"
    assert resolve_shapes(fixed, {}, 1) == {"x": (1, 3), "s": ()}
    assert resolve_shapes(model_of(("x", (8, 3))), {}, 8) == {"x": (8, 3)}
    assert resolve_shapes(model_of(("x", ("N", 3))), {"x": (2, 3)}, 8) == {"x": (2, 3)}
