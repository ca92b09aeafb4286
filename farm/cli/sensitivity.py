"""``farm sensitivity``: which nodes of a network suffer from int8, and which to leave in floats."""

from __future__ import annotations

import math
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.calib_options import calib_options
from farm.cli.duration import Duration
from farm.cli.output import print_json, print_table, say
from farm.cli.shapes_option import shape_option
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, EXIT_PARTIAL, InfrastructureError

if TYPE_CHECKING:
    from farm.shapes import ShapeWish
    from farm_converters.sensitivity import Repair, Score, Sensitivity, Until

_TARGET = re.compile(r"(cosine|snr)\s*>=\s*(\d+(?:\.\d+)?)")
EVERY_S = 2.0


class TargetType(click.ParamType["Until"]):
    """``cosine>=0.999`` or ``snr>=30`` (dB)."""

    name = "target"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Until:
        """Read one target."""
        from farm_converters.sensitivity import Until

        if isinstance(value, Until):
            return value
        match = _TARGET.fullmatch(str(value).strip())
        if match is None or (match[1] == "cosine" and float(match[2]) > 1):
            self.fail(f"{value!r} is not a target such as cosine>=0.999 or snr>=30", param, ctx)
        return Until(match[1], float(match[2]))


@click.command(
    "sensitivity",
    epilog=examples(
        "farm sensitivity model.onnx --calib samples.npz",
        "farm sensitivity model.onnx --calib samples.npz --until 'cosine>=0.999'",
        "farm sensitivity model.onnx --calib photos/ --preprocess imagenet --top 5",
    )
    + "\n\nExit codes: 0 measured, 2 usage, 3 measured but --until was not reached.",
)
@click.argument("model", type=click.Path(path_type=Path))
@calib_options
@click.option(
    "--until",
    type=TargetType(),
    metavar="cosine>=X|snr>=DB",
    help="Find the fewest of the worst nodes to exclude for all outputs to be at least that good.",
)
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    help="Write the nodes to exclude, for --exclude @FILE.",
)
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, help="Nodes to show.")
@shape_option
@click.option("--batch", type=click.IntRange(min=1), help="Size of every free leading dimension.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of --calib-random."
)
@click.option("--timeout", type=Duration(), default="30m", show_default=True, help="Limit of the whole.")
@json_option
@pass_state
def command(
    state: State,
    model: Path,
    calib: Path | None,
    calib_random: int | None,
    preprocess: str,
    exclude: tuple[str, ...],
    until: Until | None,
    write: Path | None,
    top: int,
    shapes: tuple[ShapeWish, ...],
    batch: int | None,
    seed: int,
    timeout: float,
) -> int:
    """Find the nodes of MODEL that suffer from int8.

    Measured is how much the outputs change when a node alone computes in int8,
    worst first. Nodes given to --exclude stay in float32, in every format. What was measured is
    kept: after Ctrl-C the same command goes on where it was.
    """
    from farm.calibrations import of_wishes
    from farm.sensitivity import Question, sensitivity_of

    samples = of_wishes(calib, calib_random or 0, preprocess, seed=seed, cache_dir=state.config.cache_dir)
    question = Question(model, exclude, shapes, batch, until, timeout)
    found = sensitivity_of(question, samples, state.config, say=say, progress=_progress(quiet=state.quiet))
    names = [*exclude, *worst_of(found)]
    if write is not None:
        _write(write, names)
    again = _command(click.get_current_context().params, names)
    if state.json:
        print_json(_document(model, found, again, "random" if calib_random else "data"))
    else:
        _print(model, found, until, top, "RANDOM samples" if calib_random else "samples")
        say(again)
    return EXIT_OK if found.repair is None or found.repair.reached else EXIT_PARTIAL


def _progress(*, quiet: bool) -> Callable[[int, int], None]:
    """Tells how far it is and the time left, now and then; the first report starts the clock. It is called in
    a thread that knows no click context."""
    began: list[tuple[float, int]] = []
    told = [-math.inf]

    def tell(done: int, total: int) -> None:
        now = time.monotonic()
        began.append((now, done))
        if quiet or (now - told[0] < EVERY_S and done < total):
            return
        told[0] = now
        since_s, first = now - began[0][0], began[0][1]
        left = f", {since_s / (done - first) * (total - done):.0f} s left" if done > first else ""
        say(f"node {done} of {total}{left}")

    return tell


def _print(model: Path, found: Sensitivity, until: Until | None, top: int, samples: str) -> None:
    columns = ("rank", "node", "operator", "SNR dB", "cosine")
    rows = [
        (str(rank), entry.node, entry.operator, *_texts(entry.score))
        for rank, entry in enumerate(found.nodes[:top], 1)
    ]
    rows.append(("-", "all of them", f"{len(found.nodes)} nodes", *_texts(found.everything)))
    align = dict.fromkeys(("rank", "SNR dB", "cosine"), "right")
    print_table(
        columns, rows, title=f"{model.stem}: one node in int8, {found.samples} {samples}", align=align
    )
    if found.repair is not None and until is not None:
        say(_repair_text(found.repair, until, len(found.nodes)))


def _repair_text(repair: Repair, until: Until, count: int) -> str:
    wanted = f"{until.metric} {until.value}"
    if not repair.reached:
        return f"{wanted} is not reached before all {count} nodes are excluded: use another precision"
    if not repair.exclude:
        return f"{wanted} is reached with every node in int8"
    return (
        f"{wanted} is reached with {len(repair.exclude)} of {count} nodes in float32: "
        f"cosine {repair.score.cosine:.6f}, SNR {repair.score.snr_db:.1f} dB"
    )


def _texts(score: Score) -> tuple[str, str]:
    return f"{score.snr_db:.1f}", f"{score.cosine:.6f}"


def worst_of(found: Sensitivity) -> list[str]:
    """What to exclude: the nodes that reach the target, or without one the worst three, but half at most."""
    if found.repair is None:
        return [entry.node for entry in found.nodes[: min(3, len(found.nodes) // 2)]]
    return list(found.repair.exclude) if found.repair.reached else []


def _write(path: Path, names: Sequence[str]) -> None:
    try:
        path.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            f"cannot write {path}: {error.strerror}", code="host.not-writable", fix="choose another --write"
        ) from error


def _command(asked: Mapping[str, Any], names: Sequence[str]) -> str:
    """The conversion that leaves ``names`` in floats, otherwise as this command was asked."""
    words = ["farm", "convert", str(asked["model"]), "--to", "onnx", "--precision", "int8"]
    for name in ("batch", "calib", "calib_random", "preprocess"):
        if asked[name]:
            words += [f"--{name.replace('_', '-')}", str(asked[name])]
    if asked["calib_random"] and asked["seed"]:
        words += ["--seed", str(asked["seed"])]
    for wish in asked["shapes"]:
        words += ["--shape", f"{wish.target}:{'x'.join(map(str, wish.shape))}"]
    if names and asked["write"] is not None:
        words += ["--exclude", f"@{asked['write']}"]
    elif names:
        # a comma would end the name; a question mark means any character
        words += ["--exclude", ",".join(name.replace(",", "?") for name in names)]
    return shlex.join(words)


def _document(model: Path, found: Sensitivity, again: str, calibration: str) -> dict[str, Any]:
    repair = found.repair
    return {
        "schema": "farm.sensitivity/1",
        "model": model.stem,
        "samples": found.samples,
        "calibration": calibration,
        "nodes": [
            {"node": entry.node, "operator": entry.operator, **vars(entry.score)} for entry in found.nodes
        ],
        "all": vars(found.everything),
        "repair": {"reached": repair.reached, "exclude": list(repair.exclude), **vars(repair.score)}
        if repair
        else None,
        "command": again,
    }
