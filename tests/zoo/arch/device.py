"""A zoo device whose programs are another processor's: an overlay over one of ``recipe``'s roots."""

from __future__ import annotations

from dataclasses import replace

from tests.zoo import boards
from tests.zoo.arch import recipe
from tests.zoo.device import ZooDevice
from tests.zoo.shape import Shape

MIB = 1024 * 1024
PROFILES = {"arm64": "arm64-generic", "armhf": "armhf-generic"}


def shape(arch: str) -> Shape:
    """A Raspberry Pi by its files, with the system's own Python."""
    return replace(
        Shape(),
        root=recipe.root(arch),
        python="/usr/bin/python3",
        profile=PROFILES[arch],
        disk_bytes=1024 * MIB,
        files=boards.PI4,
        tags=("emulated",),
    )


class ArchDevice(ZooDevice):
    """Root may log in with the key: under user-mode emulation sudo has no effect, for the kernel grants the
    rights of a set-user-id program to none that an interpreter runs."""

    def _dress(self, authorized_key: str) -> None:
        super()._dress(authorized_key)
        config = self._root / "etc/zoo/sshd_config"
        config.write_text(
            config.read_text().replace("PermitRootLogin no", "PermitRootLogin prohibit-password")
        )
        folder = self._root / "root/.ssh"
        folder.mkdir(mode=0o700)
        (folder / "authorized_keys").write_text(f"{authorized_key}\n")
