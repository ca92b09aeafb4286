"""What kind of device a zoo device is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MIB = 1024 * 1024


@dataclass(frozen=True)
class Shape:
    """What kind of device.

    ``python``: the interpreter it offers; empty hides every Python. ``disk_bytes``: room for what is changed
    outside the home. ``login``: how its user may log in; with "password" no key of ours is known there.
    ``sudo``: "none" (no such program), "nopasswd", "password" (the user's own) or "refused" (may not).
    ``root``: an unpacked file system, or a tar archive of one, instead of this machine's own; its
    interpreter must be named as it is called in there. ``clock``: what its clock says at each boot, in UTC
    ("1970-01-01 00:00:10"; empty: the right time). ``read_only``: folders that cannot be written ("/": the
    whole root). ``files``: text by path; also below /sys, and over files that /proc has (see boards.py).
    ``weather``: its link can be given delay, jitter and loss.
    """

    python: str = sys.executable
    home_bytes: int = 512 * MIB
    disk_bytes: int = 256 * MIB
    key_types: tuple[str, ...] = ("ed25519",)
    sftp: bool = True
    noise: str = ""
    profile: str = "x86-cpu"
    tags: tuple[str, ...] = ()
    user: str = "farmer"
    login: Literal["key", "password"] = "key"
    sudo: Literal["none", "nopasswd", "password", "refused"] = "none"
    root: Path | None = None
    clock: str = ""
    read_only: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    weather: bool = False
