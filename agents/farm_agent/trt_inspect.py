"""Which precision each layer of a TensorRT engine computes in, from its inspector's JSON.

An engine built without ProfilingVerbosity.DETAILED names its layers only: nothing can be told of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Dict, List, Mapping, Optional

from farm_agent.trace import PROFILE_LIMIT_BYTES, precision_of, summarise
from farm_agent.wire import PrecisionProof

SOURCE = "TensorRT engine inspector: inputs and weights of every layer"
MOVING = re.compile(
    r"reformat|noop|shuffle|copy|constant|slice|concat|gather|myelinfill|^move|^reshape|^cast$|shape", re.I
)
WEIGHTED = re.compile(r"conv|gemm|matrixmultiply|fullyconnected|^fc$|matmul|rnn|lstm|gru|mha", re.I)
WORDS = {"half": "fp16", "float": "fp32", "bf16": "bf16", "int8": "int8", "fp8": "fp8", "int4": "int4"}
BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "int8": 1.0, "fp8": 1.0, "int4": 0.5}
MOST_LAYERS = 100_000


def proof(text: str) -> Optional[PrecisionProof]:
    """Counts over the engine's layers; None when the inspector tells no types."""
    computing: Counter[str] = Counter()
    moving: Counter[str] = Counter()
    weighted: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for layer in layers(text):
        precision = _executed(layer)
        if not precision:
            continue
        kind = str(layer.get("LayerType", ""))
        name = f"{layer.get('ParameterType', '')} {layer.get('TacticName', '')}"
        if MOVING.search(kind):
            moving[precision] += 1
            continue
        computing[precision] += 1
        if WEIGHTED.search(kind) or WEIGHTED.search(name) or isinstance(layer.get("Weights"), dict):
            weighted[precision] += 1
        for kind, size in _weights(layer).items():
            weights[kind] += size
    found = summarise(computing, moving, SOURCE)
    if found is None:
        return None
    return PrecisionProof(found.executed, found.operators, found.source, dict(weighted), dict(weights))


def layers(text: str) -> List[Mapping[str, Any]]:
    """The described layers of ``{"Layers": [...]}``; [] for anything else."""
    try:
        document = json.loads(text[:PROFILE_LIMIT_BYTES])
    except (ValueError, RecursionError):
        return []
    found = document.get("Layers") if isinstance(document, dict) else None
    return (
        [layer for layer in found[:MOST_LAYERS] if isinstance(layer, dict)] if isinstance(found, list) else []
    )


def _executed(layer: Mapping[str, Any]) -> str:
    """What it multiplies in: 8 bits where it reads them, else the type of its weights, inputs or outputs.

    A quantised kernel reads int8 and may write floats; one that scales back reads int8 as well, but its
    kind says that it only moves.
    """
    read = _types(layer.get("Inputs"))
    for narrow in ("int8", "fp8", "int4"):
        if narrow in read:
            return narrow
    held = _weights(layer)
    if held:
        return max(held, key=lambda kind: held[kind])
    for candidates in (read, _types(layer.get("Outputs"))):
        known = [kind for kind in candidates if kind]
        if known:
            return known[0]
    return ""


def _weights(layer: Mapping[str, Any]) -> Dict[str, int]:
    """Bytes of constant weights by type; empty where the layer tells none."""
    entry = layer.get("Weights")
    if not isinstance(entry, dict):
        return {}
    kind, count = _word(str(entry.get("Type", ""))), entry.get("Count")
    if not kind or not isinstance(count, int) or count <= 0:
        return {}
    return {kind: int(count * BYTES.get(kind, 4.0))}


def _types(tensors: object) -> List[str]:
    found = tensors[:64] if isinstance(tensors, list) else []
    return [
        _word(str(entry.get("Format/Datatype", entry.get("Datatype", ""))))
        for entry in found
        if isinstance(entry, dict)
    ]


def _word(text: str) -> str:
    """``Row-major linear FP32``, ``Thirty-two wide channel vectorized row major Int8 format``, ``Half``."""
    for part in re.split(r"[^A-Za-z0-9]+", text[:300]):
        word = part.lower()
        found = WORDS.get(word) or precision_of(word.replace("fp", "float"))
        if found != "other":
            return found
    return ""
