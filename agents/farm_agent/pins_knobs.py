"""What can be pinned on a device: files of the kernel, and Jetson's two commands. Read, set, set back.

A knob's name is all that a journal holds of it, so that nobody who writes there can name another file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import subprocess
from dataclasses import field
from pathlib import Path
from typing import Dict, List, Optional, Protocol, Sequence, Tuple

from farm_agent import faults, jetson_clocks, nvpmodel, sysfs
from farm_agent.errors import FarmError, InfrastructureError
from farm_agent.late import dataclass
from farm_agent.pins_android import FixedPerformanceKnob

CPU = "sys/devices/system/cpu"
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
COMMAND_S = 30.0
OUTPUT_BYTES = 65536
# Root's own, where farm enroll put it: sets what the agent's user may not, without a password.
HELPER = "/usr/local/sbin/farm-helper"
SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAME = re.compile(
    r"governor:(policy\d{1,4})|turbo:(intel_pstate|boost|policy\d{1,4})|power-mode|clocks|fixed-performance"
)
VALUES = {
    "governor": re.compile(r"[a-z_]{1,32}"),
    "turbo": re.compile(r"[01]"),
    "power-mode": re.compile(r"\d{1,3}"),
    "clocks": re.compile(r"max|dynamic"),
    "fixed-performance": re.compile(r"on|off"),
}


@dataclass(frozen=True)
class Device:
    """Where the device's files and commands are, and the agent's own folder for saved clocks."""

    folder: Path
    root: Path = Path("/")
    search: str = field(default_factory=lambda: f"{os.environ.get('PATH', '')}:{SEARCH}")

    @property
    def cpu(self) -> Path:
        """The kernel's folder of processors."""
        return self.root / CPU

    def command(self, name: str) -> Optional[str]:
        """A command's path; None where it is not installed."""
        return shutil.which(name, path=self.search)

    def run(self, argv: Sequence[str]) -> str:
        """What a command prints. Raises InfrastructureError ``pins.command``."""
        path = self.command(argv[0])
        if path is None:
            raise failed(f"{argv[0]} is not installed", "take this pin away for this device")
        environment = {**os.environ, "LC_ALL": "C", "PATH": self.search}
        try:
            done = subprocess.run(
                [path, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=COMMAND_S,
                check=False,
                env=environment,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise failed(f"{argv[0]}: {error}", f"run {' '.join(argv)} on the device") from error
        text = done.stdout[:OUTPUT_BYTES].decode("utf-8", "replace")
        if done.returncode != 0:
            said = faults.shorten(text, 160) or f"exit status {done.returncode}"
            fix = "farm enroll again" if argv[0] == "sudo" else f"sudo {' '.join(argv)} there"
            raise failed(f"{' '.join(argv)}: {said}", f"run the agent as root, or {fix}")
        return text

    @property
    def helped(self) -> bool:
        """Whether root's helper is there and this process needs it."""
        there = os.access(str(self.root / HELPER.lstrip("/")), os.F_OK)
        return os.geteuid() != 0 and there and bool(self.command("sudo"))

    def run_as_root(self, argv: Sequence[str], verb: Sequence[str]) -> str:
        """``argv``, or the helper's ``verb`` that does it. Raises InfrastructureError ``pins.command``."""
        return self.run(["sudo", "-n", HELPER, *verb] if self.helped else argv)


class Knob(Protocol):
    """One thing to pin."""

    name: str

    def read(self) -> str:
        """What it is set to. Raises InfrastructureError ``pins.*``."""

    def prepare(self) -> None:
        """Save what is needed to set it back. Raises InfrastructureError ``pins.*``."""

    def write(self, value: str) -> None:
        """Set it. Raises InfrastructureError ``pins.*``."""


class FileKnob:
    """A file of the kernel with one word."""

    def __init__(self, name: str, path: Path, device: Device) -> None:
        self.name = name
        self._path = path
        self._device = device

    def read(self) -> str:
        value = sysfs.text(self._path, 256)
        if value is None:
            raise failed(f"this device has no {self._path} to set", "take this pin away for this device")
        return value

    def prepare(self) -> None:
        """The old value is all there is."""

    def write(self, value: str) -> None:
        try:
            handle = os.open(str(self._path), os.O_WRONLY | os.O_TRUNC)
            try:
                os.write(handle, value.encode())
            finally:
                os.close(handle)
        except OSError as error:
            if error.errno in DENIED and self._device.helped:
                kind, _, which = self.name.partition(":")
                self._device.run_as_root((), (kind, "set", value, which))
            elif error.errno in DENIED:
                by_hand = f"echo {value} | sudo tee {self._path}"
                raise failed(
                    f"permission denied for {self._path}", f"run the agent as root, or there: {by_hand}"
                ) from error
            else:
                raise failed(f"{self._path} refuses {value}: {error.strerror}", self._choices()) from error
        if self.read() != value:
            raise failed(f"{self._path} stays at {self.read()}", self._choices())

    def _choices(self) -> str:
        choices = sysfs.text(self._path.parent / "scaling_available_governors", 256)
        return f"choose one of {choices}" if choices else "take this pin away for this device"


class PowerModeKnob:
    """Jetson's power mode; it outlives a reboot."""

    name = "power-mode"

    def __init__(self, device: Device) -> None:
        self._device = device

    def read(self) -> str:
        return str(nvpmodel.parse(self._device.run(nvpmodel.query())).number)

    def prepare(self) -> None:
        """The old number is all there is."""

    def write(self, value: str) -> None:
        self._device.run_as_root(nvpmodel.choose(int(value)), ("power-mode", "set", value))
        if self.read() != value:
            raise failed(
                f"nvpmodel stays at mode {self.read()}",
                f"set mode {value} by hand; some modes need a reboot",
            )


class ClocksKnob:
    """Jetson's clocks: max, or dynamic as they were saved."""

    name = "clocks"

    def __init__(self, device: Device) -> None:
        self._device = device
        self._saved = device.folder / "jetson_clocks.conf"

    def read(self) -> str:
        return jetson_clocks.described(jetson_clocks.parse(self._run(jetson_clocks.show(), "show")))

    def prepare(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._saved.unlink()  # the tool would ask whether it may overwrite it
        self._run(jetson_clocks.store(self._saved), "store")  # the helper keeps its own copy

    def write(self, value: str) -> None:
        argv = jetson_clocks.fix() if value == "max" else jetson_clocks.restore(self._saved)
        self._run(argv, value)

    def _run(self, argv: Sequence[str], verb: str) -> str:
        return self._device.run_as_root(argv, ("clocks", verb))


def knob(device: Device, name: str) -> Knob:
    """The knob of this name. Raises InfrastructureError ``pins.unreadable`` for what is none."""
    match = NAME.fullmatch(name)
    if match is None:
        raise InfrastructureError(
            f"{name[:60]!r} is nothing that can be pinned", code="pins.unreadable", fix="please report this"
        )
    policy, turbo = match.groups()
    if policy:
        return FileKnob(name, device.cpu / "cpufreq" / policy / "scaling_governor", device)
    if turbo == "intel_pstate":
        return FileKnob(name, device.cpu / "intel_pstate/no_turbo", device)
    if turbo:
        below = "cpufreq" if turbo == "boost" else f"cpufreq/{turbo}"
        return FileKnob(name, device.cpu / below / "boost", device)
    if name == "fixed-performance":
        return FixedPerformanceKnob(device.folder, device.run)
    return PowerModeKnob(device) if name == "power-mode" else ClocksKnob(device)


def governors(device: Device) -> List[str]:
    """The names of the governors of all policies."""
    return [f"governor:{folder.name}" for folder in _policies(device)]


def turbo_off(device: Device) -> Dict[str, str]:
    """The names that turn the turbo off here, with the value that does."""
    if (device.cpu / "intel_pstate/no_turbo").exists():
        return {"turbo:intel_pstate": "1"}
    if (device.cpu / "cpufreq/boost").exists():
        return {"turbo:boost": "0"}
    return {f"turbo:{folder.name}": "0" for folder in _policies(device) if (folder / "boost").exists()}


def may_hold(name: str, value: str) -> bool:
    """Whether a value is one that this knob can have."""
    pattern = VALUES.get(name.partition(":")[0])
    return pattern is not None and pattern.fullmatch(value) is not None


def failed(message: str, fix: str) -> FarmError:
    """A pin that could not be set."""
    return InfrastructureError(message, code="pins.command", fix=fix)


def _policies(device: Device) -> Tuple[Path, ...]:
    found = (device.cpu / "cpufreq").glob("policy*")
    return tuple(sorted(found, key=lambda path: (len(path.name), path.name)))
