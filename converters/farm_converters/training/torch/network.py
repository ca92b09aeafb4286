"""The user's networks: built by their functions, with weights from a file where the recipe names one."""

from __future__ import annotations

from typing import Any

from farm_agent.errors import JobError, UsageError
from farm_converters.training.contract import load_entry, user_code
from farm_converters.training.torch.loop import Context, Network, seed_all


def build(entry: str, weights: str, key: str, context: Context) -> Network:
    """The network that ``entry`` returns. Raises JobError train.user-code, train.not-a-network; UsageError
    train.weights."""
    import torch

    seed_all(context.seed)
    function = load_entry(entry, context.folder, key)
    with user_code(key, context.folder):
        network = function()
    if not isinstance(network, torch.nn.Module):
        raise JobError(
            f"{key}: {entry} returned {type(network).__name__}, not a torch.nn.Module",
            code="train.not-a-network",
            fix=f"let the function that {key} names return the network itself",
        )
    if weights:
        _load(network, weights, key, context)
    return network


def _load(network: Network, weights: str, key: str, context: Context) -> None:
    """A state dict, read without unpickling anything but tensors."""
    import torch

    path = context.folder / weights
    option = "weights" if key == "model" else f"{key}_weights"
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state.get("state_dict", state))
    except Exception as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UsageError(
            f"{option}: {path.name} cannot be loaded into the network: {' '.join(lines[:2])[:300]}",
            code="train.weights",
            fix="save the weights of this very network: torch.save(network.state_dict(), FILE)",
        ) from error
