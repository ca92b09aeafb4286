"""A database on a network disk is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_results.storage.placement import file_system_of, network_warning

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /srv/lab\\040disk rw - nfs4 server:/lab rw
31 22 0:41 / /home/me/board rw - fuse.sshfs board:/ rw
32 31 0:42 / /home/me/board/local rw - tmpfs tmpfs rw
33 22 0:43 / /twice rw - ext4 /dev/sdb rw
34 22 0:44 / /twice rw - cifs //server/x rw
35 22 0:45 / /cluster rw - beegfs beegfs_nodev rw
36 22 0:46 / /cloud rw - fuse.rclone remote: rw
a line that is none
"""


@pytest.mark.parametrize(
    ("folder", "kind", "warned"),
    [
        ("/var/farm", "ext4", False),
        ("/srv/lab disk/farm", "nfs4", True),
        ("/srv/lab disks", "ext4", False),
        ("/home/me/board", "fuse.sshfs", True),
        ("/home/me/board/local/farm", "tmpfs", False),
        ("/twice/farm", "cifs", True),
        ("/cluster/farm", "beegfs", True),
        ("/cloud/farm", "fuse.rclone", True),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(
    tmp_path: Path, folder: str, kind: str, warned: bool
) -> None:
    """Spaces in names, mounts below mounts and on top of others included."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert file_system_of(Path(folder), mounts) == kind
    assert bool(network_warning(Path(folder), mounts)) == warned


def test_where_mounts_cannot_be_read_nothing_is_said(tmp_path: Path) -> None:
    """On another system, or in a sandbox."""
    assert network_warning(tmp_path, tmp_path / "none") == ""
    assert file_system_of(Path("/proc")) in ("proc", "")
