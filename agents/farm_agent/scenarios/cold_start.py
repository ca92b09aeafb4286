"""From a new process to the first output, many times: import, load, first inference; then a short block.

The page cache is put in the state asked for before anything is imported, and looked at: the state in the
result is what was seen, not what was wished. Runtimes keep no engine cache here, so that is "off".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping

from farm_agent import bench, files, pagecache, runtimes, scenarios
from farm_agent.loop import Loop
from farm_agent.wire import JobSpec

NAME = "cold-start"
STATES = ("warm", "cold")
STEADY_NS = 1_000_000_000
# Seen shares beyond which the cache counts as what was asked for.
COLD_SHARE = 0.05
WARM_SHARE = 0.95


def points(spec: JobSpec) -> List[Dict[str, str]]:
    """As many fresh processes as the plan says."""
    wanted(spec.scenario_options)
    return [{} for _ in range(spec.plan.blocks)]


def wanted(options: Mapping[str, str]) -> str:
    """``page_cache``: warm (the default) or cold. Raises JobError ``scenario.option``."""
    state = options.get("page_cache", "warm")
    if state not in STATES:
        raise scenarios.refuse("page_cache", state, "warm or cold")
    return state


def prepare(request: Any) -> Dict[str, str]:  # noqa: ANN401 - block.BlockRequest
    """Arrange the page cache. ``page_cache``: warm, cold, partly, or unknown where the kernel does not tell;
    ``page_cache_resident_share``: what it was seen to hold of the model's and the runtime's files (cold), or
    of the model's (warm)."""
    state = wanted(request.scenario_options)
    model = [Path(request.directory) / files.safe_name(blob.name) for blob in request.artifact.files]
    if state == "warm":
        # The check, a moment ago, has read what it needs of the runtime.
        pagecache.load(model)
        return _seen(state, pagecache.resident_share(model))
    packages = runtimes.load(request.runtime).PACKAGES
    installed = pagecache.package_files((*packages, "numpy"))
    problem = pagecache.drop(model, flush=True) or pagecache.drop(installed)
    seen = _seen(state, pagecache.resident_share([*model, *installed]))
    return {**seen, "page_cache_problem": problem} if problem else seen


def measure(loop: Loop, request: Any) -> bench.Block:  # noqa: ANN401 - block.BlockRequest
    """What the network takes once warm, to compare with: the plan's block, but one second at most."""
    plan = request.plan
    least = min(plan.min_time_ns, STEADY_NS)
    return bench.measure(loop, replace(plan, min_time_ns=least, ci_half_width=0.0))


def _seen(asked: str, share: Any) -> Dict[str, str]:  # noqa: ANN401 - float or None
    state = {"page_cache_asked": asked, "engine_cache": "off"}
    if share is None:
        return {**state, "page_cache": "unknown"}
    as_asked = share <= COLD_SHARE if asked == "cold" else share >= WARM_SHARE
    word = asked if as_asked else "partly"
    return {**state, "page_cache": word, "page_cache_resident_share": f"{share:.4f}"}
