"""A real device through its troubles: admitted, blamed, out of use, good again, brought back by its power."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from farm import audit, health, recovery
from farm.devices import leases
from farm.devices.device import Device
from farm.devices.session import Session
from farm.errors import FarmError, InfrastructureError
from farm.health import canary, care, rows
from farm.health.care import Care
from farm.health.states import GOOD, QUARANTINED, SUSPECT, usable
from farm.recovery import common, power_cycle, reboot, restart_agent
from farm.switches import SwitchSettings, open_switch
from farm_agent import pack
from farm_agent.wire import JobSpec
from farm_profiles.load import load_profile
from farm_results.store import open_store
from tests.farm.switches.bench import Relay, tasmota, web
from tests.support import need, wait_for
from tests.zoo.device import ZooDevice
from tests.zoo.shape import Shape
from tests.zoo.zoo import Zoo, missing

# Stands for the real helper, which restarts the system: here the test does, as soon as it reads this.
HELPER = '#!/bin/sh\n[ "$1" = reboot ] && echo yes >/home/farmer/asked && sleep 600\n'
MINUTE_S = 60.0
TRUE = SwitchSettings("true", "command", "pi", {"cycle": ["true"]})


@dataclass
class Time:
    """The time of day, moved by hand."""

    now: float = 1_800_000_000.0

    def __call__(self, _engine: Engine) -> float:
        return self.now


@dataclass
class Ward:
    """One device, the store that knows its health, and what looks after it."""

    device: ZooDevice
    engine: Engine
    cache_dir: Path
    time: Time

    def session(self, *, may_reboot: bool = False) -> Session:
        """A new connection."""
        entry: Device = replace(self.device.entry(), may_reboot=may_reboot)
        packed = pack.build(self.cache_dir / "agents")
        return Session(entry, load_profile(entry.profile), packed, stop=threading.Event())

    def boot_id(self) -> str:
        """Another one after each start."""
        return self.device.inside(["cat", "/proc/sys/kernel/random/boot_id"])

    def left_job(self, session: Session) -> JobSpec:
        """What a driver that died in the middle leaves: a job that runs, and nobody who holds the device."""
        target = canary.chosen(session.profile, session.facts())
        spec = canary.job_of(canary.artifact_of(target, self.cache_dir), target, session.profile)
        lease = leases.take(self.engine, "pi", spec.job_id, "a driver that died", owner="me")
        assert lease is not None
        plan = replace(spec.plan, min_time_ns=600 * 10**9, max_time_ns=600 * 10**9)
        long = replace(spec, plan=plan, fence=lease.fence)
        session.call(lambda client, _: client.start(long))
        leases.release(self.engine, lease)
        assert session.hello().running == (spec.job_id,)
        return long

    @property
    def care(self) -> Care:
        """Patience for a device on the same machine."""
        return Care(self.engine, self.cache_dir, clock=self.time, patience_s=0.2, boot_s=60.0)

    @property
    def health(self) -> str:
        """The word in the store."""
        return rows.read(self.engine, "pi").health

    def ready(self, session: Session, *, anyway: bool = False) -> list[str]:
        """As ``farm bench`` asks before its first job; what it told."""
        told: list[str] = []
        health.ready(
            self.engine,
            session,
            cache_dir=self.cache_dir,
            anyway=anyway,
            note=told.append,
            clock=self.time,
        )
        return told

    def steps(self) -> list[str]:
        """What ladders tried, oldest first, with how each step ended."""
        entries = reversed(audit.recent(self.engine, "pi"))
        found = [entry for entry in entries if entry.event.startswith("recovery.")]
        return [f"{entry.event.partition('.')[2]}: {entry.reason.partition(':')[0]}" for entry in found]


@pytest.fixture
def ward(tmp_path: Path, private_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """A device that may be restarted by its helper."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    monkeypatch.setattr(canary, "PATIENCE_S", 0.2)
    store = open_store(tmp_path / "store")
    files = {"/usr/local/sbin/farm-helper": HELPER}
    with Zoo() as zoo:
        device = zoo.add("pi", Shape(sudo="nopasswd", files=files))
        yield Ward(device, store.engine, private_folders / "cache" / "farm", Time())
    store.close()


def test_a_device_goes_through_its_troubles(ward: Ward) -> None:
    """Each state in turn, by what really happens to it; time passes only where the test says so."""
    session = ward.session()
    assert usable(ward.engine, "pi").note  # never checked: allowed, and said

    # Admitted: the canary ran there, its facts are what is right
    admission = health.admit(ward.engine, session, cache_dir=ward.cache_dir, actor="me", clock=ward.time)
    assert (admission.ok, admission.health) == (True, GOOD)
    assert admission.p50_ns
    standing = rows.read(ward.engine, "pi")
    assert standing.seen_unix_s == standing.checked_unix_s == ward.time.now
    assert standing.record.accepted["runtime onnxruntime"]
    assert ward.ready(session) == []
    assert leases.holder_of(ward.engine, "pi") is None

    # A link that breaks makes it suspect; a bad model does not
    ward.device.stop_sshd()
    with pytest.raises(FarmError) as lost:
        session.hello(patience_s=0.0)
    assert health.blame(ward.engine, session, lost.value, clock=ward.time)
    assert ward.health == SUSPECT

    # Before the next job its canary decides: it does not answer, so it is out for ten minutes
    with pytest.raises(InfrastructureError) as out:
        ward.ready(session)
    assert out.value.code == "health.quarantined"
    assert ward.health == QUARANTINED
    assert rows.read(ward.engine, "pi").until_unix_s == ward.time.now + 10 * MINUTE_S

    # It answers again: nobody asks it before its time, but for a person who says so
    ward.device.start_sshd()
    ward.time.now += 9 * MINUTE_S
    with pytest.raises(InfrastructureError, match="quarantined until"):
        ward.ready(session)
    assert "used anyway" in ward.ready(session, anyway=True)[0]
    ward.time.now += 1 * MINUTE_S
    assert ward.ready(session)[-1] == "pi is good again"
    assert (ward.health, rows.read(ward.engine, "pi").strikes) == (GOOD, 1)

    # The second time lasts twice as long; nothing on the ladder helps
    ward.device.stop_sshd()
    exam = care.examined(ward.care, session, ladder=True)
    assert not exam.ok
    assert ward.health == QUARANTINED
    assert rows.read(ward.engine, "pi").until_unix_s == ward.time.now + 20 * MINUTE_S
    assert ward.steps() == [
        "reconnect: failed",
        "adb_reconnect: skipped",
        "restart_agent: failed",
        "reboot: skipped",
        "power_cycle: skipped",
        "quarantine: done",
    ]
    changes = [entry.event for entry in reversed(audit.recent(ward.engine, "pi"))]
    assert [event for event in changes if event.startswith("health.")] == [
        *("health.good", "health.suspect", "health.quarantined", "health.overridden"),
        *("health.good", "health.suspect", "health.quarantined"),
    ]
    session.close()


def test_the_ladder_ends_where_the_device_works_again(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its power switch, by a restart that was allowed: no step too many."""
    session = ward.session()
    assert health.admit(ward.engine, session, cache_dir=ward.cache_dir, clock=ward.time).ok

    def power(on: bool) -> None:
        ward.device.power_on() if on else ward.device.power_off()

    # Off the network until its power is cycled, by a real plug's HTTP
    ward.device.stop_sshd()
    with web("tasmota", tasmota, Relay(changed=power), channel=2, timeout_s=60.0) as rig:
        exam = care.examined(replace(ward.care, switch=open_switch(rig.settings)), session, ladder=True)
        assert rig.orders() == ["off", "on"]
    assert exam.ok
    assert ward.health == GOOD
    assert ward.steps()[-1] == "power_cycle: helped"

    # A job that a dead driver left is ended; that of another coordinator is not, nor its device restarted
    patient = recovery.Patient(
        ward.engine, session, None, InfrastructureError("x", code="link.lost"), "me", threading.Event(), 0.2
    )
    left = ward.left_job(session)
    assert restart_agent.climb(patient).startswith(f"stopped {left.job_id}")
    assert session.hello().running == ()
    left = ward.left_job(session)
    with common.held(patient) as hold:
        assert common.ours_of(patient, hold, [left.job_id]) == [left.job_id]
        with pytest.raises(InfrastructureError, match="not ours to end"):
            common.ours_of(patient, hold, [left.job_id, "theirs"])
    with monkeypatch.context() as patch:
        patch.setattr(leases, "was_ours", lambda *_: False)  # as to a coordinator with another store
        for climb in (restart_agent.climb, reboot.climb, power_cycle.climb):
            with pytest.raises(InfrastructureError, match="not ours to end"):
                climb(replace(patient, switch=open_switch(TRUE)))

    # Its agent's folder is not usable any more until it restarts, which its owner must have allowed
    folder = ward.device.home / ".farm" / "cas"
    folder.rename(folder.with_name("away"))
    folder.write_text("in the way")
    stuck = care.examined(ward.care, session, ladder=True)
    assert (stuck.ok, ward.health) == (False, QUARANTINED)
    assert ward.steps()[-2:] == ["power_cycle: skipped", "quarantine: done"]

    def restart() -> None:
        wait_for(ward.device.home / "asked")
        folder.unlink()
        ward.device.stop_sshd()  # as a system that shuts down
        ward.device.reboot()

    before = ward.boot_id()
    hand = threading.Thread(target=restart)
    hand.start()
    allowed = ward.session(may_reboot=True)
    exam = care.recovered(ward.care, allowed)
    hand.join(60)
    assert exam.ok
    assert ward.boot_id() != before
    assert ward.health == GOOD
    assert ward.steps()[-1] == "reboot: helped"
    for each in (session, allowed):
        each.close()
