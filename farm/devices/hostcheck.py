"""Examine this machine as the coordinator: Python, store, cache, uv, converter environments."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from farm.config import Config, masked
from farm.devices.finding import FAIL, OK, WARN, Finding, Report, failed
from farm.errors import FarmError

SUBJECT = "farm"
OLDEST_PYTHON = (3, 11)
LITTLE_BYTES = 512 * 1024 * 1024
# The largest converter environment takes this much.
FEW_BYTES = 4 * 1024 * 1024 * 1024


def examine_host(config: Config, report: Report) -> None:
    """Report one finding per part. Raises nothing of its own."""
    version = platform.python_version()
    if sys.version_info[:2] < OLDEST_PYTHON:
        report(Finding(SUBJECT, "python", FAIL, version, "use Python 3.11 or newer"))
    else:
        report(Finding(SUBJECT, "python", OK, f"{version} at {sys.executable}"))
    report(_store(config.store))
    report(_cache(config.cache_dir))
    _converters(config, report)


def _store(where: str) -> Finding:
    from farm_results.store import open_store

    try:
        store = open_store(where)
        runs, warning = len(store.runs(limit=1)), store.warning()
        store.close()
    except FarmError as error:
        return failed(SUBJECT, "store", error)
    if warning:
        return Finding(SUBJECT, "store", WARN, warning, "farm results merge OLD into a store on a local disk")
    return Finding(SUBJECT, "store", OK, f"{masked(where)} opens{'' if runs else ', no runs yet'}")


def _cache(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror}"
        return Finding(SUBJECT, "cache", FAIL, text, f"make {folder} writable, or set FARM_CACHE_DIR")
    text = f"{folder}, {free / 1e9:.1f} GB free"
    fix = f"free space for {folder}, or set FARM_CACHE_DIR to a folder on a larger disk"
    if free < LITTLE_BYTES:
        return Finding(SUBJECT, "cache", FAIL, text, fix)
    return (
        Finding(SUBJECT, "cache", WARN, text, fix)
        if free < FEW_BYTES
        else Finding(SUBJECT, "cache", OK, text)
    )


def _converters(config: Config, report: Report) -> None:
    from farm_converters import environment, installer

    uv = installer.find_uv()
    if uv and os.access(uv, os.X_OK):
        report(Finding(SUBJECT, "uv", OK, uv))
    else:
        text = "not found: environments are made by venv and pip, which takes longer"
        report(Finding(SUBJECT, "uv", WARN, text, "pip install uv"))
    report(_network())
    for name in environment.names():
        check = f"converter {name}"
        if environment.ready(name, config.cache_dir):
            absent = [package for package, version in environment.pins(name).items() if version == "missing"]
            if absent:
                text = f"{', '.join(absent)} is missing here"
                report(Finding(SUBJECT, check, FAIL, text, f"pip install {' '.join(absent)}"))
            else:
                report(Finding(SUBJECT, check, OK, "ready"))
        elif config.offline:
            text = "not made yet, and farm is offline"
            report(Finding(SUBJECT, check, WARN, text, "run once without --offline to make it"))
        else:
            report(Finding(SUBJECT, check, OK, "made on first use"))


def _network() -> Finding:
    from farm_converters import sandbox

    if sandbox.network_is_left():
        return Finding(SUBJECT, "isolation", OK, "conversions run without a network")
    text = "this kernel lets no process leave the network: conversions get a dead proxy address instead"
    fix = "allow unprivileged user namespaces, or run farm in a container that has CAP_SYS_ADMIN"
    return Finding(SUBJECT, "isolation", WARN, text, fix)
