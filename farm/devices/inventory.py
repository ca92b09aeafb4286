"""The inventory: one TOML file with a table per device, ``[devices.NAME]``; comments survive changes.

``local`` (this machine) is always there, and may be described in the file like any other device.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.devices.address import parse_address
from farm.devices.detect import local_profile
from farm.devices.device import Device
from farm.errors import UsageError
from farm_agent import codec

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

LOCAL = Device(name="local", profile=local_profile(), address="local")
SIZE_LIMIT_BYTES = 4 * 1024 * 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WORDS = ("all", "farm")  # words that selectors and the command line use


def load(path: Path) -> dict[str, Device]:
    """Every device by name, in the file's order, ``local`` first unless the file places it.

    Raises UsageError inventory.invalid naming file, key and what was expected; a missing file is empty.
    """
    return _devices(path, _read(path))


def add(path: Path, device: Device, *, overwrite: bool = False) -> None:
    """Write one device. Raises UsageError device.exists unless ``overwrite``; device.name, device.address."""
    check_name(device.name)
    device = replace(device, address=parse_address(device.address).text())

    def change(document: TOMLDocument, known: Mapping[str, Device]) -> None:
        if device.name in known and not overwrite and device.name != "local":
            raise UsageError(
                f"device {device.name} is in {path} already, with address {known[device.name].address}",
                code="device.exists",
                fix=f"choose another name, or run `farm devices remove {device.name}` first",
            )
        document.setdefault("devices", {})[device.name] = _table(device)

    _rewrite(path, change)


def remove(path: Path, name: str) -> Device:
    """Take one device out of the file. Raises UsageError device.unknown; ``local`` itself always stays."""
    removed: list[Device] = []

    def change(document: TOMLDocument, known: Mapping[str, Device]) -> None:
        table = document.get("devices", {})
        if name not in table:
            always = name == "local"
            raise UsageError(
                "device local is this machine and is always there"
                if always
                else f"no device is called {name}",
                code="device.always-there" if always else "device.unknown",
                fix=f"see `farm devices list`; the devices in {path} are: {', '.join(table) or 'none'}",
            )
        removed.append(known[name])
        del table[name]

    _rewrite(path, change)
    return removed[0]


def check_name(name: str) -> None:
    """Raises UsageError device.name unless the name can be a word in selectors, files and tables."""
    if not _NAME.fullmatch(name) or name in _WORDS:
        why = "means something else already" if name in _WORDS else "is not a device name"
        raise UsageError(
            f"{name!r} {why}",
            code="device.name",
            fix="use up to 64 letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise _invalid(path, f"cannot be read: {error.strerror}") from error
    if len(data) > SIZE_LIMIT_BYTES:
        raise _invalid(path, f"is larger than {SIZE_LIMIT_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _invalid(path, f"is not UTF-8 at byte {error.start}") from error


def _devices(path: Path, text: str) -> dict[str, Device]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _invalid(path, f"is not TOML: {error}") from error
    for key in document:
        if key != "devices":
            raise _invalid(path, f"{key}: expected only the table `devices`, got an unknown key")
    tables = document.get("devices", {})
    if not isinstance(tables, dict):
        raise _invalid(path, f"devices: expected a table, got {type(tables).__name__}")
    known = {} if "local" in tables else {"local": LOCAL}
    for name, table in tables.items():
        known[name] = _device(path, name, table)
    return known


def _device(path: Path, name: str, table: object) -> Device:
    key = f"devices.{name}"
    if not isinstance(table, dict):
        raise _invalid(path, f"{key}: expected a table, got {type(table).__name__}")
    if "name" in table:
        raise _invalid(path, f"{key}.name: the name is the table's own; remove this line")
    defaults = codec.encode(LOCAL) if name == "local" else {}
    try:
        check_name(name)
        device = codec.decode(Device, {**defaults, **table, "name": name}, path=key, unknown="refuse")
        parse_address(device.address)
    except codec.DecodeError as error:
        raise _invalid(path, str(error)) from error
    except UsageError as error:
        raise UsageError(f"{path}: {key}: {error.message}", code=error.code, fix=error.fix) from error
    return device


def _table(device: Device) -> dict[str, Any]:
    """What is worth writing: everything that differs from its default."""
    table: dict[str, Any] = {}
    for field in fields(Device):
        value = getattr(device, field.name)
        if field.name != "name" and value != field.default:
            table[field.name] = list(value) if isinstance(value, tuple) else value
    return table


def _rewrite(path: Path, change: Callable[[TOMLDocument, Mapping[str, Device]], None]) -> None:
    """Read, change and replace the file under a lock, so that two commands at once both count."""
    import tomlkit

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            text = _read(path)
            known = _devices(path, text)
            document = tomlkit.parse(text)
            change(document, known)
            changed = tomlkit.dumps(document)
            _devices(path, changed)
            _replace(path, changed)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}",
            code="inventory.not-writable",
            fix=f"check the owner and free space of {path.parent}, or name another file: FARM_INVENTORY_PATH",
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str) -> None:
    target = path.resolve()  # a link to a file under version control stays a link
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o600
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _invalid(path: Path, why: str) -> UsageError:
    fix = f"edit {path}; `farm devices add` writes correct entries"
    return UsageError(f"{path}: {why}", code="inventory.invalid", fix=fix)
