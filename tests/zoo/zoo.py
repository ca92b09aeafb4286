"""Several devices with one key pair, gone together."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.zoo import entries, sshd
from tests.zoo.device import Shape, ZooDevice

PROGRAMS = ("unshare", "nsenter", "ip", "nft", "ssh-keygen", "chroot")


def missing() -> str:
    """Why no zoo can run here; empty when it can."""
    if os.getuid() != 0:
        return "needs root for namespaces"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if not Path("/usr/sbin/sshd").exists():
        absent.append("sshd")
    if absent:
        return f"needs {', '.join(absent)} (apt-get install openssh-server nftables iproute2)"
    with tempfile.TemporaryDirectory() as folder:
        # A container's root may not be allowed to: only doing it tells.
        script = 'mount -t tmpfs zoo "$1" && cd "$1" && mkdir u w m && '
        script += "mount -t overlay -o lowerdir=/,upperdir=u,workdir=w zoo m && "
        script += "ip link set lo up && nft list tables"
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--", "sh", "-c", script, "sh", folder],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    return f"namespaces do not work here: {done.stderr.strip()}" if done.returncode else ""


class Zoo:
    """``with Zoo() as zoo: device = zoo.add("pi-1")``; devices end with the block, whatever happens in it."""

    def __init__(self) -> None:
        self.devices: dict[str, ZooDevice] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="farm-zoo-keys-"))
        private, self._public = sshd.make_key()
        self.identity = self.folder / "id"
        self.identity.touch(mode=0o600)
        self.identity.write_text(private)

    def add(self, name: str, shape: Shape | None = None, kind: type[ZooDevice] = ZooDevice) -> ZooDevice:
        """Start one device and return when its sshd answers."""
        device = kind(name, shape or Shape(), self._public, self.identity)
        self.devices[name] = device
        return device

    def add_all(self, count: int, shape: Shape | None = None, prefix: str = "zoo") -> list[ZooDevice]:
        """Start several, named prefix-1, prefix-2 ..., at once."""
        names = [f"{prefix}-{number}" for number in range(1, count + 1)]
        with ThreadPoolExecutor(max_workers=8) as pool:
            return list(pool.map(lambda name: self.add(name, shape), names))

    def write_inventory(self, path: Path) -> None:
        """Add every device to an inventory file."""
        entries.write(path, [device.entry() for _, device in sorted(self.devices.items())])

    def close(self) -> None:
        """End every device and forget the keys."""
        while self.devices:
            self.devices.popitem()[1].close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
