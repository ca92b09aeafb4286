"""Local builds of pinned packages: a folder's ``torch-2.13.0+cpu`` in place of the index's ``torch==2.13.0``.

Both have hashes in the same list. uv looks a hash up by the version it installs, local part included, so
the list has to spell that part when such a wheel lies in a folder that was named.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

_WHEEL = re.compile(r"([A-Za-z0-9_.]+)-([^-+]+)\+([a-z0-9.]+)-.+\.whl")
_CHUNK = 1 << 20


def folders() -> tuple[Path, ...]:
    """The folders of wheels that FARM_WHEELS and pip's PIP_FIND_LINKS name (addresses are left out)."""
    words = [os.environ.get("FARM_WHEELS", ""), *os.environ.get("PIP_FIND_LINKS", "").split()]
    return tuple(Path(word) for word in words if word and Path(word).is_dir())


def with_local_builds(listed: Path, target: Path, places: Sequence[Path]) -> Path:
    """``listed``, or ``target`` written with the versions of local builds whose hash the list has."""
    text = listed.read_text()
    changed = text
    for wheel in sorted(path for place in places for path in place.glob("*+*.whl")):
        found = _WHEEL.fullmatch(wheel.name)
        if found is None:
            continue
        name, version, local = found[1].replace("_", "-"), found[2], found[3]
        pin = re.compile(rf"^{re.escape(name)}=={re.escape(version)}(?=\s)", re.MULTILINE | re.IGNORECASE)
        if pin.search(changed) and f"sha256:{_sha256(wheel)}" in text:
            changed = pin.sub(f"{name}=={version}+{local}", changed)
    if changed == text:
        return listed
    target.write_text(changed)
    return target


def _sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha.update(chunk)
    return sha.hexdigest()
