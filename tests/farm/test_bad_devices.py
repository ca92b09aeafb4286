"""One run over a dozen broken devices and a healthy one: each gets its own clear error, nobody is harmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm.devices import inventory
from tests.farm.networks import conv_net
from tests.farm.runs import QUICK, Done, Farm
from tests.support import need
from tests.zoo import sshd
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo

PYENV = Path.home() / ".pyenv" / "versions"  # before a fixture moves HOME
KIB = 1024

# Device, the code of its row, and words that its message and its fix must have.
EXPECTED = {
    "closed": ("device.unreachable", "connection refused", "ssh -p 2222"),
    "silent": ("device.unreachable", "no answer", "check power, network"),
    "other-host-key": ("device.host-key-changed", "is not the pinned one", "farm devices pin other-host-key"),
    "no-host-key": ("device.host-key-unknown", "no host key is pinned", "farm devices pin no-host-key"),
    "other-user": ("device.auth", "refused the login as nobody-here", "ssh-copy-id"),
    "other-key": ("device.auth", "refused the login as farmer", "ssh-copy-id"),
    "no-key": ("device.identity", "cannot be read", "correct `identity`"),
    "no-python": ("device.no-python", "no Python", "install python3"),
    "wrong-python": ("device.no-python", "/opt/none/python3", "farm devices add"),
    "no-runtime": ("runtime.missing", "onnxruntime", "pip install"),
    "tiny-home": ("device.disk-full", "space", "df -h"),
    "small-home": ("device.disk-full", "full", "free space"),
    "read-only-home": ("device.not-writable", "cannot be written", "root"),
    "missing-home": ("device.not-writable", "cannot be written", "root"),
}


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    """A healthy device, and a few whose disease lies in the device itself."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as all_devices:
        for name, shape in {
            "healthy": Shape(),
            "noisy": Shape(noise="Welcome to {this} box"),
            "silent": Shape(),
            "no-python": Shape(python=""),
            "tiny-home": Shape(home_bytes=64 * KIB),
            "small-home": Shape(home_bytes=1536 * KIB),
            "read-only-home": Shape(),
            "missing-home": Shape(),
        }.items():
            all_devices.add(name, shape)
        all_devices.devices["silent"].cut()
        all_devices.devices["read-only-home"].inside(["chown", "root:root", "/home/farmer"])
        all_devices.devices["read-only-home"].inside(["chmod", "755", "/home/farmer"])
        all_devices.devices["missing-home"].inside(["sed", "-i", "s!::/home/farmer:!::/home/gone:!", "/etc/passwd"])
        yield all_devices
