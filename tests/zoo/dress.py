"""What makes a booted device the kind its shape asks for: sudo, files, read-only folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.zoo.shape import Shape

SUDO_RULES = {
    "nopasswd": "{user} ALL=(ALL:ALL) NOPASSWD: ALL",
    "password": "{user} ALL=(ALL:ALL) ALL",
    "refused": "",
}


def sudo(root: Path, shape: Shape) -> None:
    """No program at all, or one that knows what the user may."""
    if shape.sudo == "none":
        for folder in ("usr/bin", "usr/local/bin"):
            (root / folder / "sudo").unlink(missing_ok=True)
        return
    if not (root / "usr/bin/sudo").exists():
        raise RuntimeError("no sudo in the device's root (apt-get install sudo)")
    lines = [SUDO_RULES[shape.sudo].format(user=shape.user), "Defaults lecture=never"]
    rules = root / "etc/sudoers.d/zoo"
    rules.parent.mkdir(mode=0o755, exist_ok=True)
    rules.touch(mode=0o440)
    rules.write_text("\n".join(lines) + "\n")


def files(root: Path, texts: Mapping[str, str]) -> list[list[str]]:
    """Write the given files; the commands for the device's root that lay some over those of /proc."""
    commands = []
    for number, (path, text) in enumerate(texts.items()):
        target = root / path.lstrip("/")
        if path.startswith("/proc/"):
            target = root / f"etc/zoo/file-{number}"
            commands.append(["mount", "--bind", f"/etc/zoo/file-{number}", path])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(0o755 if text.startswith("#!") else 0o644)
    return commands


def read_only(paths: tuple[str, ...]) -> list[list[str]]:
    """The commands, for the device's root, after which these folders cannot be written."""
    commands = []
    for path in paths:
        if path != "/":
            commands.append(["mount", "--bind", path, path])
        options = "remount,ro" if path == "/" else "remount,bind,ro"
        commands.append(["mount", "-o", options, path])
    return commands
