"""Where the agent's folder lies on a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.config import load_config
from farm.devices.device import Device
from farm.devices.root import make_root, resolve_root
from farm.errors import InfrastructureError
from farm.transports.local import Local


def _there(root: str) -> Device:
    """A device that is reached like any other, though its shell is this machine's."""
    return Device("there", "rpi4", "ssh://there", root=root)


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ("", "HOME/.farm"),
        ("~", "HOME"),
        ("~/a b", "HOME/a b"),
        ("x/y", "HOME/x/y"),
        ("/abs/", "/abs"),
        ("/", "/"),
    ],
)
def test_a_root_counts_from_the_users_home(
    root: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_root(Local(), _there(root)) == path.replace("HOME", str(tmp_path))


def test_this_machine_keeps_its_jobs_in_farms_state_folder() -> None:
    root = make_root(Local(), Device("local", "x86-cpu", "local"))
    assert Path(root) == load_config().state_dir / "device"
    assert {entry.name for entry in Path(root).iterdir()} >= {"agents", "cas", "jobs"}


def test_a_user_without_home_is_told_to_name_a_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "relative")
    with pytest.raises(InfrastructureError) as caught:
        resolve_root(Local(), _there(""))
    assert caught.value.code == "device.no-home"


def test_a_root_that_cannot_be_made_is_named() -> None:
    with pytest.raises(InfrastructureError, match="/proc/nowhere") as caught:
        make_root(Local(), _there("/proc/nowhere"))
    assert caught.value.code == "device.not-writable"
