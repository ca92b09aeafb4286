"""The learning rate of every batch; pure, so that each framework trains by the same curve."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def learning_rate(train: Mapping[str, Any], batch: int, batches_per_epoch: int) -> float:
    """The rate for batch number ``batch``, counted from 0 over all epochs.

    Rises linearly to ``lr`` over ``warmup_steps`` batches; then stays (constant), falls to 0 along half a
    cosine over the batches that are left (cosine; Loshchilov, Hutter 2017, without restarts), or is
    multiplied by ``step_factor`` every ``step_epochs`` epochs (step).
    """
    peak, warmup = float(train["lr"]), int(train["warmup_steps"])
    if batch < warmup:
        return peak * (batch + 1) / (warmup + 1)
    if train["schedule"] == "cosine":
        whole = max(1, int(train["epochs"]) * batches_per_epoch - warmup)
        return peak * 0.5 * (1.0 + math.cos(math.pi * min(1.0, (batch - warmup) / whole)))
    if train["schedule"] == "step":
        return peak * float(train["step_factor"]) ** (batch // batches_per_epoch // int(train["step_epochs"]))
    return peak


def is_better(metric: str, new: float, best: float | None) -> bool:
    """Whether ``new`` beats ``best``: errors are better small, shares of right answers large."""
    return best is None or (new < best if metric == "mae" else new > best)


def seed_of(seed: int, *parts: int) -> int:
    """A seed of its own for each part of a run, below 2**31, whether or not it was interrupted."""
    value = seed
    for part in parts:
        value = (value * 1_000_003 + part + 1) % (2**31 - 1)
    return value
