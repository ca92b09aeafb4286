"""Inside the sandbox: float .tflite files in int8 and int4, by ai-edge-quantizer.

The quantiser does not know every operator, and LiteRT not every quantised one: an operator type that either
refuses by name is left in floats, with a caveat, and all is tried again.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent import precisions, tflite_file, tflite_precisions
from farm_agent.errors import JobError
from farm_converters import quantised
from farm_converters.quantise_onnx import choice, integer_io

MOST_RETRIES = 8
LEAST_WEIGHTS = 1024  # below it, the older runtimes' own quantiser left weights alone
_MATERIALIZE = re.compile(r"materialize_(\w+)")
_PREPARE = re.compile(r"Node number \d+ \((\w+)\) failed to prepare|is unsupported by op (\w+)")
_OWN_NAMES = {"FCCONV": "CONV_2D", "SOFTMAXANDLOGISTIC": "SOFTMAX"}
QUANTIZE, DEQUANTIZE = 114, 6  # BuiltinOperator
Feeds = Callable[[], Iterable[Mapping[str, Any]]]


@dataclass(frozen=True)
class Style:
    """``per_tensor``: one scale per weight tensor in matrix products, which tflite-runtime 2.14 needs: with
    one per channel its dynamic kernels give wrong answers. ``integer_io``: inputs and outputs are int8.
    ``method``: ranges from the smallest to the largest value of all samples ("minmax"), or the quantiser's
    own moving average over them ("average"), which cuts off what is rare."""

    precision: str
    per_tensor: bool = False
    integer_io: bool = False
    method: str = "minmax"

    @classmethod
    def of(cls, precision: str, options: Mapping[str, str]) -> Style:
        """From a recipe's options. Raises JobError convert.option."""
        return cls(
            precision,
            per_tensor=choice(options, "granularity", ("channel", "tensor")) == "tensor",
            integer_io=integer_io(options, precision),
            method=choice(options, "method", ("minmax", "average")),
        )


def is_quantised(path: Path) -> bool:
    """Whether the file rounds values already (QUANTIZE, or DEQUANTIZE of what is no float16)."""
    for graph in tflite_file.read(path).graphs:
        for operator in graph.operators:
            read = [graph.tensors[index].kind for index in operator.inputs if index >= 0]
            if operator.code == QUANTIZE or (operator.code == DEQUANTIZE and 1 not in read):
                return True
    return False


def quantise(source: Path, target: Path, style: Style, feeds: Feeds, keep: Collection[str]) -> list[str]:
    """Write ``target``; what is worth knowing of it. ``keep``: output tensors of operators that stay floats.

    ``feeds`` yields samples by tensor name. Raises JobError convert.nothing-to-quantise,
    convert.quantiser-fails.
    """
    from ai_edge_quantizer import quantizer

    left_out: list[str] = []
    statistics: Any = None
    while True:
        try:
            target.unlink(missing_ok=True)
            recipes = _recipes(style, keep, left_out)
            if precisions.of(style.precision).calibrated and statistics is None:
                statistics = _calibrated(source, recipes, style, feeds)
            work = quantizer.Quantizer(str(source), recipes.get_quantization_recipe())
            work.quantize(statistics, enable_progress_report=False).export_model(str(target))
            _load(target)
            break
        except MemoryError:
            raise
        except Exception as error:
            culprit = _culprit(error)
            if culprit is None or culprit in left_out or len(left_out) == MOST_RETRIES:
                raise _fails(error) from error
            left_out.append(culprit)
    return [*_shares(target, style.precision), *_caveats(left_out)]


def _recipes(style: Style, keep: Collection[str], left_out: Sequence[str]) -> Any:  # noqa: ANN401 - RecipeManager
    from ai_edge_quantizer import qtyping, recipe_manager
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    names, floats = qtyping.TFLOperationName, AlgorithmName.NO_QUANTIZE
    recipes = recipe_manager.RecipeManager()
    recipes.load_quantization_recipe(_recipe(style.precision))
    if style.per_tensor and style.precision != "int4-weights":
        for name in (names.FULLY_CONNECTED, names.BATCH_MATMUL):
            recipes.add_quantization_config(".*", name, _per_tensor(style.precision))
    skipped = [names[name] for name in left_out]
    if style.precision == "int8" and not style.integer_io:
        skipped += [names.INPUT, names.OUTPUT]
    for name in skipped:
        recipes.add_quantization_config(".*", name, algorithm_key=floats)
    if keep:
        recipes.add_quantization_config(scope(keep), names.ALL_SUPPORTED, algorithm_key=floats)
    return recipes


def scope(outputs: Collection[str]) -> str:
    """A pattern for the operators that make these: the quantiser knows each by its outputs' names, every one
    followed by a semicolon."""
    return f"(^|;)({'|'.join(re.escape(name) for name in sorted(outputs))});"


def _recipe(precision: str) -> Any:  # noqa: ANN401 - the quantiser's recipe
    from ai_edge_quantizer import recipe

    known = {
        "int8": recipe.static_wi8_ai8,
        "int8-dynamic": recipe.dynamic_wi8_afp32,
        "int8-weights": recipe.weight_only_wi8_afp32,
        "int4-weights": recipe.weight_only_wi4_afp32,
    }
    return known[precision]()


def _per_tensor(precision: str) -> Any:  # noqa: ANN401 - OpQuantizationConfig
    from ai_edge_quantizer import qtyping

    floats = precision == "int8-weights"
    activations = qtyping.TensorQuantizationConfig(num_bits=8, symmetric=False)
    return qtyping.OpQuantizationConfig(
        activation_tensor_config=activations if precision == "int8" else None,
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=8, symmetric=True, granularity=qtyping.QuantGranularity.TENSORWISE
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT if floats else qtyping.ComputePrecision.INTEGER,
        explicit_dequantize=floats,
        min_weight_elements=LEAST_WEIGHTS if precision == "int8-dynamic" else 0,
    )


def _calibrated(source: Path, recipes: Any, style: Style, feeds: Feeds) -> Any:  # noqa: ANN401 - RecipeManager
    """Ranges of every tensor that the recipes quantise, by its name."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer.calibrator import Calibrator
    from ai_edge_quantizer.utils import qsv_utils

    interpreter = Interpreter(model_path=str(source), num_threads=1)
    signatures = interpreter.get_signature_list()
    if not signatures:
        raise JobError(
            "the float model has no signature by which the quantiser could run it",
            code="convert.quantiser-fails",
            fix="ask for int8-dynamic or int8-weights, which need no calibration",
        )
    key = min(signatures)
    details = interpreter.get_signature_runner(key).get_input_details()
    arguments = {detail["name"]: argument for argument, detail in details.items()}
    # a list, because the quantiser goes through it twice
    named = [
        {arguments[name]: array for name, array in feed.items() if name in arguments} for feed in feeds()
    ]
    update = qsv_utils.min_max_update if style.method == "minmax" else qsv_utils.moving_average_update
    calibrator = Calibrator(source.read_bytes(), num_threads=2, qsv_update_func=update)
    calibrator.calibrate({key: named}, recipes)
    return calibrator.get_model_qsvs()


def _load(path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    Interpreter(model_path=str(path), num_threads=1).allocate_tensors()


def _culprit(error: Exception) -> str | None:
    """The operator type at which the quantiser or LiteRT stopped, in the quantiser's spelling."""
    found = _PREPARE.search(str(error))
    if found:
        return spelled(found.group(1) or found.group(2))
    steps = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    asked = [match.group(1) for step in steps if (match := _MATERIALIZE.fullmatch(step))]
    return next((name for name in map(spelled, asked) if name), None)


def spelled(name: str) -> str | None:
    """``name`` (padv2, Sqrt, CONV_2D) as the quantiser's enumeration spells it."""
    from ai_edge_quantizer import qtyping

    plain = name.replace("_", "").upper()
    known = {entry.name.replace("_", ""): str(entry.name) for entry in qtyping.TFLOperationName}
    return _OWN_NAMES.get(plain) or known.get(plain)


def _shares(path: Path, precision: str) -> list[str]:
    """Raises JobError convert.nothing-to-quantise when no weights and no operators came out reduced."""
    proof = tflite_precisions.proof(path, "")
    share = precisions.share(precision, proof)
    if not share:
        raise quantised.nothing("the quantiser found no operator with weights that it can reduce")
    bits = "4 bits" if precision == "int4-weights" else "8 bits"
    if not precisions.of(precision).computes:
        return [f"{share:.0%} of the weights are stored in {bits}"]
    which = "operators with weights" if proof and proof.weighted else "operators"
    return [f"{share:.0%} of the {which} compute in {bits}"]


def _caveats(left_out: Sequence[str]) -> list[str]:
    return [f"{name} stays in floats: it cannot be quantised here" for name in left_out]


def _fails(error: Exception) -> JobError:
    if isinstance(error, JobError):
        return error
    text = " ".join(str(error).split())[:400]
    return JobError(
        f"ai-edge-quantizer cannot quantise this network: {type(error).__name__}: {text}",
        code="convert.quantiser-fails",
        fix="exclude the operators it names with --exclude op:TYPE, or use another precision or target",
    )
