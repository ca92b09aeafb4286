"""Inside the sandbox: what int8 costs at each node of an ONNX model, in ONNX Runtime on real samples.

One node at a time is quantised, all others stay in floats; the outputs are compared with the model's own.
Every finished node is appended to a file, so that what was measured is not lost.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import JobError
from farm_converters import exclude, graph, quantise_onnx, quantised
from farm_converters.quantise_onnx import Style
from farm_converters.simplify import slim

if TYPE_CHECKING:
    import numpy as np

    Outputs = list[list[np.ndarray[Any, Any]]]

SAMPLES = 16
MOST_DB = 200.0  # of equal outputs, whose ratio is infinite
# they hand on what they get, or are folded into the node before
PASSIVE = frozenset(
    [
        "Relu", "Clip", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "MaxPool", "Slice", "Pad",
        "Split", "Gather", "GatherElements", "Where", "TopK", "Resize",
    ]
)  # fmt: skip
PROGRESS = "progress.jsonl"


@dataclass(frozen=True)
class Trial:
    """A model prepared for quantisation, ranges of its activations, samples and its own answers to them."""

    model: Any
    ranges: Any
    style: Style
    feeds: Sequence[Mapping[str, Any]]
    reference: Outputs
    fixed: tuple[str, ...]

    def score(self, *, only: Sequence[str] = (), without: Sequence[str] = ()) -> dict[str, float]:
        """``snr_db`` and ``cosine`` of the worst output when the nodes ``only``, or all but ``without``, are
        quantised."""
        leave_out = [*self.fixed, *without]
        made = quantise_onnx.with_ranges(
            self.model, self.ranges, self.style, exclude=leave_out, only=list(only)
        )
        return compared(self.reference, outputs_of(made, self.feeds))


def measure(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Score every node not in ``request["known"]``, and find the exclude list for ``request["until"]``.

    Raises JobError convert.unsupported, .nothing-to-quantise, .calibration-fails, .exclude-unknown.
    """
    import onnx

    source = onnx.load(request["model"])
    trial = _trial(request, source, workdir)
    names = _source_names(source, trial.model)
    nodes = candidates(trial)
    known = {entry["node"]: entry for entry in request["known"]}
    found = []
    with (workdir / PROGRESS).open("a", encoding="utf-8") as file:
        for node in nodes:
            name = names[node.name]
            entry = known.get(name)
            if entry is None:
                score = trial.score(only=[node.name])
                entry = {"node": name, "operator": node.op_type, "total": len(nodes), **score}
                file.write(json.dumps(entry) + "\n")
                file.flush()
            found.append({**entry, "own": node.name})
    found.sort(key=lambda entry: (entry["snr_db"], entry["node"]))
    everything = trial.score()
    repair = _repair(trial, found, request["until"], everything) if request["until"] else None
    kept = [{key: value for key, value in entry.items() if key != "own"} for entry in found]
    return {"nodes": kept, "all": everything, "repair": repair, "samples": len(trial.feeds)}


def candidates(trial: Trial) -> list[Any]:
    """Nodes that compute, and that the quantiser would put into int8."""
    types = set(quantise_onnx.op_types(trial.style)) - PASSIVE
    constants = {tensor.name for tensor in trial.model.graph.initializer}
    nodes = [
        node
        for node in trial.model.graph.node
        if node.op_type in types
        and node.name not in trial.fixed
        and any(name in trial.ranges for name in node.input if name not in constants)
    ]
    if not nodes:
        raise quantised.nothing("the model has no operator that could be quantised")
    return nodes


def _trial(request: dict[str, Any], source: Any, workdir: Path) -> Trial:  # noqa: ANN401 - ModelProto
    style = Style.of(request["options"])
    inputs = [item["name"] for item in request["inputs"]]
    calibration = Path(request["calibration"])
    import onnx

    try:
        model = graph.infer(slim(onnx.load(request["model"])))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - onnxslim trips in many ways, over models that run without it
        model = onnx.load(request["model"])
    model = quantise_onnx.with_own_biases(quantise_onnx.lifted(model, quantise_onnx.QDQ_OPSET))
    fixed = exclude.surviving(source, model, exclude.select(source, request["exclude"]))
    ranges = quantise_onnx.ranges_of(model, calibration, inputs, style, workdir)
    feeds = list(_spread(list(quantise_onnx.samples_of(calibration, inputs))))
    return Trial(model, ranges, style, feeds, outputs_of(model, feeds), tuple(fixed))


def _spread(feeds: list[Any]) -> Iterator[Any]:
    """At most SAMPLES of them, evenly."""
    step = max(1, math.ceil(len(feeds) / SAMPLES))
    yield from feeds[::step]


def _source_names(source: Any, model: Any) -> dict[str, str]:  # noqa: ANN401 - ModelProto
    """For each of the model's nodes the source's name of what makes the same tensor."""
    known = {node.name for node in source.graph.node}
    made_by = {output: node.name for node in source.graph.node for output in node.output}
    return {
        node.name: node.name if node.name in known else made_by.get(node.output[0], node.name)
        for node in model.graph.node
    }


def outputs_of(model: Any, feeds: Sequence[Mapping[str, Any]]) -> Outputs:  # noqa: ANN401 - ModelProto
    """Every output for every sample. Raises JobError convert.unsupported when it does not run."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [session.run(None, dict(feed)) for feed in feeds]
    except MemoryError:
        raise
    except Exception as error:
        raise JobError(
            f"ONNX Runtime cannot run the quantised model: {' '.join(str(error).split())[:300]}",
            code="convert.unsupported",
            fix="use another precision for this model",
        ) from error


def compared(reference: Outputs, got: Outputs) -> dict[str, float]:
    """Signal to noise ratio in dB, 10 log10(sum want^2 / sum (got - want)^2), and cosine, over all samples:
    of the worst output."""
    import numpy as np

    snr, cosine = MOST_DB, 1.0
    for index in range(len(reference[0]) if reference else 0):
        want = np.concatenate([np.ravel(outputs[index]) for outputs in reference]).astype(np.float64)
        have = np.concatenate([np.ravel(outputs[index]) for outputs in got]).astype(np.float64)
        if want.shape != have.shape or not np.isfinite(have).all():
            return {"snr_db": -MOST_DB, "cosine": 0.0}
        signal, noise = float(want @ want), float((have - want) @ (have - want))
        if noise == 0:
            continue
        ratio = 10 * math.log10(signal / noise) if signal else -MOST_DB
        snr = min(snr, max(-MOST_DB, ratio))
        length = math.sqrt(signal * float(have @ have))
        cosine = min(cosine, float(want @ have) / length if length else 0.0)
    return {"snr_db": round(snr, 3), "cosine": round(cosine, 7)}


def _repair(
    trial: Trial, ranked: Sequence[Mapping[str, Any]], until: Mapping[str, Any], everything: dict[str, float]
) -> dict[str, Any]:
    """The fewest of the worst nodes that must stay in floats for the outputs to be good enough.

    Bisection over the ranking: leaving out more of the worst nodes is taken to be no worse.
    """

    def good(score: Mapping[str, float]) -> bool:
        return score[until["metric"]] >= float(until["value"])

    scores = {0: everything}
    low, high = 0, len(ranked)
    while low < high:
        middle = (low + high) // 2
        if middle not in scores:
            scores[middle] = trial.score(without=[entry["own"] for entry in ranked[:middle]])
        low, high = (low, middle) if good(scores[middle]) else (middle + 1, high)
    if low >= len(ranked):
        return {"reached": False, "exclude": [], **everything}
    return {"reached": True, "exclude": [entry["node"] for entry in ranked[:low]], **scores[low]}
