"""Options that several commands share."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

import farm.cli
from farm.cli.duration import Duration
from farm.cli.shapes_option import ShapeType, shape_option
from farm.cli.types import CommaInts, CommaList, list_option
from farm.errors import UsageError
from farm.shapes import ShapeWish, refuse_unused, shapes_for


@pytest.mark.parametrize(
    ("text", "target", "shape"),
    [
        ("image:1x3x224x224", "image", (1, 3, 224, 224)),
        ("net/image:1x3", "net/image", (1, 3)),
        ("serving_default_x:0:1x8", "serving_default_x:0", (1, 8)),
        ("scope/inner/x:0:5", "scope/inner/x:0", (5,)),
        ("scalar:", "scalar", ()),
    ],
)
def test_sizes_stand_after_the_last_colon(text: str, target: str, shape: tuple[int, ...]) -> None:
    """So that names may hold colons and slashes."""
    assert ShapeType().convert(text, None, None) == ShapeWish(target, shape)


@pytest.mark.parametrize(
    "text",
    ["image", "image:1x", "image:ax3", "image:0x3", ":1x3", "image:-1x3", "image:1x99999999999", "x:1.5"],
)
def test_a_malformed_shape_is_refused(text: str) -> None:
    """With what one looks like."""
    with pytest.raises(click.BadParameter):
        ShapeType().convert(text, None, None)


@given(st.text(min_size=1), st.lists(st.integers(1, 2**31 - 1), max_size=16))
def test_any_name_and_shape_survive_printing_and_parsing(name: str, sizes: list[int]) -> None:
    """What str() prints is what the option reads."""
    wish = ShapeWish(name, tuple(sizes))

    assert ShapeType().convert(str(wish), None, None) == wish


def test_a_model_in_front_beats_the_bare_input() -> None:
    """And an input whose own name looks like MODEL/INPUT is found under it."""
    wishes = [ShapeWish("net/x", (2,)), ShapeWish("x", (1,)), ShapeWish("a/b", (3,))]

    assert shapes_for(wishes, "net", ["x", "a/b"]) == {"x": (2,), "a/b": (3,)}
    assert shapes_for(wishes, "other", ["x"]) == {"x": (1,)}


def test_a_shape_for_nobody_is_refused() -> None:
    """A misspelt input must not be ignored."""
    with pytest.raises(UsageError, match="net/image") as caught:
        refuse_unused([ShapeWish("imgae", (1,))], {"net": ["image"]})
    assert caught.value.code == "model.unknown-input"


def parse(*arguments: str) -> tuple[object, ...]:
    """What a command with the shared options receives."""
    seen: list[object] = []

    @click.command()
    @list_option("-d", "--devices", text="Devices.")
    @list_option("--threads", kind=CommaInts(), text="Threads.")
    @shape_option
    def command(devices: object, threads: object, shapes: object) -> None:
        seen.extend((devices, threads, shapes))

    command.main(list(arguments), standalone_mode=False)
    return tuple(seen)


def test_lists_by_commas_and_by_repetition_are_the_same() -> None:
    """Blanks do not matter, order stays, repeats go."""
    wanted = (("a", "b", "c"), (1, 4), ())

    assert parse("-d", "a, b", "-d", "c,a", "--threads", "1,4") == wanted
    assert parse("-d", "a,b,c", "--threads", "1", "--threads", "4") == wanted


@pytest.mark.parametrize("text", ["a,,b", ",", ""])
def test_an_empty_item_is_refused(text: str) -> None:
    """A stray comma is more likely a slip than a wish."""
    with pytest.raises(click.BadParameter, match="empty item"):
        CommaList().convert(text, None, None)


@pytest.mark.parametrize("text", ["0", "x", "1,-2", "1.5", "²"])
def test_thread_counts_are_whole_and_positive(text: str) -> None:
    """Digits only."""
    with pytest.raises(click.BadParameter):
        CommaInts().convert(text, None, None)


def test_a_choice_suggests_the_nearest() -> None:
    """As every name does."""
    with pytest.raises(click.BadParameter, match="did you mean 'fp16'"):
        CommaList(("fp32", "fp16")).convert("fp61", None, None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("3s", 3.0), ("2m", 120.0), ("1.5h", 5400.0), ("7", 7.0)]
)
def test_durations(text: str, seconds: float) -> None:
    """Units as people write them."""
    assert Duration().convert(text, None, None) == pytest.approx(seconds)


def test_global_options_may_stand_behind_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``farm config show --store here`` as ``farm --store here config show``."""
    assert farm.cli.main(["config", "show", "--origin", "--store", "elsewhere", "--offline"]) == 0

    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    settings = {name: (value, origin) for name, value, origin in lines}
    assert settings["store"][0].endswith("elsewhere")
    assert settings["offline"] == ("true", "flag")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--data", "missing.npz"], "data.missing"),
        (["--inputs", "missing.npz"], "inputs.missing"),
        (["--min-time", "10s", "--max-time", "1s"], "cli.usage"),
        (["--energy-window", "5s"], "cli.usage"),
    ],
)
def test_a_wrong_option_of_bench_is_said_before_anything_runs(
    capsys: pytest.CaptureFixture[str], options: list[str], code: str
) -> None:
    """One error with its fix; no run, no table."""
    assert farm.cli.main(["bench", "model.onnx", *options]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error[{code}]: ")
    assert "fix: " in err


def test_a_model_that_is_not_there_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    """However many runtimes it was wanted in."""
    assert farm.cli.main(["bench", "missing.onnx"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("missing.onnx") == err.count("error[model.missing]") == 1


@pytest.mark.parametrize(
    "group", [[], ["results"], ["devices"], ["health"], ["jobs"], ["wheels"], ["agent"], ["config"]]
)
def test_no_line_of_a_command_list_is_cut(capsys: pytest.CaptureFixture[str], group: list[str]) -> None:
    """Each command's first sentence fits eighty columns."""
    assert farm.cli.main([*group, "--help"]) == 0

    listed = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


def test_a_dry_run_of_a_comparison_alone_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """``--ab REF`` without a model has no plan to show; it must not begin instead."""
    assert farm.cli.main(["bench", "--ab", "last", "--dry-run"]) == 2
    assert "--dry-run shows the plan of a MODEL" in capsys.readouterr().err
