"""Which phones a server sees and in what state; waiting until the wanted one is ready."""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import dataclass

from farm.errors import FarmError, InfrastructureError
from farm.transports.adb.server import CONNECT_TIMEOUT_S, Server, garbled, query

# States that pass by themselves, moments after the cable is plugged in.
_PASSING = ("connecting", "authorizing", "offline", "host", "detached")
_NETWORK = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")
_LINE = re.compile(r"(\S+)\s+([a-z]+|no permissions.*?)((?:\s+[a-z_]+:\S*)*)", re.ASCII)
_POLL_S = 0.25


@dataclass(frozen=True)
class Seen:
    """One line of ``adb devices -l``. ``path``: where it is plugged in (``usb:1-2``), if it tells."""

    serial: str
    state: str
    path: str = ""


def parse(text: str) -> list[Seen]:
    """The lines of the server's list. Raises ValueError for a line that is none."""
    found = []
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"no line of a list of devices: {line[:80]!r}")
        rest = match.group(3).split()
        path = next((word for word in rest if word.startswith("usb:")), "")
        state = "no permissions" if match.group(2).startswith("no permissions") else match.group(2)
        found.append(Seen(match.group(1), state, path))
    return found


def seen(server: Server, timeout_s: float) -> list[Seen]:
    """What the server sees now. Raises InfrastructureError as ``query``."""
    text = query(server, "host:devices-l", timeout_s)
    try:
        return parse(text)
    except ValueError as error:
        raise garbled(server, error) from error


def ready(server: Server, device: str, serial: str, deadline: float) -> None:
    """Until the phone with this serial answers as a device; one in the network is connected where it is not.

    Raises InfrastructureError device.auth, device.unreachable, adb.ambiguous, adb.permissions.
    """
    network = is_network(serial)
    asked = False
    while True:
        matches = [each for each in seen(server, CONNECT_TIMEOUT_S) if serial in (each.serial, each.path)]
        if len(matches) > 1:
            raise ambiguous(server, serial, matches)
        state = matches[0].state if matches else "absent"
        if state == "device":
            return
        late = time.monotonic() >= deadline
        if late or not (state in _PASSING or (state == "absent" and network)):
            raise unfit(server, device, serial, state)
        if network and not asked and state in ("absent", "offline"):
            asked = True
            _connect(server, serial, offline=state == "offline", deadline=deadline)
            continue
        if state == "absent":
            raise unfit(server, device, serial, state)
        time.sleep(_POLL_S)


def revive(server: Server, serial: str, deadline: float) -> None:
    """Have the server drop its connection to one phone; it looks for the phone anew, or is asked to."""
    with contextlib.suppress(FarmError):
        query(server, f"host-serial:{serial}:reconnect", CONNECT_TIMEOUT_S)
    if is_network(serial):
        _connect(server, serial, offline=True, deadline=deadline)


def is_network(serial: str) -> bool:
    """Whether a phone is reached by HOST:PORT."""
    return not serial.startswith(("usb:", "emulator-")) and _NETWORK.fullmatch(serial) is not None


def _connect(server: Server, serial: str, *, offline: bool, deadline: float) -> None:
    """Ask the server to reach a phone in the network. What it says is no matter: the list tells."""
    left_s = max(0.5, deadline - time.monotonic())
    with contextlib.suppress(FarmError):
        if offline:  # a connection that died: the server keeps it until told
            query(server, f"host:disconnect:{serial}", min(left_s, CONNECT_TIMEOUT_S))
    with contextlib.suppress(FarmError):
        query(server, f"host:connect:{serial}", left_s)


def ambiguous(server: Server, serial: str, matches: list[Seen]) -> InfrastructureError:
    """Two phones of one serial, as cheap ones have it."""
    paths = [each.path for each in matches if each.path]
    ways = " or ".join(f"adb:{path}" for path in paths) or "adb:usb:PATH, as `adb devices -l` prints it"
    count = len(matches) or "several"
    return InfrastructureError(
        f"{count} phones with the serial {serial} are known at {server.text()}",
        code="adb.ambiguous",
        fix=f"unplug one, or name the socket instead of the serial: {ways}",
    )


def unfit(server: Server, device: str, serial: str, state: str) -> InfrastructureError:
    """Why a phone cannot be used now, by the state that the server tells."""
    where = f"device {device}: the phone {serial}"
    if state in ("unauthorized", "authorizing"):
        return InfrastructureError(
            f"{where} does not trust this computer yet (unauthorized)",
            code="device.auth",
            fix="unlock the phone and accept `Allow USB debugging`, with `Always allow from this computer`",
        )
    if state == "no permissions":
        return InfrastructureError(
            f"{where} may not be opened by the user of the adb server",
            code="adb.permissions",
            fix="sudo apt install android-sdk-platform-tools-common, join the group plugdev, replug it",
        )
    if state == "absent":
        others = [each.serial for each in seen(server, CONNECT_TIMEOUT_S)][:6]
        there = f"it sees {', '.join(others)}" if others else "it sees none"
        return InfrastructureError(
            f"{where} is not connected to the adb server at {server.text()}; {there}",
            code="device.unreachable",
            fix="plug it in and switch USB debugging on; over Wi-Fi: adb connect HOST:PORT; then adb devices",
        )
    fix = "plug it in again, or switch USB debugging off and on; over Wi-Fi: adb connect HOST:PORT"
    if state in ("recovery", "sideload", "bootloader", "rescue"):
        fix = "let it boot Android: adb reboot"
    return InfrastructureError(
        f"{where} is {state} at the adb server {server.text()}", code="device.unreachable", fix=fix
    )
