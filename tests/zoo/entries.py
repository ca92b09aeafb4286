"""Inventory files for many devices at once; adding them one by one reads and checks the file each time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from farm.devices import inventory
from farm.devices.device import Device


def text(devices: Sequence[Device]) -> str:
    """The tables to paste into an inventory."""
    tables = []
    for device in devices:
        lines = [f'[devices."{device.name}"]' if "." in device.name else f"[devices.{device.name}]"]
        for field in fields(device):
            value = getattr(device, field.name)
            if field.name != "name" and value != field.default:
                lines.append(
                    f"{field.name} = {json.dumps(value, ensure_ascii=False)}"
                )  # TOML writes these as JSON does
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def write(path: Path, devices: Sequence[Device]) -> None:
    """Have an inventory file name them, besides what it names already."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(devices))
        return
    for device in devices:
        inventory.add(path, device, overwrite=True)


def forget(path: Path, devices: Sequence[Device]) -> None:
    """Undo ``write``."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_text() == text(devices):
            path.write_text("")
            return
    for device in devices:
        with contextlib.suppress(Exception):
            inventory.remove(path, device.name)
