"""Where a store's files lie, and whether a database may lie there."""

from __future__ import annotations

import os
import re
from pathlib import Path

NETWORK = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "gpfs",
        "juicefs",
        "lustre",
        "mfs",
        "moosefs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "rclone",
        "s3fs",
        "smb3",
        "smbfs",
        "sshfs",
        "vboxsf",
    ]
)
"""As the kernel calls them, and behind ``fuse.`` the programs that bring them."""
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_warning(folder: Path, mounts: Path = _MOUNTS) -> str:
    """Why a store's database had better not lie in ``folder``; "" where nothing is known against it."""
    kind = file_system_of(folder, mounts)
    plain = kind.removeprefix("fuse.")
    if plain not in NETWORK:
        return ""
    return (
        f"the store lies on a network disk ({kind}, {folder}): SQLite's locks are not to be trusted there, "
        "and writers on two machines may damage it; keep it on a local disk, or use PostgreSQL"
    )


def file_system_of(folder: Path, mounts: Path = _MOUNTS) -> str:
    """What kind of file system holds ``folder`` (ext4, nfs4, fuse.sshfs); "" where that is unknown."""
    try:
        text = mounts.read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
    place = os.path.realpath(folder)
    best, kind = "", ""
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, more = left.split(" "), right.split(" ")
        if len(fields) < 5 or not more[0]:
            continue
        point = _OCTAL.sub(lambda hit: chr(int(hit[1], 8)), fields[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of two on one place the later one lies on top
            best, kind = point, more[0]
    return kind
