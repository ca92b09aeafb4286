"""What a phone is, by its own properties."""

from __future__ import annotations

import re
from dataclasses import dataclass

from farm.errors import InfrastructureError, UsageError
from farm.phone import pins
from farm.transports import Transport
from farm_agent.sensors import SensorError
from farm_agent.sensors.common import getprop

CALL_TIMEOUT_S = 20.0
# Pixel 6 is the first with Tensor and its power meters; also a, Pro, XL, Fold, Tablet.
PIXEL = re.compile(r"Pixel (?:[6-9]|[1-9][0-9])\w?\b.*|Pixel (?:Fold|Tablet)", re.ASCII)
_MEMORY = re.compile(r"MemTotal:\s+(\d{1,12}) kB", re.ASCII)


@dataclass(frozen=True)
class Phone:
    """ "" or 0: it does not tell. ``serial``: its own, whatever way it is reached."""

    maker: str
    model: str
    soc: str
    android: str
    sdk: int
    abi: str
    machine: str
    memory_bytes: int
    serial: str

    def title(self) -> str:
        """In one line, for people."""
        name = (
            self.model if self.model.lower().startswith(self.maker.lower()) else f"{self.maker} {self.model}"
        )
        parts = [name.strip() or "unknown phone", self.soc, f"Android {self.android}" if self.android else ""]
        memory = f"{self.memory_bytes / 2**30:.1f} GiB" if self.memory_bytes else ""
        return ", ".join(part for part in (*parts, self.abi or self.machine, memory) if part)


def ask(transport: Transport, device: str) -> Phone:
    """Raises InfrastructureError phone.not-android where what answers has no properties."""
    properties = transport.run(["getprop"], timeout_s=CALL_TIMEOUT_S).stdout.decode("utf-8", "replace")
    meminfo = transport.run(["cat", "/proc/meminfo"], timeout_s=CALL_TIMEOUT_S).stdout
    machine = transport.run(["uname", "-m"], timeout_s=CALL_TIMEOUT_S).stdout.decode("ascii", "replace")
    try:
        return read(properties, meminfo.decode("ascii", "replace"), machine.strip()[:40])
    except SensorError as error:
        raise InfrastructureError(
            f"device {device}: what answers over adb is no Android: getprop says {error.message}",
            code="phone.not-android",
            fix="farm measures Android phones over adb; other boards over ssh: farm enroll user@host",
        ) from error


def read(properties: str, meminfo: str, machine: str) -> Phone:
    """From the texts of ``getprop``, /proc/meminfo, ``uname -m``. Raises SensorError ``sensor.bad-text``."""
    found = getprop.parse(properties)

    def first(*names: str) -> str:
        return next((found[name].strip() for name in names if found.get(name, "").strip()), "")[:80]

    memory = _MEMORY.search(meminfo)
    sdk = first("ro.build.version.sdk")
    return Phone(
        maker=first("ro.product.manufacturer", "ro.product.brand", "ro.product.vendor.manufacturer"),
        model=first("ro.product.model", "ro.product.vendor.model"),
        soc=" ".join(
            dict.fromkeys(
                part
                for part in (first("ro.soc.manufacturer"), first("ro.soc.model", "ro.board.platform"))
                if part
            )
        ),
        android=first("ro.build.version.release_or_codename", "ro.build.version.release"),
        sdk=int(sdk) if sdk.isascii() and sdk.isdigit() else 0,
        abi=first("ro.product.cpu.abi", "ro.product.cpu.abilist").partition(",")[0],
        machine=machine,
        memory_bytes=int(memory.group(1)) * 1024 if memory else 0,
        serial=first("ro.serialno", "ro.boot.serialno"),
    )


def profile_of(phone: Phone) -> str:
    """Raises UsageError device.profile-unclear where no profile fits."""
    if phone.machine in pins.ARCHITECTURES:
        known = phone.maker.lower() == "google" and PIXEL.fullmatch(phone.model)
        return "pixel" if known else "android-generic"
    raise UsageError(
        f"{phone.title()}: there is no profile for phones with a {phone.machine or phone.abi} kernel",
        code="device.profile-unclear",
        fix="farm measures on 64-bit Android; a 32-bit phone only with a Python of its own (--python)",
    )
