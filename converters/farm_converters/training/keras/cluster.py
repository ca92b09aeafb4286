"""Weight clustering through tfmot: the weights of a layer share few values, so that the file packs well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.keras.loop import Context, Network, fit
from farm_converters.training.keras.network import is_kept, transfer, wrapped


def apply(network: Network, step: Mapping[str, Any], context: Context) -> Network:
    """Cluster, then train the centroids. Raises JobError train.nothing-to-cluster.

    Works on a copy: tfmot moves the weights out of the layers that it wraps.
    """
    import tensorflow_model_optimization as tfmot
    from tensorflow_model_optimization.python.core.clustering.keras import clustering_registry
    from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster

    parameters = step["parameters"]
    clusters = int(parameters["clusters"])
    start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS

    def wrap(layer: Any) -> Any:  # noqa: ANN401 - tf_keras layer
        largest = max((w.shape.num_elements() for w in layer.weights if w.shape.rank > 1), default=0)
        known = clustering_registry.ClusteringRegistry.supports(layer)
        if not known or largest <= clusters or is_kept(layer, parameters["keep"]):
            return layer
        return cluster.cluster_weights(
            layer, clusters, start, preserve_sparsity=bool(parameters["preserve_sparsity"])
        )

    copy = context.build()
    transfer(network, copy)
    made, count = wrapped(copy, wrap)
    if not count:
        raise JobError(
            f"no layer has more than {clusters} weights to cluster",
            code="train.nothing-to-cluster",
            fix="ask for fewer clusters, correct keep in the step, or leave the step out",
        )
    keep, context.keep_zeros = context.keep_zeros, False
    fit(made, step["train"], context)
    context.keep_zeros = keep and bool(parameters["preserve_sparsity"])
    fresh = context.build()
    transfer(tfmot.clustering.keras.strip_clustering(made), fresh)
    context.notes.append("few values do not make inference faster: only the compressed file is smaller")
    return fresh
