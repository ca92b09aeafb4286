"""Other processes that spoil a measurement: package managers at work, and other jobs of farm.

A daemon that only waits for its hour (snapd, unattended-upgrade-shutdown) is no such process.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

PACKAGE_TOOLS = frozenset(
    (
        *("apt", "apt-get", "aptitude", "dpkg", "dpkg-deb", "unattended-upgrade", "unattended-upgrades"),
        *("dnf", "dnf5", "yum", "rpm", "zypper", "pacman", "apk", "opkg", "swupd", "rauc", "mender-update"),
        *("pip", "pip3", "conda", "mamba", "flatpak", "fwupdmgr", "rpi-update", "rpi-eeprom-update"),
    )
)
# Tools that are harmless but with one of these words.
ONLY_WITH = {
    "snap": ("refresh", "install", "remove"),
    "uv": ("pip", "sync", "add", "tool"),
    "npm": ("install", "ci", "update"),
    "docker": ("pull", "build"),
}
INTERPRETERS = ("python", "perl", "sh", "bash", "dash", "env", "sudo", "nice", "ionice", "node")
FARM = "another farm job"
MEASURING = (b"_block", b"_energy", b"_layers", b"_check", b"_evaluate", b"_tool")
CMDLINE_LIMIT_BYTES = 4096


def package_tool(words: Sequence[bytes]) -> str:
    """The package tool that this command line runs, directly or through an interpreter; "" for none."""
    names = [word.decode("utf-8", "replace").rpartition("/")[2] for word in words[:8]]
    for at, name in enumerate(names):
        if name in PACKAGE_TOOLS:
            return name
        if name in ONLY_WITH:
            return name if any(word in ONLY_WITH[name] for word in names[at + 1 :]) else ""
        if name == "-m" or name.startswith("-"):
            continue
        if at and "=" in name:
            continue  # a variable before the command: env A=B apt
        if not name.startswith(INTERPRETERS):
            return ""
    return ""


def farm_job(words: Sequence[bytes], own: bytes) -> bool:
    """Whether this command line is a measuring process of an agent, and not of the job in folder ``own``."""
    for at, word in enumerate(words[:4]):
        ours = word.endswith((b".pyz", b"farm_agent/__main__.py"))
        if ours and words[at + 1 : at + 2] and words[at + 1] in MEASURING:
            return not any(own in later for later in words[at + 2 :])
    return False


class Scan:
    """Finds them, again and again, and reads only what is new: twice, for a fork becomes another program."""

    def __init__(self, own_folder: str, proc: Path = Path("/proc")) -> None:
        self._own = own_folder.encode()
        self._proc = proc
        self._seen: Dict[str, Tuple[int, str]] = {}

    def find(self) -> Optional[List[str]]:
        """Names with their process ids, as ``apt-get (812)``; None where /proc cannot be listed."""
        try:
            now = [entry.name for entry in self._proc.iterdir() if entry.name.isdigit()]
        except OSError:
            return None
        seen: Dict[str, Tuple[int, str]] = {}
        for pid in now:
            reads, found = self._seen.get(pid, (0, ""))
            if reads < 2:
                reads, found = reads + 1, self._what(pid)
            seen[pid] = (reads, found)
        self._seen = seen
        return [f"{found} ({pid})" for pid, (_, found) in seen.items() if found]

    def _what(self, pid: str) -> str:
        try:
            with open(self._proc / pid / "cmdline", "rb") as file:
                words = file.read(CMDLINE_LIMIT_BYTES).rstrip(b"\0").split(b"\0")
        except OSError:
            return ""
        return FARM if farm_job(words, self._own) else package_tool(words)
