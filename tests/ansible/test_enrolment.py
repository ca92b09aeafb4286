"""A bare device becomes one that measures, and bare again: real sshd, real sudo, real Ansible."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm import audit
from farm.devices import inventory
from farm.devices.device import Device
from farm.sample import sample_model
from farm.transports import connect
from farm_agent import codec
from farm_agent.messages.gate import Pin
from farm_results.store import open_store
from tests.ansible import wheels
from tests.farm.runs import QUICK, Done, Farm
from tests.support import need
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

pytestmark = [pytest.mark.zoo, pytest.mark.toolchain]

GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor"
COUNTER = "/sys/class/powercap/intel-rapl:0/energy_uj"
BOARD = {
    GOVERNOR: "powersave\n",
    COUNTER: "123\n",
    f"{os.path.dirname(GOVERNOR)}/scaling_available_governors": "performance powersave\n",  # noqa: PTH120
}


@pytest.fixture
def device() -> Iterator[ZooDevice]:
    """A board that takes passwords alone, for the login as for sudo."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    shape = Shape(
        python=wheels.device_python(), login="password", sudo="password", disk_bytes=512 << 20, files=BOARD
    )
    with Zoo() as zoo:
        yield zoo.add("pi-1", shape)


def root_of(device: ZooDevice) -> Path:
    """The device's file system."""
    return device.home.parent.parent


def traces(device: ZooDevice) -> dict[str, str]:
    """What is different on the device's disk from what it was made of: path to content, logs aside."""
    upper = root_of(device).parent / "upper"
    found = {}
    for path in sorted(upper.rglob("*")):
        name = str(path.relative_to(upper))
        if name.endswith("-") or name.startswith(("var/log", "run")) or path.is_dir():
            continue  # passwd-, group-: copies that the system's own tools keep
        text = path.read_bytes() if path.is_file() else b""
        below = Path("/") / name
        if not (below.is_file() and below.read_bytes() == text):
            found[name] = text.decode("utf-8", "replace") if len(text) < 4096 else str(hash(text))
    return found


def test_a_bare_device_is_enrolled_measured_and_retired(device: ZooDevice, private_folders: Path) -> None:
    """Check shows all and changes nothing; a second run changes nothing; retired, nothing is left."""
    farm = Farm(private_folders / "person", private_folders / "cache" / "farm")
    farm.folder.mkdir()
    secret = farm.folder / "password"
    secret.write_text(f"{device.password}\n")
    target = f"farmer@{device.address}"
    words = ["enroll", target, "--name", "pi-1", "--password-file", str(secret), "--yes", "--json"]
    words += ["--wheels", str(wheels.folder()), "--runtime", "onnxruntime"]
    said: list[Done] = []

    def run(*arguments: str) -> Done:
        said.append(farm.run(*arguments))
        return said[-1]

    before = traces(device)

    unseen = run(*words)
    assert unseen.code == 2
    assert "device.host-key-unconfirmed" in unseen.err

    shown = run(*words, "--host-key", device.host_key, "--check", "--diff")
    assert shown.code == 0, shown.err
    assert "NOPASSWD: /usr/local/sbin/farm-helper" in shown.err
    assert json.loads(shown.out)["tasks"]["changed"] > 5
    assert traces(device) == before
    assert "pi-1" not in inventory.load(farm.inventory)

    enrolled = run(*words, "--host-key", device.host_key)
    assert enrolled.code == 0, enrolled.err
    report = json.loads(enrolled.out)
    assert (report["health"], report["profile"]) == ("good", "x86-cpu")
    entry = inventory.load(farm.inventory)["pi-1"]
    assert entry.address == f"ssh://farm@{device.address}"

    again = run(*words, "--no-health")
    assert again.code == 0, again.err
    assert json.loads(again.out)["tasks"]["changed"] == 0

    _may_nothing_else(device, entry)
    pin = ("--pin", "governor=performance")
    measured = run("--json", "bench", str(sample_model()), "-d", "pi-1", *QUICK, *pin)
    assert measured.code == 0, measured.err
    assert measured.row("pi-1")["status"] == "ok"
    governor = _pins(farm, "pi-1")["governor"]
    assert (governor.new, governor.problem, governor.restored) == ("performance", "", True)
    assert (root_of(device) / GOVERNOR.lstrip("/")).read_text().strip() == "powersave"

    retired = run("retire", "pi-1", "--password-file", str(secret), "--yes")
    assert retired.code == 0, retired.err
    assert traces(device) == before
    assert "pi-1" not in inventory.load(farm.inventory)
    refused_now = run("retire", "pi-1", "--yes")
    assert "device.unknown" in refused_now.err
    assert not any(device.password in done.out + done.err for done in said)
    store = open_store(farm.store)
    assert [row.event for row in audit.recent(store.engine, "pi-1")][-1] == "enrolled"
    store.close()


def _may_nothing_else(device: ZooDevice, entry: Device) -> None:
    """The unprivileged user has the helper's verbs, with whole arguments, and nothing else."""
    counter = root_of(device) / COUNTER.lstrip("/")
    assert oct(counter.stat().st_mode & 0o777) == "0o440"
    link = connect(entry, 20.0)
    for refused in ("governor set a;b", "governor set ../x policy0", "turbo set 2 boost", "reboot now", "sh"):
        done = link.run(["sudo", "-n", "/usr/local/sbin/farm-helper", *refused.split()], timeout_s=20)
        assert (done.returncode, done.stdout) == (64, b""), refused
    assert link.run(["sudo", "-n", "id"], timeout_s=20).returncode == 1
    link.close()


def _pins(farm: Farm, device: str) -> dict[str, Pin]:
    store = open_store(farm.store)
    try:
        (result,) = [each for each in store.results() if each.device == device]
        pins = codec.decode(list[Pin], result.document["job"]["pins"])
        return {pin.name: pin for pin in pins}
    finally:
        store.close()
