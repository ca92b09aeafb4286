"""ONNX Runtime: the Chrome trace of ``SessionOptions.enable_profiling``. Whole microseconds."""

from __future__ import annotations

import bisect
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from farm_agent.messages.layers import Layer
from farm_agent.profilers import Profiled, ProfileRequest, table, timed, unreadable
from farm_agent.profilers.rows import Kernel, combine, number, short
from farm_agent.trace import PROFILE_LIMIT_BYTES, precision_of

SOURCE = "ort"
KERNEL = "_kernel_time"
KEPT = ("node_index", "parameter_size", "activation_size", "output_size")


def profile(session: Any, request: ProfileRequest) -> Profiled:  # noqa: ANN401 - runtimes.onnxruntime.Session
    """Profile in a second session with the same settings; of a huge network as many inferences as can be
    read."""
    text, wholes = _trace(session, request)
    if not text:
        request = replace(request, warmup=1, runs=2)
        text, wholes = _trace(session, request)
    if not text:
        raise unreadable(
            "ONNX Runtime's profile", f"three inferences need more than {PROFILE_LIMIT_BYTES} bytes"
        )
    layers, sums = combine(kernels(text)[request.warmup :])
    return Profiled(layers, sums, tuple(wholes[request.warmup :]), short(session.provider))


def _trace(session: Any, request: ProfileRequest) -> Tuple[str, List[float]]:  # noqa: ANN401
    """The profile's text, empty where it is too large to be read; and the whole inferences."""
    with tempfile.TemporaryDirectory(prefix="farm-") as folder:
        profiled = session.profiled(str(Path(folder) / "profile"))
        feed = dict(request.feed)
        try:
            wholes = timed(lambda: profiled.run(None, feed), request.warmup + request.runs)
        finally:
            path = Path(profiled.end_profiling())
        if path.stat().st_size > PROFILE_LIMIT_BYTES:
            return "", wholes
        return path.read_text(encoding="utf-8", errors="replace"), wholes


def parse(text: str) -> Tuple[Layer, ...]:
    """The layers of a profile, over all its inferences. Raises MeasurementError ``layers.unreadable``."""
    return combine(kernels(text))[0]


def kernels(text: str) -> List[List[Kernel]]:
    """What ran in each inference of a profile, with times that exclude nodes of a subgraph.

    An inference is a ``model_run`` event; a profile without any is one. Events of other kinds (older
    releases: fences) are passed over. Raises MeasurementError ``layers.unreadable``.
    """
    try:
        events = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable("ONNX Runtime's profile", error) from error
    if not isinstance(events, list):
        raise unreadable("ONNX Runtime's profile", "it is no list of events")
    nodes: List[Tuple[float, float, Dict[str, Any]]] = []
    begins: List[float] = []
    try:
        for event in map(table, events):
            name, category = str(event.get("name", "")), event.get("cat")
            if category == "Node" and name.endswith(KERNEL):
                nodes.append((number(event["ts"]), number(event["dur"]), event))
            elif category == "Session" and name == "model_run":
                begins.append(number(event["ts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise unreadable("ONNX Runtime's profile", error) from error
    nodes.sort(key=lambda node: (node[0], -node[1]))
    begins.sort()
    inferences: List[List[Tuple[float, float, Dict[str, Any]]]] = [[] for _ in begins or nodes[:1]]
    for node in nodes:
        inferences[max(0, bisect.bisect_right(begins, node[0]) - 1)].append(node)
    return [_by_themselves(inference) for inference in inferences]


def _by_themselves(nodes: Sequence[Tuple[float, float, Dict[str, Any]]]) -> List[Kernel]:
    """A node with a subgraph (If, Loop) encloses its nodes' times: count those once, where they ran."""
    own = [duration for _, duration, _ in nodes]
    open_nodes: List[int] = []
    for index, (begin, duration, _) in enumerate(nodes):
        while open_nodes and begin >= nodes[open_nodes[-1]][0] + nodes[open_nodes[-1]][1]:
            open_nodes.pop()
        if open_nodes:
            own[open_nodes[-1]] -= duration
        open_nodes.append(index)
    return [
        Kernel(_layer(event), max(0.0, us), str(table(event.get("args")).get("node_index", "")))
        for (_, _, event), us in zip(nodes, own)
    ]


def _layer(event: Dict[str, Any]) -> Layer:
    args = table(event.get("args"))
    read, written = _tensors(args.get("input_type_shape")), _tensors(args.get("output_type_shape"))
    return Layer(
        index=0,
        name=short(str(event["name"])[: -len(KERNEL)]).strip() or short(f"node {args.get('node_index', '')}"),
        op_type=short(args.get("op_name", "")),
        unit=short(args.get("provider", "")),
        precision=_precision(read, written),
        input_shapes=short(" ".join(f"{kind}{shape}" for kind, shape in read)),
        output_shapes=short(" ".join(f"{kind}{shape}" for kind, shape in written)),
        raw={key: short(args[key]) for key in KEPT if key in args},
    )


def _precision(read: Sequence[Tuple[str, str]], written: Sequence[Tuple[str, str]]) -> str:
    """8-bit inputs make an 8-bit kernel; any other computes in what it writes."""
    known = [precision_of(kind) for kind, _ in read]
    if "int8" in known:
        return "int8"
    found = [word for word in (*(precision_of(kind) for kind, _ in written), *known) if word != "other"]
    return found[0] if found else ""


def _tensors(shapes: object) -> List[Tuple[str, str]]:
    """``[{"float": [1, 64]}]`` as (type, shape) pairs."""
    if not isinstance(shapes, list):
        return []
    pairs = [pair for item in shapes[:32] if isinstance(item, dict) for pair in item.items()]
    return [(str(kind), "x".join(map(str, dims)) if isinstance(dims, list) else "") for kind, dims in pairs]
