"""The user's networks: built by their functions, with weights from a file where the recipe names one."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError, UsageError
from farm_converters.training.contract import load_entry, user_code
from farm_converters.training.keras.loop import Network, seed_all


def builder(entry: str, key: str, folder: Path, seed: int) -> Callable[[], Network]:
    """A function that builds the network of ``entry``: the same layers, names and first weights every time.

    It raises JobError train.user-code, train.not-a-network, train.subclassed.
    """
    function = load_entry(entry, folder, key)

    def build() -> Network:
        import tf_keras

        tf_keras.backend.reset_uids()
        seed_all(seed)
        with user_code(key, folder):
            network = function()
        _check(network, entry, key)
        return network

    return build


def _check(network: Any, entry: str, key: str) -> None:  # noqa: ANN401 - what the user's function returned
    import tf_keras

    if not isinstance(network, tf_keras.Model):
        kind = f"{type(network).__module__.split('.')[0]}.{type(network).__name__}"
        raise JobError(
            f"{key}: {entry} returned {kind}, not a network of tf_keras",
            code="train.not-a-network",
            fix="build it from tf_keras (import tf_keras): tensorflow-model-optimization knows no Keras 3",
        )
    graph = isinstance(network, tf_keras.Sequential) or getattr(network, "_is_graph_network", False)
    if not graph or not network.built or not network.inputs:
        raise JobError(
            f"{key}: {entry} returned a network without a graph of layers",
            code="train.subclassed",
            fix="use tf_keras.Sequential that begins with an Input, or tf_keras.Model(inputs, outputs)",
        )


def load_weights(network: Network, path: Path, option: str) -> None:
    """Weights out of .weights.h5, .h5, .keras or .npz (arrays in the order of get_weights()).

    Raises UsageError train.weights.
    """
    try:
        if path.suffix == ".npz":
            network.set_weights(_arrays(path))
        else:
            network.load_weights(str(path))
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise UsageError(
            f"{option}: {path.name} cannot be loaded into the network: {text}",
            code="train.weights",
            fix="save the weights of this very network: model.save_weights('NAME.weights.h5')",
        ) from error


def _arrays(path: Path) -> list[Any]:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return [archive[f"best.{k}"] for k in range(sum(name.startswith("best.") for name in archive.files))]


def transfer(source: Network, target: Network) -> None:
    """Copy weights layer by layer, by name: tfmot's wrapped networks hold theirs in another order."""
    own = {layer.name: layer for layer in target.layers}
    for layer in source.layers:
        own[layer.name].set_weights(layer.get_weights())


def is_kept(layer: Any, patterns: Sequence[str]) -> bool:  # noqa: ANN401 - tf_keras layer
    """Whether a layer stays as it is."""
    return any(fnmatch.fnmatchcase(layer.name, pattern) for pattern in patterns)


def wrapped(network: Network, wrap: Callable[[Any], Any]) -> tuple[Network, int]:
    """A network whose layers went through ``wrap`` (the same layer back: as it was), and how many changed."""
    import tf_keras

    count = 0

    def one(layer: Any) -> Any:  # noqa: ANN401 - tf_keras layer
        nonlocal count
        made = wrap(layer)
        count += made is not layer
        return made

    return tf_keras.models.clone_model(network, clone_function=one), count
