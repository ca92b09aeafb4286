"""Train on from where the network is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_converters.training.keras.loop import Context, Network, fit


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """The same network with other weights."""
    fit(network, step["train"], context)
    return network
