"""Magnitude pruning through tfmot: the smallest weights of every layer become zero, then training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.keras.loop import Context, Network, fit
from farm_converters.training.keras.network import is_kept, transfer, wrapped

NEVER_AGAIN = 1 << 30  # batches until tfmot chooses the zeros anew


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """Prune in ``rounds`` equal parts, training after each. Raises JobError train.nothing-to-prune.

    Each round has a constant sparsity, chosen once at its start: a polynomial schedule whose frequency does
    not divide its length would end short of the sparsity that was asked for.
    """
    parameters = step["parameters"]
    rounds = int(parameters["rounds"])
    for number in range(1, rounds + 1):
        network = _round(network, float(parameters["sparsity"]) * number / rounds, step, context)
    context.keep_zeros = True
    context.notes.append("zeros do not make inference faster: only the compressed file is smaller")
    return network


def _round(network: Network, sparsity: float, step: Mapping[str, Any], context: Context) -> Network:
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.sparsity.keras import prune_registry

    # tfmot counts a batch before it looks, so that the first one is number 1
    schedule = tfmot.sparsity.keras.ConstantSparsity(sparsity, begin_step=1, frequency=NEVER_AGAIN)

    names: set[str] = set()

    def wrap(layer: Any) -> Any:  # noqa: ANN401 - tf_keras layer
        fits = prune_registry.PruneRegistry.supports(layer) and any(w.shape.rank > 1 for w in layer.weights)
        if not fits or is_kept(layer, step["parameters"]["keep"]):
            return layer
        names.add(layer.name)
        return tfmot.sparsity.keras.prune_low_magnitude(layer, schedule)

    pruned, count = wrapped(network, wrap)
    if not count:
        raise JobError(
            "no convolution or fully connected layer is left to prune",
            code="train.nothing-to-prune",
            fix="correct keep in the step, or leave the step out",
        )
    callback = tfmot.sparsity.keras.UpdatePruningStep()
    callback.set_model(pruned)
    callback.on_train_begin()
    keep, context.keep_zeros = context.keep_zeros, False  # the masks of tfmot hold them
    fit(pruned, step["train"], context, on_epoch_end=lambda: callback.on_epoch_end(-1))
    context.keep_zeros = keep
    fresh = context.build()
    transfer(tfmot.sparsity.keras.strip_pruning(pruned), fresh)
    context.notes.append(_told(fresh, names))
    return fresh


def _told(network: Network, names: set[str]) -> str:
    """The share of zeros that there really is."""
    kernels = [w.numpy() for layer in network.layers if layer.name in names for w in layer.weights]
    kernels = [kernel for kernel in kernels if kernel.ndim > 1]
    total = sum(kernel.size for kernel in kernels)
    zeros = total - sum(int((kernel != 0).sum()) for kernel in kernels)
    return f"{zeros / total:.1%} of the {total} weights of {len(kernels)} layers are zero"
