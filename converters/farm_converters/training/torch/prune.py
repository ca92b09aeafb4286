"""Magnitude pruning: single weights to zero over the whole network, or whole channels out of the graph."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.torch import channels
from farm_converters.training.torch.loop import Context, Network, fit, weighted_layers


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """Prune in ``rounds`` equal parts, training after each. Raises JobError train.nothing-to-prune,
    train.untraceable."""
    parameters = step["parameters"]
    if parameters["structured"]:
        return channels.apply(network, step, context)
    context.keep_zeros = True
    rounds = int(parameters["rounds"])
    for number in range(1, rounds + 1):
        _zero(network, float(parameters["sparsity"]) * number / rounds, parameters["keep"])
        fit(network, step["train"], context)
    context.notes.append("zeros do not make inference faster: only the compressed file is smaller")
    return network


def kept(name: str, patterns: Sequence[str]) -> bool:
    """Whether a layer stays as it is."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _zero(network: Network, sparsity: float, keep: Sequence[str]) -> None:
    """Set the smallest ``sparsity`` of all layers' weights to zero (one threshold for the whole network)."""
    import torch

    weights = [module.weight for name, module in weighted_layers(network) if not kept(name, keep)]
    if not weights:
        raise JobError(
            "no convolution or fully connected layer is left to prune",
            code="train.nothing-to-prune",
            fix="correct keep in the step, or leave the step out",
        )
    with torch.no_grad():
        sizes = torch.cat([weight.abs().flatten() for weight in weights])
        count = int(sparsity * len(sizes))
        gone = torch.zeros(len(sizes), dtype=torch.bool)
        gone[sizes.argsort(stable=True)[:count]] = True
        for weight, mask in zip(weights, gone.split([w.numel() for w in weights]), strict=True):
            weight.masked_fill_(mask.view_as(weight), 0.0)
