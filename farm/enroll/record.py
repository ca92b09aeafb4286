"""What was done to enrol a device, for its retirement: as whom, and with which Python."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from farm_agent import codec


@dataclass(frozen=True)
class Record:
    """``login``: the address that could become root; ``user``: the one that farm made. Written before the
    device is changed: one that was enrolled by half can be retired as well."""

    login: str
    python: str
    host_key: str
    user: str = "farm"
    identity: str = ""


def path_of(state_dir: Path, name: str) -> Path:
    """Where it lies."""
    return state_dir / "enrolled" / f"{name}.json"


def write(state_dir: Path, name: str, record: Record) -> None:
    """Keep it."""
    path = path_of(state_dir, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(record), indent=1) + "\n")
    part.replace(path)


def read(state_dir: Path, name: str) -> Record | None:
    """None where the device was not enrolled from here."""
    try:
        return codec.loads(Record, path_of(state_dir, name).read_bytes())
    except (OSError, codec.DecodeError):
        return None


def forget(state_dir: Path, name: str) -> None:
    """It was retired."""
    path_of(state_dir, name).unlink(missing_ok=True)
