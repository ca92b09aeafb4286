"""Quantisation-aware training through tfmot; zeros and clusters of earlier steps can be preserved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.keras.data import Split
from farm_converters.training.keras.loop import Context, Network, fit
from farm_converters.training.keras.network import is_kept, transfer, wrapped

# Ranges that tfmot tracks as a moving average, by the names of their variables
_TRACKED = ("output", "post_activation", "pre_activation")
EMA_STEP = 1.0 - 0.999  # tfmot's, which it offers no setting for
PASSES = 4


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """The network with int8 rounding in its forward pass. Raises JobError train.unsupported-layer."""
    import tensorflow_model_optimization as tfmot

    parameters = step["parameters"]
    copy = context.build()
    transfer(network, copy)
    keras = tfmot.quantization.keras
    annotated, _ = wrapped(
        copy,
        lambda layer: layer if is_kept(layer, parameters["keep"]) else keras.quantize_annotate_layer(layer),
    )
    try:
        with keras.quantize_scope():
            made = keras.quantize_apply(annotated, *_scheme(parameters["preserve"]))
    except (RuntimeError, ValueError) as error:
        raise JobError(
            f"tfmot cannot quantise this network: {' '.join(str(error).split())[:300]}",
            code="train.unsupported-layer",
            fix="name the layers that the message names in keep = [...] of the qat step",
        ) from error
    calibrate(made, context.split("train"), int(parameters["calibration_samples"]))
    keep, context.keep_zeros = context.keep_zeros, False  # tfmot's schemes hold what is preserved
    fit(made, step["train"], context)
    context.keep_zeros = keep
    if "clusters" in parameters["preserve"]:
        made = tfmot.experimental.combine.strip_clustering_cqat(made)
    return made


def _scheme(preserve: str) -> tuple[Any, ...]:
    import tensorflow_model_optimization as tfmot

    if preserve == "sparsity":
        return (tfmot.experimental.combine.Default8BitPrunePreserveQuantizeScheme(),)
    return (_cluster_scheme("sparsity" in preserve),) if "clusters" in preserve else ()


def _cluster_scheme(sparsity: bool) -> Any:  # noqa: ANN401, FBT001 - tfmot QuantizeScheme
    """tfmot's, with a quantiser for each layer: shared, as tfmot has it, the first layer without zeros turns
    the preservation of zeros off for all others."""
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.cluster_preserve import (
        cluster_preserve_quantize_registry as registry,
    )

    shared = registry.Default8bitClusterPreserveQuantizeRegistry

    class Registry(shared):  # type: ignore[misc,valid-type]
        def get_quantize_config(self, layer: Any) -> Any:  # noqa: ANN401 - tfmot QuantizeConfig
            return shared(sparsity).get_quantize_config(layer)

    class Scheme(tfmot.experimental.combine.Default8BitClusterPreserveQuantizeScheme):  # type: ignore[misc]
        def get_quantize_registry(self) -> Any:  # noqa: ANN401 - tfmot QuantizeRegistry
            return Registry(sparsity)

    return Scheme(sparsity)


def calibrate(network: Network, split: Split, count: int) -> None:
    """Set the ranges of activations to what ``count`` training samples reach, before any training.

    tfmot starts them at -6 to 6 and moves them by a thousandth per batch, so that short trainings would end
    with ranges that are far too wide. One forward pass tells a thousandth of the way to the range of the
    batch; times a thousand it is the range. Later layers see what earlier ranges let through: a few passes.
    """
    inputs, _ = next(split.batches(min(count, len(split))))
    given = inputs[0] if len(inputs) == 1 else list(inputs)
    ranges = [v for v in network.variables if _is_tracked(v.name)]
    others = [v for v in network.variables if not _is_tracked(v.name)]
    kept = [variable.numpy() for variable in others]
    for _ in range(PASSES):
        before = [float(variable.numpy()) for variable in ranges]
        network(given, training=True)
        for variable, old in zip(ranges, before, strict=True):
            variable.assign(old + (float(variable.numpy()) - old) / EMA_STEP)
        for variable, value in zip(others, kept, strict=True):  # batch normalisation moved, too
            if "quantize_layer" not in variable.name:
                variable.assign(value)


def _is_tracked(name: str) -> bool:
    stem = name.split(":", maxsplit=1)[0].rsplit("/", 1)[-1]
    return any(stem.endswith(f"{word}_{bound}") for word in _TRACKED for bound in ("min", "max"))
