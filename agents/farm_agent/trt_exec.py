"""The second way to an engine: NVIDIA's ``trtexec`` builds it, for devices where the Python builder fails.

The target's option builder = "trtexec" asks for it. The engine is then loaded and run like any other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import List, Sequence

from farm_agent import child, files, trt_build, trt_log
from farm_agent.errors import JobError
from farm_agent.tools import runner, trtexec

TIMEOUT_S = 3600.0
NUMBERS = (("optimization_level", "--builderOptimizationLevel"), ("aux_streams", "--maxAuxStreams"))


def argv(
    command: Sequence[str], order: trt_build.Order, engine: Path, cache: Path, release: str
) -> List[str]:
    """Build only, with the inspector's details. ``release``: TensorRT's, whose flags differ.

    No shapes: those of a prepared file are fixed, and trtexec refuses to be told again.
    """
    parts = [int(part) for part in re.findall(r"\d+", release)[:2]] or [0]
    way = trt_build.regimes(parts[0], order.typing)[-1]
    settings = [f"--onnx={order.model}", f"--saveEngine={engine}", "--profilingVerbosity=detailed"]
    settings.append("--skipInference" if parts >= [8, 6] else "--buildOnly")
    settings.append(f"--timingCacheFile={cache}")
    if way == trt_build.WEAK:
        settings += [f"--{flag.lower()}" for flag in trt_build.weak_flags(order)]
    elif parts[0] == 10:  # from 11 on there is nothing else
        settings.append("--stronglyTyped")
    if order.precision == "fp32":
        settings.append("--noTF32")
    if order.workspace_bytes:
        settings.append(f"--memPoolSize=workspace:{order.workspace_bytes >> 20}M")
    for option, flag in NUMBERS:
        if option in order.options:
            settings.append(f"{flag}={trt_build.number(option, order.options[option])}")
    return [*command, *settings]


def build(
    order: trt_build.Order, folder: Path, release: str, timeout_s: float = TIMEOUT_S
) -> trt_build.Built:
    """As ``trt_build.build``. ``folder``: the job's; trtexec gets one of its own in there, and ends with this
    process. Raises JobError tool.missing, runtime.timeout, and what the log's errors mean."""
    command = trtexec.find()
    if not command:
        raise JobError("there is no trtexec on this device", code="tool.missing", fix=trtexec.FIX)
    place = folder / "trtexec"
    engine, cache = place / "engine", place / "cache"
    with files.disk_errors(place):
        place.mkdir(exist_ok=True)
        for path in (engine, cache):
            if path.exists():
                path.unlink()
        if order.timing_cache:
            cache.write_bytes(order.timing_cache)
    words = argv(command, order, engine, cache, release)
    ended, log, _ = runner.capture(words, place, timeout_s)
    if ended.timed_out:
        raise child.failure("trtexec", ended, timeout_s) or trt_log.refused("did not build in time", [])
    if ended.returncode != 0 or not engine.exists():
        said = trtexec.errors_in(log) or f"exit status {ended.returncode}: {log[-300:]}"
        raise trt_log.refused("cannot build an engine (trtexec)", [said])
    typed = trt_build.WEAK if f"--{order.precision}" in words else _typed(words, release)
    kept = cache.read_bytes() if cache.exists() else b""
    return trt_build.Built(engine.read_bytes(), typed, kept, log[-4000:])


def _typed(words: Sequence[str], release: str) -> str:
    strong = "--stronglyTyped" in words or int(release.partition(".")[0] or 0) >= 11
    return trt_build.STRONG if strong else trt_build.WEAK
