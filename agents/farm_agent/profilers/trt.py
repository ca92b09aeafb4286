"""TensorRT: what ``trtexec`` exports (``--exportProfile``, ``--exportLayerInfo``) or prints. Parsers alone.

The tool does not escape layer names: a line is read by its known ends, not as JSON. Its own "Total" is wrong
with auxiliary streams and is not used.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Tuple

from farm_agent.messages.layers import Layer
from farm_agent.profilers import table, unreadable
from farm_agent.profilers.rows import MOST_LAYERS, number, short
from farm_agent.trace import PROFILE_LIMIT_BYTES, precision_of

SOURCE = "trt"
COUNT = re.compile(r'[\s\[,]*\{\s*"count"\s*:\s*(\d{1,15})\s*\}[\s,\]]*')
ROW = re.compile(
    r'[\s\[,]*\{\s*"name"\s*:\s*"(?P<name>.*)",\s*"timeMs"\s*:\s*(?P<total>[0-9.e+-]+)'
    r',\s*"averageMs"\s*:\s*(?P<mean>[0-9.e+-]+)(?:,\s*"medianMs"\s*:\s*(?P<median>[0-9.e+-]+))?'
    r',\s*"percentage"\s*:\s*[0-9.e+-]+\s*\}[\s,\]]*'
)
TITLE = re.compile(r".*=== Profile \((\d{1,15}) iterations ?\) ===.*")
PRINTED = re.compile(
    r"(?:\[[^\]]*\] )?\[I\]\s+(?P<total>[0-9.]+)\s+(?P<mean>[0-9.]+)(?:\s+(?P<median>[0-9.]+))?"
    r"\s+[0-9.]+\s+(?P<name>\S.*)"
)
INFO = re.compile(r"Name: (.{1,2000}?), LayerType: (\w{1,80}), Inputs: \[")
TENSOR = re.compile(r"Dimensions: \[([0-9,-]{0,200})\], Format/Datatype: ([^}]{1,200}?) \}")
TACTIC = re.compile(r", TacticName: ([^,]{1,1000})")
ONNX = re.compile(r"\[ONNX Layer: ([^\]]+)\]")
REFORMAT = "Reformatting CopyNode"
LONGEST_LINE = 20_000


def parse(text: str) -> Tuple[Layer, ...]:
    """The layers of ``--exportProfile``. Raises MeasurementError ``layers.unreadable``."""
    count, rows = 0, []  # type: int, List[Layer]
    for line in text[:PROFILE_LIMIT_BYTES].splitlines():
        counted = COUNT.fullmatch(line[:LONGEST_LINE])
        match = None if counted else ROW.fullmatch(line[:LONGEST_LINE])
        if counted:
            count = int(counted[1])
        elif match and len(rows) < MOST_LAYERS:
            rows.append(_row(match.groupdict(), len(rows), count))
    if not rows:
        raise unreadable("trtexec's profile", "no line of a layer")
    return tuple(rows)


def parse_printed(text: str) -> Tuple[Layer, ...]:
    """The layers of the table that ``--dumpProfile`` prints into the log, with four decimals of ms."""
    count, rows, inside = 0, [], False  # type: int, List[Layer], bool
    for line in text.splitlines():
        title = TITLE.fullmatch(line[:LONGEST_LINE])
        if title:
            count, rows, inside = int(title[1]), [], True
            continue
        match = PRINTED.fullmatch(line[:LONGEST_LINE].rstrip()) if inside else None
        if match and match["name"] == "Total":
            inside = False
        elif match and len(rows) < MOST_LAYERS:
            rows.append(_row(match.groupdict(), len(rows), count))
    if not rows:
        raise unreadable("trtexec's profile", "no table of a profile")
    return tuple(rows)


def parse_layer_info(text: str) -> Dict[str, Layer]:
    """What ``--exportLayerInfo`` tells of each layer, by name; names alone at low verbosity.

    Raises MeasurementError ``layers.unreadable``.
    """
    try:
        document = json.loads(text[:PROFILE_LIMIT_BYTES])
    except (ValueError, RecursionError) as error:
        raise unreadable("trtexec's layer information", error) from error
    layers = table(document).get("Layers")
    if not isinstance(layers, list):
        raise unreadable("trtexec's layer information", "it has no list of Layers")
    found = [_described(layer) for layer in layers[:MOST_LAYERS]]
    return {layer.name: layer for layer in found}


def parse_printed_info(text: str) -> Dict[str, Layer]:
    """What ``--dumpLayerInfo`` prints of each layer into the log at detailed verbosity, by name.

    Raises MeasurementError ``layers.unreadable``.
    """
    found: Dict[str, Layer] = {}
    for line in text[:PROFILE_LIMIT_BYTES].splitlines():
        head = INFO.match(line[:LONGEST_LINE])
        if head is None or len(found) >= MOST_LAYERS:
            continue
        rest = line[head.end() : LONGEST_LINE]
        read, _, written = rest.partition(", Outputs: [")
        tactic = TACTIC.search(rest)
        layer = _described(
            {
                "Name": head[1],
                "LayerType": head[2],
                "Inputs": _printed_tensors(read),
                "Outputs": _printed_tensors(written),
                "TacticName": tactic[1] if tactic else "",
                "Metadata": rest.partition(", Metadata: ")[2],
            }
        )
        found[layer.name] = layer
    if not found:
        raise unreadable("trtexec's layer information", "no line of a layer")
    return found


def _printed_tensors(text: str) -> List[Dict[str, Any]]:
    return [{"Dimensions": shape.split(","), "Format/Datatype": kind} for shape, kind in TENSOR.findall(text)]


def merge(rows: Tuple[Layer, ...], described: Mapping[str, Layer]) -> Tuple[Layer, ...]:
    """Times of the one, kernels and shapes of the other."""
    return tuple(
        replace(
            described[row.name],
            index=row.index,
            count=row.count,
            mean_us=row.mean_us,
            median_us=row.median_us,
            fused_from=described[row.name].fused_from or row.fused_from,
        )
        if row.name in described
        else row
        for row in rows
    )


def _row(fields: Mapping[str, Any], index: int, count: int) -> Layer:
    try:
        mean_us = number(fields["mean"]) * 1000.0
        median_us = number(fields["median"]) * 1000.0 if fields["median"] else None
    except ValueError as error:
        raise unreadable("trtexec's profile", error) from error
    name = short(fields["name"])
    return Layer(
        index=index,
        name=name,
        op_type="Reformat" if name.startswith(REFORMAT) else "",
        unit=_unit(name),
        count=count,
        mean_us=mean_us,
        median_us=median_us,
        fused_from=_parts(name),
    )


def _described(layer: object) -> Layer:
    if isinstance(layer, str):
        return Layer(0, short(layer), "", unit=_unit(layer), fused_from=_parts(short(layer)))
    facts = table(layer)
    written = _tensors(facts.get("Outputs"))
    named = ONNX.findall(str(facts.get("Metadata", ""))[:LONGEST_LINE])
    name, kind = short(facts.get("Name", "")), short(facts.get("LayerType", ""))
    return Layer(
        index=0,
        name=name,
        op_type=kind,
        kernel=short(facts.get("TacticName", "") or facts.get("TacticValue", "")),
        unit=_unit(f"{kind} {name}"),
        precision=next((word for word in (_precision(kind) for kind, _ in written) if word), ""),
        input_shapes=short(" ".join(shape for _, shape in _tensors(facts.get("Inputs")))),
        output_shapes=short(" ".join(shape for _, shape in written)),
        fused_from=tuple(short(part) for part in named) or _parts(name),
    )


def _tensors(value: object) -> List[Tuple[str, str]]:
    """(format, shape) of each tensor."""
    rows = [table(item) for item in value[:32]] if isinstance(value, list) else []
    shapes = [row.get("Dimensions") for row in rows]
    return [
        (str(row.get("Format/Datatype", row.get("Datatype", ""))), "x".join(map(str, shape)))
        for row, shape in zip(rows, shapes)
        if isinstance(shape, list)
    ]


def _precision(text: str) -> str:
    """``Row-major linear FP32``, ``Channel major FP16 format ...``, ``Half``."""
    words = {"half": "fp16", "float": "fp32"}
    for word in re.split(r"[^A-Za-z0-9]+", text):
        found = words.get(word.lower(), precision_of(word.lower().replace("fp", "float")))
        if found != "other":
            return found
    return ""


def _parts(name: str) -> Tuple[str, ...]:
    """The layers in a fused one's name, which joins them with plus signs."""
    parts = () if name.startswith(REFORMAT) else tuple(part for part in name.split(" + ") if part)
    return parts if len(parts) > 1 else ()


def _unit(name: str) -> str:
    return "DLA" if re.search(r"\bDLA\b|nvdla", name) else "GPU"
