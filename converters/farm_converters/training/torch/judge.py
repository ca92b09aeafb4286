"""Losses and metrics on tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.contract import load_entry
from farm_converters.training.torch.data import Split

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def loss_of(name: str, folder: Path) -> Loss:
    """The loss (outputs, labels) -> scalar that ``train.loss`` names."""
    import torch.nn.functional as f

    if ":" in name:
        own: Loss = load_entry(name, folder, "train.loss")
        return own
    losses: dict[str, Loss] = {
        "cross_entropy": f.cross_entropy,
        "mse": _alike(f.mse_loss),
        "mae": _alike(f.l1_loss),
    }
    losses["auto"] = lambda outputs, labels: losses[
        "mse" if labels.dtype.is_floating_point else "cross_entropy"
    ](outputs, labels)
    return losses[name]


def _alike(loss: Loss) -> Loss:
    """Labels of shape [n] meet outputs of shape [n, 1]; anything else is left to broadcast by no one."""
    return lambda outputs, labels: loss(outputs, labels.reshape(outputs.shape))


def score(network: Any, split: Split, metric: str, batch: int, device: str) -> float:  # noqa: ANN401
    """The metric over a whole split: top-1, top-5 (shares, 0 to 1) or mae."""
    import torch

    was_training = network.training
    network.eval()
    total, count = 0.0, 0
    with torch.inference_mode():
        for inputs, labels in split.batches(batch):
            outputs = tensor_of(network(*(value.to(device) for value in inputs))).float().cpu()
            total += _sum(metric, outputs, labels)
            count += len(labels)
    network.train(was_training)
    return total / count


def tensor_of(outputs: Any) -> Tensor:  # noqa: ANN401 - what the user's forward returned
    """The one output. Raises JobError train.outputs for anything but a tensor."""
    import torch

    if isinstance(outputs, (tuple, list)) and len(outputs) == 1:
        outputs = outputs[0]
    if not isinstance(outputs, torch.Tensor):
        raise JobError(
            f"the network returns {type(outputs).__name__}, not one tensor",
            code="train.outputs",
            fix="let the network's forward return one tensor, for example through a small wrapper module",
        )
    return outputs


def _sum(metric: str, outputs: Tensor, labels: Tensor) -> float:
    if metric == "mae":
        return float((outputs - labels.reshape(outputs.shape)).abs().reshape(len(labels), -1).mean(1).sum())
    best = outputs.topk(min(5 if metric == "top-5" else 1, outputs.shape[1]), dim=1).indices
    return float((best == labels.reshape(-1, 1)).any(dim=1).sum())
