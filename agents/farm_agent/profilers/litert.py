"""LiteRT: events of the profiler in its C library, whole microseconds; and the table that it prints.

Operators that the default delegate (XNNPACK) took appear one by one under ``delegate``; an operator that it
left to LiteRT's own kernels appears under ``builtin``. Neither carries tensor names.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, List, Sequence, Tuple

from farm_agent.messages.layers import Layer
from farm_agent.profilers import Profiled, ProfileRequest, timed, unreadable
from farm_agent.profilers.litert_c import CModel, Event
from farm_agent.profilers.rows import Kernel, combine, number, short
from farm_agent.runtimes import threads_of

SOURCE = "litert"
OPERATOR, INSIDE, DELEGATED = 2, 4, 8
CONTROL_FLOW = frozenset(["WHILE", "IF", "CALL_ONCE"])
PRECISIONS = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}
PRECISIONS.update(dict.fromkeys(("QU8", "QS8", "QC8", "QD8"), "int8"))
TAG = re.compile(r"(?P<op>[^(]*?)\s*\((?P<types>[^)]*)\)\s*(?P<kernel>.*)")
ROW = re.compile(
    r"\s*(?P<tag>\S.*?)\s+(?P<start>\d+\.\d+)\s+(?P<first>\d+\.\d+)\s+(?P<mean>\d+\.\d+)\s+(?P<share>\d+\.\d+)%"
    r"\s+\d+\.\d+%\s+-?\d+\.\d+\s+(?P<count>\d+)\s+(?P<name>\[.*\](?::\d+)?)\s*"
)
LONGEST_LINE = 2000


def profile(session: Any, request: ProfileRequest) -> Profiled:  # noqa: ANN401 - runtimes.litert.Session
    """Profile in two models of the C interface, one without profiler for the clean time."""
    del session  # the Python interpreter has no profiler
    threads = threads_of(request.options)
    plain = CModel(request.path, threads, request.feed, profiling=False)
    timed(plain.run, request.warmup)
    clean = timed(plain.run, request.runs)
    model = CModel(request.path, threads, request.feed, profiling=True)
    timed(model.run, request.warmup)
    wholes: List[float] = []
    runs: List[List[Kernel]] = []
    for _ in range(request.runs):
        model.start()
        wholes += timed(model.run, 1)
        runs.append(kernels(model.stop()))
    layers, sums = combine(runs)
    return Profiled(layers, sums, tuple(wholes), "delegate", tuple(clean))


def kernels(events: Sequence[Event]) -> List[Kernel]:
    """The operators of one inference. What a delegate tells of its insides (kind 4) is part of its operator.

    The time of a control-flow operator is what its body leaves of it.
    """
    found: List[Kernel] = []
    partition, ends = "", []  # type: str, List[Tuple[int, int]]
    for event in events:
        if event.kind not in (OPERATOR, DELEGATED):
            continue
        while ends and event.begin_us >= ends[-1][1]:
            ends.pop()
        if ends:
            outer = found[ends[-1][0]]
            found[ends[-1][0]] = Kernel(outer.layer, max(0.0, outer.us - event.us), outer.key)
        if event.kind == OPERATOR:
            partition = str(event.node)
            if event.tag in CONTROL_FLOW:
                ends.append((len(found), event.begin_us + event.us))
        delegated = event.kind == DELEGATED
        place = f"{'[Delegate]' if delegated else '[Builtin]'}:{event.node}"
        key = f"{partition}/{event.node}" if delegated else str(event.node)
        found.append(Kernel(_layer(event.tag, place, delegated=delegated), float(event.us), key))
    return found


def parse_summary(text: str) -> Tuple[Layer, ...]:
    """The rows under "Run Order" of a printed summary, also of older releases; times in ms with three digits.

    Raises MeasurementError ``layers.unreadable`` where there is none.
    """
    found: List[Layer] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("===") and line.rstrip().endswith("==="):
            if inside:
                break
            inside = "Run Order" in line
            continue
        match = ROW.fullmatch(line[:LONGEST_LINE]) if inside else None
        if match is None:
            continue
        try:
            count, mean_us = min(int(match["count"][:9]), 10**9), number(match["mean"]) * 1000.0
        except ValueError as error:
            raise unreadable("LiteRT's summary", error) from error
        tag = match["tag"]
        delegated = tag.startswith("Delegate/")
        layer = _layer(tag[len("Delegate/") :] if delegated else tag, match["name"], delegated=delegated)
        found.append(replace(layer, index=len(found), count=count, mean_us=mean_us))
    if not found:
        raise unreadable("LiteRT's summary", "no row under Run Order")
    return tuple(found)


def _layer(tag: str, name: str, *, delegated: bool) -> Layer:
    match = TAG.fullmatch(tag)
    words = re.split(r"[\s,]+", match["types"]) if match else []
    # A weight's type may carry a suffix (QC8W): its first three letters say what it is.
    known = [PRECISIONS.get(word, PRECISIONS.get(word[:3], "")) for word in words]
    return Layer(
        index=0,
        name=short(name),
        op_type=short(match["op"] if match else tag),
        kernel=short(" ".join((match["types"], match["kernel"])).strip()) if match else "",
        unit="delegate" if delegated else "builtin",
        precision=next((word for word in known if word), ""),
    )
