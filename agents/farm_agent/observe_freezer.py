"""Whether a process's control group is frozen: it then neither runs nor looks stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from farm_agent import sysfs


def state_file(root: Path, process: Path) -> Optional[Path]:
    """The file that tells it, of version 2 or 1 of control groups; None where there is none."""
    for line in (sysfs.text(process / "cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if ".." in path:
            continue
        base = root / "sys/fs/cgroup"
        if number == "0" and not controllers:
            candidate = base / path.lstrip("/") / "cgroup.events"
        elif "freezer" in controllers.split(","):
            candidate = base / "freezer" / path.lstrip("/") / "freezer.state"
        else:
            continue
        if candidate.exists():
            return candidate
    return None


def is_frozen(file: Optional[Path]) -> bool:
    """Whether the group is frozen now."""
    if file is None:
        return False
    content = sysfs.text(file, 4096) or ""
    return content == "FROZEN" or sysfs.fields(content, " ").get("frozen") == "1"
