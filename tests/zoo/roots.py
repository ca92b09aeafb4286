"""Root file systems of other distributions and architectures: a folder, or a tar archive unpacked once."""

from __future__ import annotations

import fcntl
import subprocess
import tempfile
from pathlib import Path


def unpacked(root: Path) -> Path:
    """The folder itself, or the archive's content beside it: made by the first who asks, shared by all."""
    if root.is_dir():
        return root.resolve()
    state = root.stat()
    place = root.with_name(f"{root.name}.{state.st_size:x}-{state.st_mtime_ns:x}")
    with root.with_name(f".{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as folder:
                making = Path(folder) / "root"
                making.mkdir(mode=0o755)
                command = ["tar", "--extract", "--numeric-owner", "--same-owner", "--preserve-permissions"]
                subprocess.run(
                    [*command, "--exclude=./dev/*", "--file", str(root), "--directory", str(making)],
                    check=True,
                    timeout=600,
                )
                making.rename(place)
    return place.resolve()
