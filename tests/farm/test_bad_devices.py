"""One run over a dozen broken devices and a healthy one: each gets its own clear error, nobody is harmed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm.devices import inventory
from tests.farm.networks import wide_net
from tests.farm.runs import QUICK, Done, Farm
from tests.support import need
from tests.zoo import sshd
from tests.zoo.device import Shape
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo

KIB = 1024
BARE_PYTHON = "/opt/bare/bin/python"
OLD_PYTHONS = [Path.home() / ".pyenv/versions" / name / "bin/python" for name in ("3.7.16", "3.6.15")]

# Device: the code of its row, and words that its message and its fix must have.
EXPECTED = {
    "closed": ("device.unreachable", "connection refused", "ssh -p 2222"),
    "silent": ("device.unreachable", "no answer", "check power, network"),
    "other-host-key": ("device.host-key-changed", "is not the pinned one", "farm devices pin other-host-key"),
    "no-host-key": ("device.host-key-unknown", "no host key is pinned", "farm devices pin no-host-key"),
    "other-user": ("device.auth", "refused the login as nobody-here", "ssh-copy-id"),
    "other-key": ("device.auth", "refused the login as farmer", "ssh-copy-id"),
    "no-key": ("device.identity", "cannot be read", "--identity"),
    "no-python": ("device.no-python", "no Python", "install python3"),
    "wrong-python": ("device.no-python", "/opt/none/python3", "`python`"),
    "no-runtime": ("runtime.missing", "onnxruntime", "pip install"),
    "tiny-home": ("device.disk-full", "no space left", "df -h"),
    "small-home": ("device.disk-full", "MiB free", "another disk"),
    "read-only-home": ("device.not-writable", "cannot be written", "root"),
    "missing-home": ("device.not-writable", "cannot be written", "root"),
    "password-only": ("device.auth", "refused the login as farmer", "ssh-copy-id"),
    "python-3.6": ("device.python-too-old", "3.6.9; 3.8 is needed", "python3.8"),
    "json-noise": ("agent.garbled", "neither body nor failure", "run the command again"),
}
# Strange, but they can measure.
WELL = ("healthy", "noisy", "ages-ago", "read-only-root", "loud", "twin")
OLD_PYTHON = "#!/bin/sh\nprintf 'farm-python 3.6.9'\n"
BANNER = "\x1b[2J\x1b]0;owned\x07" + "Authorised use only! " * 2000


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    """Healthy devices, and those whose disease lies in the device itself."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as all_devices:
        shapes = {
            "healthy": Shape(),
            "noisy": Shape(noise="Welcome to {this} box"),
            "silent": Shape(),
            "no-python": Shape(python=""),
            "tiny-home": Shape(home_bytes=64 * KIB),
            "small-home": Shape(home_bytes=1024 * KIB),
            "read-only-home": Shape(),
            "missing-home": Shape(),
            "password-only": Shape(login="password"),
            "python-3.6": Shape(python="/opt/old/python3", files={"/opt/old/python3": OLD_PYTHON}),
            "json-noise": Shape(noise='{"wire": 1}'),
            "ages-ago": Shape(clock="1970-01-01 00:00:10"),
            "read-only-root": Shape(read_only=("/",)),
            "loud": Shape(files={"/etc/zoo/banner": BANNER}),
        }
        made = {name: all_devices.add(name, shape) for name, shape in shapes.items()}
        made["healthy"].inside([sys.executable, "-m", "venv", "--without-pip", "/opt/bare"])
        made["silent"].cut()
        made["read-only-home"].inside(["mount", "-o", "remount,ro", "/home/farmer"])
        made["missing-home"].inside(["sed", "-i", "s!::/home/farmer:!::/home/gone:!", "/etc/passwd"])
        made["loud"].inside(["sh", "-c", "echo Banner /etc/zoo/banner >>/etc/zoo/sshd_config"])
        made["loud"].stop_sshd()
        made["loud"].start_sshd()
        yield all_devices


@pytest.fixture(scope="module")
def user(zoo: Zoo, tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """Somebody whose inventory has all of them, and healthy devices described wrongly."""
    folder = tmp_path_factory.mktemp("user")
    found = Farm(folder, folder / "cache")
    zoo.write_inventory(found.inventory)
    healthy = zoo.devices["healthy"].entry()
    (folder / "other-key").touch(mode=0o600)
    (folder / "other-key").write_text(sshd.make_key()[0])
    for entry in (
        replace(healthy, name="closed", address=f"{healthy.address}:2222"),
        replace(healthy, name="other-host-key", host_key=zoo.devices["noisy"].host_key),
        replace(healthy, name="twin"),
        replace(healthy, name="no-host-key", host_key=""),
        replace(healthy, name="other-user", address=healthy.address.replace("farmer", "nobody-here")),
        replace(healthy, name="other-key", identity=str(folder / "other-key")),
        replace(healthy, name="no-key", identity=str(folder / "no-such-key")),
        replace(healthy, name="wrong-python", python="/opt/none/python3"),
        replace(healthy, name="no-runtime", python=BARE_PYTHON, root="bare"),
        replace(zoo.devices["password-only"].entry(), identity=str(zoo.identity)),
    ):
        inventory.add(found.inventory, entry, overwrite=True)
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network of 4 MiB: too large for a small home."""
    return str(wide_net(tmp_path_factory.mktemp("model") / "net.onnx"))


@pytest.fixture(scope="module")
def run(user: Farm, model: str) -> Done:
    """One command for all of them."""
    devices = ",".join([*EXPECTED, *WELL])
    return user.run("--json", "bench", model, "-d", devices, *QUICK)


@pytest.mark.parametrize("device", EXPECTED)
def test_broken_device_gets_its_own_error_and_a_fix(device: str, run: Done) -> None:
    code, message, fix = EXPECTED[device]
    row = run.row(device)

    assert (row["status"], row["error_code"]) == ("failed", code), row["error_message"]
    assert row["error_message"].startswith((f"device {device}: ", f"{device} "))
    assert message in row["error_message"]
    assert fix in row["error_fix"]
    assert "\n" not in row["error_message"]


@pytest.mark.parametrize("device", WELL)
def test_devices_beside_broken_ones_are_measured(device: str, run: Done) -> None:
    assert run.code == 3, run.err
    row = run.row(device)
    assert (row["status"], row["error_message"]) == ("ok", "")
    assert row["latency"]["p50_ns"] > 0


def test_device_with_two_names_is_never_measured_by_both_at_once(run: Done) -> None:
    jobs = sorted(
        (job["started_unix_s"], job["ended_unix_s"])
        for job in (run.row(name)["document"]["job"] for name in ("healthy", "twin"))
    )
    assert jobs[0][1] <= jobs[1][0]


def test_runtime_that_a_device_lacks_is_skipped_unless_it_was_asked_for(user: Farm, model: str) -> None:
    """--offline: what must not happen here is also that a converter is fetched for a device without use."""
    done = user.run("--offline", "--json", "bench", model, "-d", "no-runtime", *QUICK[2:])

    assert done.code == 4, done.err
    skipped = {row["runtime"]: row for row in done.rows()}
    assert {row["status"] for row in skipped.values()} == {"skipped"}
    assert f"fix: {BARE_PYTHON} -m pip install onnxruntime" in skipped["onnxruntime"]["error_message"]


def test_fix_for_a_python_that_pip_may_not_change_is_a_virtual_environment(
    zoo: Zoo, user: Farm, model: str
) -> None:
    need(list(Path("/usr/lib").glob("python3*/EXTERNALLY-MANAGED")), "needs a distribution that has PEP 668")
    entry = replace(zoo.devices["healthy"].entry(), name="system", python="/usr/bin/python3", root="system")
    inventory.add(user.inventory, entry)
    done = user.run("--json", "bench", model, "-d", "system", *QUICK)

    assert done.row("system")["error_code"] == "runtime.missing"
    fix = done.row("system")["error_fix"]
    assert fix.startswith("/usr/bin/python3 -m venv /home/farmer/farm-python && ")
    assert "`python` of this device" in fix


def test_unknown_device_is_refused_with_the_nearest_name(user: Farm, model: str) -> None:
    done = user.run("bench", model, "-d", "healty", *QUICK)

    assert done.code == 2
    assert "error[device.unknown]" in done.err
    assert "healthy" in done.err


@pytest.mark.parametrize("old", OLD_PYTHONS, ids=lambda path: path.parts[-3])
def test_python_that_is_too_old_is_named_with_its_version(
    old: Path, zoo: Zoo, user: Farm, model: str
) -> None:
    if not old.is_file():
        # Nobody has to have an interpreter that farm does not support, so its absence is never a failure.
        pytest.skip(f"no {old} here")
    with Zoo() as more:
        device = more.add("old", Shape(python=str(old)))
        inventory.add(user.inventory, device.entry(), overwrite=True)
        done = user.run("--json", "bench", model, "-d", "old,healthy", *QUICK)
    inventory.remove(user.inventory, "old")

    assert done.code == 3, done.err
    row = done.row("old")
    assert row["error_code"] == "device.python-too-old"
    assert row["error_message"].startswith("device old: ")
    assert old.parts[-3] in row["error_message"]
    assert "3.8" in row["error_fix"]
    assert done.row("healthy")["status"] == "ok"


def test_full_disk_is_no_matter_after_it_was_freed(zoo: Zoo, user: Farm, model: str) -> None:
    sick = zoo.devices["noisy"]
    sick.fill_disk()
    full = user.run("--json", "bench", model, "-d", "noisy,healthy", "--seed", "7", *QUICK)
    sick.free_disk()
    free = user.run("--json", "bench", model, "-d", "noisy", "--seed", "7", *QUICK)

    assert (full.code, full.row("noisy")["error_code"]) == (3, "device.disk-full"), full.err
    assert full.row("healthy")["status"] == "ok"
    assert (free.code, free.row("noisy")["status"]) == (0, "ok"), free.err
