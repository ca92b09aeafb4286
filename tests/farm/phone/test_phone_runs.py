"""A stock phone without Python: enrolled, measured, unplugged in the middle, plugged in again."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.devices.device import Device
from farm.errors import InfrastructureError
from farm.transports import adb
from farm_results.history import comparisons
from farm_results.store import open_store
from tests.farm.networks import heavy_net, wide_net
from tests.farm.phone.conftest import Place
from tests.farm.runs import QUICK, finish
from tests.zoo import network

pytestmark = pytest.mark.zoo


def _until(true: Callable[[], object], what: str) -> None:
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {what}")


def test_a_phone_is_enrolled_measured_unplugged_and_its_result_arrives_once(
    place: Place, tmp_path: Path
) -> None:
    seen = place.user.run("enroll", place.address, "--name", "pixel-a", "--check")
    untouched = not place.folder.exists()
    first = place.user.run("enroll", place.address, "--name", "pixel-a", "--no-health")
    again = place.user.run("enroll", place.address, "--name", "pixel-a", "--no-health")
    model = str(wide_net(tmp_path / "net.onnx"))
    quick = ["3s" if word == "50ms" else word for word in QUICK]
    process = place.user.start("--json", "bench", model, "-d", "pixel-a", *quick)
    _until(lambda: place.processes(b"_block") or process.poll() is not None, "the phone to measure")
    assert process.poll() is None, finish(process)
    network.reset(place.phone.pid)
    place.phone.cut()
    time.sleep(1)
    still = place.processes(b"_supervise")
    place.phone.heal()
    done = finish(process)

    assert (seen.code, untouched) == (0, True), seen.err
    assert first.code == 0, first.err
    assert "Xiaomi M2101K9C, MT6893, Android 13" in first.err
    assert "profile android-generic" in first.err
    assert "onnxruntime" in first.out
    assert "litert" in first.out
    assert "sending its Python" in first.err
    assert again.code == 0, again.err
    assert "sending" not in again.err
    assert still
    assert done.code == 0, done.err
    row = done.row("pixel-a")
    assert row["status"] in ("ok", "noisy"), row
    assert [row["device"] for row in done.rows()] == ["pixel-a"]
    listed = place.user.run("--json", "results", "list")
    assert [row["device"] for row in json.loads(listed.out)["results"]] == ["pixel-a"]
    assert not place.processes(b"_supervise")


def test_two_networks_take_turns_on_the_phone(place: Place, tmp_path: Path) -> None:
    """Compared in random turns of fresh processes, over adb; nothing of it stays there."""
    small, big = (
        heavy_net(tmp_path / f"{name}.onnx", size, 1) for name, size in (("small", 8), ("big", 224))
    )
    words = ("bench", str(big), "--ab", str(small), "-d", "pixel-a", "--pairs", "8", "--json")
    done = place.user.run(*words, *QUICK[:2], "--min-time", "10ms", "--min-runs", "5", "--no-gate")
    assert done.code == 1, done.err
    (made,) = json.loads(done.out)["comparisons"]
    assert (made["word"], made["pairs"], made["device"]) == ("slower", 8, "pixel-a")
    assert made["effect"]["low"] > 0.5
    assert sorted(set(made["order"])) == ["cr", "rc"]
    with contextlib.closing(open_store(place.user.store)) as store:
        (found,) = comparisons.recent(store)
    assert (found.comparison_id, len(found.sample_hashes)) == (made["comparison_id"], 16)
    assert place.jobs() == []
    assert not place.processes(b"_supervise")


def test_both_runtimes_compute_on_the_phone(place: Place) -> None:
    from farm import agent_client, clock
    from farm.devices.root import make_root
    from farm.phone import bundle
    from farm_agent import pack

    device = Device("pixel-a", "android-generic", place.address)
    link = adb.connect(device, 20)
    try:
        home = make_root(link, device)
        python = bundle.ensure(link, device.name, home, place.user.cache)
        client = agent_client.install(link, python, pack.build(place.user.cache / "agents"), home)
        trials = client.try_runtimes(["onnxruntime", "litert"])
        (place.folder / "tools").mkdir()
        (place.folder / "tools" / "benchmark_model").write_text("#!/system/bin/sh\n")
        (place.folder / "tools" / "benchmark_model").chmod(0o755)
        finds = f"import sys; sys.path.insert(0, {client.argv('x')[1]!r}); "
        finds += "from farm_agent.tools import benchmark_model; print(benchmark_model.find())"
        tool = link.run([python, "-c", finds], timeout_s=60).stdout.decode()
        ping = clock.best(client, link)
    finally:
        link.close()
    assert tool.strip() == f"['{home}/tools/benchmark_model']"
    assert ping.bound_ns > 0
    assert abs(ping.offset_ns) <= ping.bound_ns  # one kernel, one clock
    assert [(trial.runtime, trial.problem) for trial in trials] == [("onnxruntime", ""), ("litert", "")]


def test_a_phone_that_falls_silent_is_noticed_while_a_command_runs(place: Place) -> None:
    device = Device("pixel-a", "android-generic", place.address)
    link = adb.connect(device, 20)
    link.close()
    quick = adb.Adb("pixel-a", link._server, link._serial, quiet_s=0.3)
    place.phone.cut()
    try:
        with pytest.raises(InfrastructureError) as caught:
            quick.run(["sleep", "60"], timeout_s=60)
    finally:
        place.phone.heal()
        quick.close()
    assert caught.value.code in ("link.lost", "link.timeout")
    assert "60 s" not in caught.value.message
    assert "pixel-a" in caught.value.message


def test_a_phone_sings_its_canary_and_its_connection_is_opened_anew(place: Place, tmp_path: Path) -> None:
    """The adb server kicks the one connection and lives on."""
    import threading

    from farm.devices.session import Session
    from farm.recovery import Patient, adb_reconnect
    from farm_agent import pack
    from farm_profiles.load import load_profile
    from farm_results.store import open_store

    checked = place.user.run("health", "run", "-d", "pixel-a")
    assert checked.code == 0, checked.err
    assert "pixel-a\tgood" in checked.out

    device = Device("pixel-a", "android-generic", place.address)
    packed = pack.build(place.user.cache / "agents")
    session = Session(device, load_profile(device.profile), packed, stop=threading.Event())
    store = open_store(tmp_path / "store")
    problem = InfrastructureError("it does not answer", code="link.lost")
    patient = Patient(store.engine, session, None, problem, "me", threading.Event())
    try:
        assert adb_reconnect.skip(patient) == ""
        said = adb_reconnect.climb(patient)
    finally:
        session.close()
        store.close()
    assert said.startswith(f"reconnecting {place.phone.serial}"), said
    assert said.endswith("the agent answers")


def test_at_the_end_a_phone_is_as_it_was(place: Place) -> None:
    (place.folder / "tools").mkdir(exist_ok=True)
    done = place.user.run("retire", "pixel-a")
    assert done.code == 0, done.err
    assert [path.name for path in place.folder.iterdir()] == ["tools"]
    assert sorted(path.name for path in place.folder.parent.iterdir()) == ["farm"]
    assert "pixel-a" not in place.user.run("devices").out
