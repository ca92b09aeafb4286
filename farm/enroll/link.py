"""A Transport over an open control master: what the agent's client needs to ask the device."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from farm.devices import faults
from farm.devices.address import parse_address
from farm.devices.device import Device
from farm.errors import InfrastructureError
from farm.transports import OUTPUT_LIMIT_BYTES, Completed
from farm.transports.local import Local

BROKEN = 255  # ssh's own exit status when the connection is gone


class Link:
    """Runs commands as the user who logged in."""

    def __init__(self, device: Device, options: Sequence[str]) -> None:
        self._device = device
        self._argv = ["ssh", *options, "-o", "ControlMaster=no", "-o", "BatchMode=yes", "-T", "--"]
        self._argv.append(parse_address(device.address).host)
        self._local = Local(device.name)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Completed:
        """Run a command; arguments reach it as given. Raises InfrastructureError link.lost, link.timeout."""
        done = self._local.run(
            [*self._argv, shlex.join(argv)],
            timeout_s=timeout_s,
            stdin=stdin,
            output_limit_bytes=output_limit_bytes,
        )
        if done.returncode == BROKEN and not self.alive(10.0):
            raise faults.lost(self._device.name, "ssh has ended")
        return replace(done, stderr=done.stderr.replace(b"\r\n", b"\n"))

    def put(
        self,
        source: Path,
        target: str,
        *,
        timeout_s: float,
        offset_bytes: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write a small file. Raises InfrastructureError device.disk-full, device.not-writable."""
        data = source.read_bytes()[offset_bytes:]
        # dd cuts the file at the place where it begins; byte by byte, which only a resumed rest needs
        step = 'dd of="$1" bs=1 seek="$2"' if offset_bytes else 'cat >"$1"'
        done = self.run(["sh", "-c", step, "sh", target, str(offset_bytes)], timeout_s=timeout_s, stdin=data)
        if done.returncode:
            why = done.stderr.decode("utf-8", "replace").strip()
            if "No space left" in why:
                raise faults.disk_full(self._device.name, target)
            raise faults.not_writable(self._device.name, target, why[-300:])
        if progress:
            progress(len(data))

    def get(self, source: str, target: Path, *, timeout_s: float, limit_bytes: int) -> None:
        """Copy a device's file here."""
        done = self.run(["cat", "--", source], timeout_s=timeout_s, output_limit_bytes=limit_bytes)
        if done.returncode:
            raise faults.no_file(self._device.name, source, done.stderr.decode("utf-8", "replace")[-300:])
        target.write_bytes(done.stdout)

    def alive(self, timeout_s: float) -> bool:
        """Prove the link by a round trip."""
        try:
            done = self._local.run([*self._argv, "true"], timeout_s=timeout_s)
        except InfrastructureError:
            return False
        return done.returncode == 0

    def close(self) -> None:
        """The master ends with its block."""
