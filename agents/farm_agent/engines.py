"""Engines that this device built, kept for its own later jobs: never sent anywhere.

ROOT/engines/KEY/{model.engine, report.json}. The key holds everything that an engine depends on; the oldest
go when the folder outgrows its limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Optional

from farm_agent import codec, files
from farm_agent.cuda import Gpu
from farm_agent.messages.build import BuildPlan, BuildReport

KEPT_BYTES = 4 * 1024 * 1024 * 1024
CACHE_LIMIT_BYTES = 64 * 1024 * 1024
REPORT = "report.json"


def device_class(gpu: Gpu, version: str) -> str:
    """What an engine fits: GPU, its compute capability, driver and TensorRT, all of them."""
    return f"{gpu.name} (sm{gpu.sm}), driver {gpu.driver}, TensorRT {version}"


def key_of(onnx_sha256: str, kind: str, plan: BuildPlan) -> str:
    """Identity of an engine: 64 hex digits. The timing cache only says where a build begins."""
    calibration = plan.calibration.sha256 if plan.calibration else ""
    parts = [onnx_sha256, kind, plan.precision, plan.workspace_bytes, calibration, dict(plan.options)]
    return hashlib.sha256(codec.dumps(parts).encode()).hexdigest()


class Store:
    """The folder of engines. What cannot be read counts as absent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, key: str, target: Path, builds: int) -> Optional[BuildReport]:
        """Put the engine at ``target``; None unless one of at least so many builds is here, whole."""
        entry = self._folder / key
        try:
            report: BuildReport = codec.loads(BuildReport, files.read_bounded(entry / REPORT))
            blob = report.engines[report.chosen].blob
            if len(report.engines) < builds or _sha256(entry / blob.name) != blob.sha256:
                return None
            with contextlib.suppress(FileNotFoundError):
                target.unlink()
            shutil.copyfile(str(entry / blob.name), str(target))
            os.utime(str(entry))
        except Exception:  # noqa: BLE001 - damaged by whatever: it is built again
            return None
        return replace(report, timing_cache=None, reused=True)

    def keep(self, key: str, engine: Path, report: BuildReport) -> None:
        """Keep a copy if the disk allows; then drop the oldest ones beyond the limit."""
        entry, staged = self._folder / key, self._folder / f".{key[:32]}.{os.getpid()}"
        blob = report.engines[report.chosen].blob
        try:
            staged.mkdir(parents=True)
            shutil.copyfile(str(engine), str(staged / blob.name))
            (staged / REPORT).write_bytes(codec.dumps(report).encode())
            shutil.rmtree(str(entry), ignore_errors=True)
            staged.rename(entry)
        except OSError:
            shutil.rmtree(str(staged), ignore_errors=True)
        self.trim()

    def trim(self, limit_bytes: int = KEPT_BYTES) -> int:
        """Remove the least recently used engines until the rest fits; the bytes freed."""
        found = []
        for entry in self._folder.iterdir() if self._folder.is_dir() else ():
            with contextlib.suppress(OSError):
                size = sum(path.stat().st_size for path in entry.iterdir())
                found.append((entry.stat().st_mtime, size, entry))
        total, freed = sum(size for _, size, _ in found), 0
        for _, size, entry in sorted(found, key=lambda item: item[0]):
            if total - freed <= limit_bytes:
                break
            shutil.rmtree(str(entry), ignore_errors=True)
            freed += size
        return freed


def _sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            sha.update(chunk)
    return sha.hexdigest()
