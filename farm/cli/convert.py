"""``farm convert``: turn a model into what runtimes run, and check every artifact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.calib_options import calib_options
from farm.cli.duration import Duration
from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.shapes_option import shape_option
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaList, KeyValue, examples, list_option
from farm.errors import EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, UsageError
from farm.shapes import ShapeWish
from farm_converters.recipe import FORMATS, PRECISIONS

if TYPE_CHECKING:
    from farm.conversions import Conversion


@click.command(
    "convert",
    epilog=examples(
        "farm convert model.onnx",
        "farm convert model.onnx --to tflite,openvino -p fp32,fp16 --out converted",
        "farm convert model.onnx --batch 1 --inputs samples.npz",
        "farm convert model.onnx --to onnx --precision int8 --calib samples.npz",
    )
    + "\n\nExit codes: 0 all converted, 2 usage, 3 some formats failed (the others are kept).",
)
@click.argument("model", type=click.Path(path_type=Path))
@list_option("--to", "formats", kind=CommaList(FORMATS), text="Formats; default onnx,openvino,tflite.")
@list_option(
    "-p", "--precision", "--precisions", "precisions", kind=CommaList(PRECISIONS), text="Default fp32."
)
@shape_option
@click.option("--batch", type=click.IntRange(min=1), help="Size of every free leading dimension.")
@click.option("--inputs", type=click.Path(path_type=Path), help="Inputs for the check: .npz by input name.")
@calib_options
@click.option(
    "--option",
    "options",
    multiple=True,
    type=KeyValue(),
    metavar="KEY=VALUE",
    help="Of the converters, such as sm=86 for rtx, activations=s8 for onnx. Repeatable.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the generated inputs."
)
@click.option("--out", type=click.Path(path_type=Path), help="Copy the artifacts into this folder.")
@click.option("--timeout", type=Duration(), default="5m", show_default=True, help="Limit of one conversion.")
@json_option
@pass_state
def command(
    state: State,
    model: Path,
    formats: tuple[str, ...],
    precisions: tuple[str, ...],
    shapes: tuple[ShapeWish, ...],
    batch: int | None,
    inputs: Path | None,
    calib: Path | None,
    calib_random: int | None,
    preprocess: str,
    exclude: tuple[str, ...],
    options: tuple[tuple[str, str], ...],
    seed: int,
    out: Path | None,
    timeout: float,
) -> int:
    """Convert MODEL and check each artifact against it.

    Each conversion runs in a process of its own with limits on time and memory. Artifacts are cached by
    content: the same request converts nothing a second time.
    """
    from farm.conversions import Wish, convert_all

    wish = Wish(
        model=model,
        formats=formats or ("onnx", "openvino", "tflite"),
        precisions=precisions or ("fp32",),
        shapes=shapes,
        batch=batch,
        inputs=inputs,
        calib=calib,
        calib_random=calib_random or 0,
        preprocess=preprocess,
        exclude=exclude,
        options=dict(options),
        seed=seed,
        out=out,
        timeout_s=timeout,
    )
    done = convert_all(wish, state.config, say)
    if state.json:
        print_json(
            {"schema": "farm.conversions/1", "model": model.stem, "conversions": [d.document for d in done]}
        )
    else:
        _print(model, done)
    return _exit_code(done)


def _print(model: Path, done: Sequence[Conversion]) -> None:
    from farm.conversions import COLUMNS

    rows = [conversion.row for conversion in done]
    told = [index for index, name in enumerate(COLUMNS) if name != "calibration" or _any(rows, index)]
    align = dict.fromkeys(("bytes", "max error", "max value", "cosine", "proof", "seconds"), "right")
    columns = [COLUMNS[index] for index in told]
    print_table(columns, [[row[index] for index in told] for row in rows], title=model.stem, align=align)
    for conversion in done:
        for caveat in conversion.artifact.caveats if conversion.artifact else ():
            say(f"{conversion.format} {conversion.precision}: {caveat}")
    for conversion in done:
        if conversion.error is not None:
            say(f"{conversion.format} {conversion.precision}:")
            print_error(conversion.error)


def _any(rows: Sequence[Sequence[str]], index: int) -> bool:
    return any(row[index] != "-" for row in rows)


def _exit_code(done: Sequence[Conversion]) -> int:
    errors = [conversion.error for conversion in done if conversion.error is not None]
    if not errors:
        return EXIT_OK
    only_usage = len(errors) == len(done) and all(isinstance(error, UsageError) for error in errors)
    return EXIT_USAGE if only_usage else EXIT_PARTIAL
