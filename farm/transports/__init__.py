"""How bytes and commands reach a device: one file per transport, named like the address's scheme.

A file must provide ``connect(device, timeout_s) -> Transport``. It raises InfrastructureError with the
codes device.unreachable, device.host-key, device.auth; a deadline stands on every call.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from farm.devices.device import Device
from farm.errors import UsageError

OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Completed:
    """A finished command. Output beyond the limit is an error, never silently cut."""

    returncode: int
    stdout: bytes
    stderr: bytes


class Transport(Protocol):
    """A connection to one device. Every call may raise InfrastructureError (link.lost, link.timeout)."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Completed:
        """Run a command; arguments reach it exactly as given."""

    def put(
        self,
        source: Path,
        target: str,
        *,
        timeout_s: float,
        offset_bytes: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write source[offset:] at that offset of target (0 truncates).

        ``progress`` gets the number of bytes of each step.
        """

    def get(self, source: str, target: Path, *, timeout_s: float, limit_bytes: int) -> None:
        """Copy a device's file here; more than ``limit_bytes`` is an error (device.output-too-large)."""

    def alive(self, timeout_s: float) -> bool:
        """Prove the link by a round trip."""

    def close(self) -> None:
        """End the connection; never raises."""


def names() -> tuple[str, ...]:
    """Every transport, without importing any."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def connect(device: Device, timeout_s: float) -> Transport:
    """Open a connection to ``device`` by its address's scheme."""
    if device.transport not in names():
        raise UsageError(
            f"device {device.name}: no transport is called {device.transport!r}",
            code="device.address",
            fix=f"use one of: {', '.join(names())}",
        )
    module = importlib.import_module(f"farm.transports.{device.transport}")
    return cast("Transport", module.connect(device, timeout_s))
