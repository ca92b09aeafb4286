"""OpenVINO: ``PERF_COUNT`` and ``InferRequest.profiling_info``, averages since the model was compiled.

Also reads what ``benchmark_app -pc`` prints. A layer that is NOT_RUN was fused into another, optimised away,
or took less than a microsecond: OpenVINO does not tell which. A network that was compiled into one Subgraph
with no time cannot be profiled.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, List, Tuple

from farm_agent.messages.layers import Layer
from farm_agent.profilers import Profiled, ProfileRequest, timed, unreadable
from farm_agent.profilers.rows import Kernel, combine, number, short
from farm_agent.trace import precision_of

SOURCE = "ov"
STATUS = {"EXECUTED": "run", "NOT_RUN": "not_run", "OPTIMIZED_OUT": "fused"}
LINE = re.compile(
    r"(?P<name>.+?)\s+Status\.(?P<status>[A-Z_]+)\s+layerType:\s+(?P<kind>\S+)\s+execType:\s+(?P<kernel>\S+)"
    r"\s+realTime \(ms\):\s+(?P<ms>[0-9.]+)\s+cpuTime \(ms\):\s+[0-9.]+\s*"
)
REQUEST = re.compile(r"Performance counts for \d+-th infer request")
LONGEST_LINE = 2000


def profile(session: Any, request: ProfileRequest) -> Profiled:  # noqa: ANN401 - runtimes.openvino.Session
    """Profile with a model compiled again with counters; means over the kept inferences alone."""
    infer = session.profile(request.feed)
    warmup = max(1, request.warmup)
    timed(session.call, warmup)
    before = [_us(info) for info in infer.profiling_info]
    wholes = timed(session.call, request.runs)
    after = list(infer.profiling_info)
    if len(before) != len(after):
        raise unreadable("OpenVINO's counters", f"{len(before)} layers became {len(after)}")
    layers: List[Layer] = []
    for index, (earlier_us, info) in enumerate(zip(before, after)):
        us = mean_between(earlier_us, warmup, _us(info), warmup + request.runs)
        status = str(info.status).rpartition(".")[2]
        names = (str(info.node_name), str(info.node_type), str(info.exec_type))
        row = replace(_kernel(*names, status, us, session.device).layer, index=index)
        layers.append(replace(row, count=request.runs, mean_us=us) if row.status == "run" else row)
    return Profiled(tuple(layers), (), tuple(wholes), session.device)


def mean_between(first_us: float, first_count: int, last_us: float, last_count: int) -> float:
    """The mean of the inferences after the first ``first_count``, out of two averages over all until then.

    OpenVINO averages over every inference since the model was compiled, the first and slow one too, and cuts
    the average to whole microseconds: half of one is what it lacks by chance. Wrong by at most
    (first_count + last_count) / (last_count - first_count) / 2 microseconds.
    """
    if last_us <= 0:
        return 0.0
    total_us = last_count * (last_us + 0.5) - first_count * (first_us + 0.5)
    return max(0.0, total_us / (last_count - first_count))


def _us(info: Any) -> float:  # noqa: ANN401 - openvino.ProfilingInfo
    return number(info.real_time.total_seconds() * 1e6)


def parse(text: str) -> Tuple[Layer, ...]:
    """The layers in the counters that ``benchmark_app -pc`` printed for each infer request: milliseconds
    with three digits, names cut by the tool. Raises MeasurementError ``layers.unreadable``."""
    requests: List[List[Kernel]] = [[]]
    for line in text.splitlines():
        if REQUEST.search(line[:LONGEST_LINE]):
            requests.append([])
        match = LINE.fullmatch(line[:LONGEST_LINE])
        if match is None:
            continue
        try:
            us = number(match["ms"]) * 1000.0
        except ValueError as error:
            raise unreadable("OpenVINO's counters", error) from error
        row = _kernel(match["name"], match["kind"], match["kernel"], match["status"], us, "")
        # Names are cut: their place tells them apart.
        requests[-1].append(Kernel(row.layer, row.us, str(len(requests[-1]))))
    kept = [rows for rows in requests if rows]
    if not kept:
        raise unreadable("OpenVINO's counters", "no line of a layer")
    return combine(kept)[0]


def _kernel(name: str, kind: str, executed: str, status: str, us: float, unit: str) -> Kernel:
    word = STATUS.get(status, "unprofilable")
    if word == "run" and us == 0 and kind == "Subgraph":
        word = "unprofilable"
    layer = Layer(
        index=0,
        name=short(name),
        op_type=short(kind),
        status=word,
        kernel=short(executed),
        unit=unit,
        precision=_precision(executed),
        raw={"status": short(status)},
    )
    return Kernel(layer, us if word == "run" else 0.0)


def _precision(executed: str) -> str:
    """The precision in a kernel's name (``brgconv_avx512_bf16``); "" for what has no kernel."""
    kernel_name, _, suffix = executed.rpartition("_")
    word = precision_of(suffix) if kernel_name and kernel_name != "unknown" else "other"
    return "" if word == "other" else word
