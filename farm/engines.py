"""Engines that devices build: what they are told, and the timing caches that are kept for them.

An engine never leaves the device that built it. What is kept here, per class of device (GPU, driver and
TensorRT together), is the timing cache: the next build of that class starts from it. A device's class is
known only from what it built before, or another of its profile with the same TensorRT; TensorRT itself
refuses a cache that does not fit and builds from nothing.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import UsageError
from farm.fetch import Fetched
from farm.plan import Cell, Request
from farm_agent.messages.build import BuildPlan
from farm_agent.wire import Blob, Facts
from farm_converters import cache

if TYPE_CHECKING:
    from farm.jobs.context import JobContext

FOLDER = "timing-caches"
# Of a target's options those that concern the builder; the rest is the runtime's
OPTIONS = ("builder", "typing", "fp16", "optimization_level", "aux_streams")
MIB = 1 << 20

Part = tuple[Blob, Path]


def plan_of(request: Request, cell: Cell, facts: Facts, cache_dir: Path) -> tuple[BuildPlan, list[Part]]:
    """What the device is to build for this cell, and the files that it needs beside the artifact.

    Raises UsageError build.option.
    """
    options = cell.target.options
    timing = None if request.builds > 1 else find(cell, facts, cache_dir)
    calibration = _calibration(cell)
    plan = BuildPlan(
        precision=cell.target.precision,
        builds=request.builds,
        workspace_bytes=_workspace(options) * MIB,
        timing_cache=timing[0] if timing else None,
        calibration=calibration[0] if calibration else None,
        options={name: options[name] for name in OPTIONS if name in options},
    )
    return plan, [part for part in (timing, calibration) if part is not None]


def find(cell: Cell, facts: Facts, cache_dir: Path) -> Part | None:
    """The timing cache to start from: this device's own, else one of its profile; the newest."""
    version = version_of(cell, facts)
    best: tuple[bool, float, Part] | None = None
    for entry in sorted((cache_dir / FOLDER).glob("[!.]*")):  # one with a dot is still being written
        index = cache.read(entry)
        if index is None or index.get("version") != version or index.get("profile") != cell.profile.name:
            continue
        item = index["files"][0]
        path = entry / item["name"]
        try:
            written = path.stat().st_mtime
        except OSError:  # another run puts a newer one in its place just now
            continue
        part = (Blob(str(item["sha256"]), int(item["size_bytes"]), path.name), path)
        found = (cell.device.name in index.get("devices", ()), written, part)
        if best is None or found[:2] > best[:2]:
            best = found
    return best[2] if best else None


def keep(cell: Cell, facts: Facts, fetched: Fetched, cache_dir: Path) -> None:
    """Keep the timing cache that came back, under the device's class."""
    _keep(cell.device.name, cell.profile.name, version_of(cell, facts), fetched, cache_dir)


def keep_for(context: JobContext, fetched: Fetched, cache_dir: Path) -> None:
    """As ``keep``, from what is written down of the job."""
    versions = (fact.version for fact in context.facts.runtimes if fact.name == context.target.runtime)
    _keep(context.device, context.profile, next(versions, ""), fetched, cache_dir)


def _keep(device: str, profile: str, version: str, fetched: Fetched, cache_dir: Path) -> None:
    report, path = fetched.result.build, fetched.timing_cache
    if report is None or path is None:
        return
    entry = cache_dir / FOLDER / hashlib.sha256(report.device_class.encode()).hexdigest()[:16]
    before = cache.read(entry, verify=False) or {}
    devices = sorted({*before.get("devices", ()), device})
    about = {
        "device_class": report.device_class,
        "version": version,
        "profile": profile,
        "devices": devices,
    }
    copy = path.with_name(f"kept-{path.name}")
    with cache.writable(cache_dir):
        shutil.copyfile(path, copy)
    cache.publish(entry, {path.name: copy}, about)


def version_of(cell: Cell, facts: Facts) -> str:
    """The device's version of the cell's runtime; "" where it has none."""
    return next((fact.version for fact in facts.runtimes if fact.name == cell.target.runtime), "")


def _calibration(cell: Cell) -> Part | None:
    """Samples for a builder that finds ranges itself: only where the graph was left in floats."""
    recipe = cell.recipe
    if recipe is None or recipe.calibration is None or recipe.options.get("graph") != "fp32":
        return None
    return cache.blob_of(recipe.calibration.path), recipe.calibration.path


def _workspace(options: Mapping[str, Any]) -> int:
    text = str(options.get("workspace_mb", "0"))
    if not text.isdigit():
        raise UsageError(
            f"workspace_mb is {text!r}, not a number of MiB",
            code="build.option",
            fix="correct it in the profile's target",
        )
    return int(text)
