"""What the parts of health decide, without a device: slow canaries, drift, quarantine, alarms, who is due."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from sqlalchemy import Engine

from farm import audit, health
from farm.config import load_config
from farm.errors import (
    FarmBug,
    FarmError,
    InfrastructureError,
    JobError,
    MeasurementError,
    UsageError,
)
from farm.health import alarm, canary, drift, judgement, quarantine, rows, usual
from farm.health.record import Canary, Record
from farm.health.rounds import Round
from farm.health.settings import HealthSettings
from farm.health.states import GOOD, QUARANTINED, RETIRED, SUSPECT, UNKNOWN, Standing, judged, usable
from farm_agent.wire import Facts, RuntimeFact
from farm_results.store import open_store

NOW = 1_800_000_000.0
HOUR_S = 3600.0


def at(now: float) -> Callable[[Engine], float]:
    """A clock that stands still."""
    return lambda _engine: now


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A store's database."""
    store = open_store(tmp_path / "store")
    yield store.engine
    store.close()


@pytest.fixture
def any_engine(store_address: str) -> Iterator[Engine]:
    """The same on every database that a store may lie in."""
    store = open_store(store_address)
    yield store.engine
    store.close()


def sung(*p50_ns: float, series: str = "ort 1") -> tuple[Canary, ...]:
    """Canaries, one an hour."""
    return tuple(Canary(NOW + k * HOUR_S, series, value) for k, value in enumerate(p50_ns))


# Slow canaries


@pytest.mark.parametrize(
    ("earlier", "p50_ns", "flagged"),
    [
        ((100.0,) * 4, 900.0, False),  # too few to know what is usual
        ((100.0,) * 5, 109.0, False),  # less than a tenth says nothing
        ((100.0,) * 5, 111.0, True),
        ((100, 101, 99, 100, 102, 98), 125.0, True),
        ((100, 160, 80, 130, 70, 110), 150.0, False),  # this device is that noisy
        ((100, 160, 80, 130, 70, 110), 400.0, True),
        ((100.0,) * 5, 50.0, False),  # faster is no harm
    ],
)
def test_a_slow_canary_is_told_from_noise(earlier: tuple[float, ...], p50_ns: float, flagged: bool) -> None:
    """By the device's own canaries: their median, their spread."""
    found = usual.judged(Canary(NOW + 99 * HOUR_S, "ort 1", p50_ns), sung(*earlier))

    assert bool(found.slower) is flagged
    if flagged:
        assert found.slower == pytest.approx(p50_ns / median(earlier) - 1)


def test_another_runtime_is_another_series() -> None:
    """A new version is not compared with the old one's times."""
    assert not usual.judged(Canary(NOW, "ort 2", 300.0), sung(*(100.0,) * 9)).slower


def test_slowness_never_becomes_usual_by_itself() -> None:
    """However long it lasts: slow canaries do not push out the others."""
    canaries = sung(*(100.0,) * usual.LEAST)
    for k in range(60):
        slow = usual.judged(Canary(NOW + (100 + k) * HOUR_S, "ort 1", 150.0), canaries)
        assert slow.slower == pytest.approx(0.5)
        canaries = usual.kept(canaries, slow)

    assert usual.usual_ns(canaries, "ort 1") == (100.0, 2.0)
    assert len(canaries) == usual.LEAST + usual.FLAGGED


# Drift


def facts(**changes: object) -> Facts:
    """Of a small board."""
    board = Facts(
        machine="aarch64",
        model="Raspberry Pi 4 Model B Rev 1.4",
        cpu="Cortex-A72",
        cores=4,
        memory_bytes=3981 * 2**20,
        kernel="6.6.20",
        os="Debian GNU/Linux 12 (bookworm)",
        libc="glibc 2.36",
        python="3.11.2",
        runtimes=(RuntimeFact("onnxruntime", "1.24.1"), RuntimeFact("litert", "", "not installed")),
        details={"clocks": [{"governor": "ondemand"}, {"governor": "ondemand"}], "boot_id": "one"},
    )
    return replace(board, **changes)  # type: ignore[arg-type]


def test_what_changed_is_listed_and_what_always_changes_is_not() -> None:
    """Kernel, runtimes, governor count; a boot does not."""
    before = drift.traits(facts())
    again = drift.traits(facts(details={"clocks": [{"governor": "ondemand"}], "boot_id": "two"}))
    after = drift.traits(
        facts(
            kernel="6.6.31",
            runtimes=(RuntimeFact("litert", "2.1"),),
            details={"clocks": [{"governor": "powersave"}, None], "l4t": "# R36", "firmware": "\x1b[2J"},
        )
    )

    assert before["memory"] == "3.9 GiB"
    assert drift.differences(before, again) == ()
    assert drift.differences({}, after) == ()
    assert drift.differences(before, after) == (
        "kernel 6.6.20 -> 6.6.31",
        "governor ondemand -> powersave",
        "runtime onnxruntime 1.24.1 -> none",
        "jetpack none -> # R36",
        "firmware none -> \x1b[2J",  # whoever prints it spells it out
        "runtime litert none -> 2.1",
    )


def test_drift_is_told_until_somebody_accepts_it(any_engine: Engine) -> None:
    """And a device that was never admitted has nothing to differ from, and gets no row."""
    assert health.seen(any_engine, "pi", facts(), clock=at(NOW)) == ()
    assert rows.read_all(any_engine) == {}
    accepted = Record(accepted=drift.traits(facts()), canaries=(Canary(NOW, "ort 1", 150.0, 0.5),))
    rows.change(any_engine, "pi", "me", lambda s, _: replace(s, health=GOOD, record=accepted), clock=at(NOW))

    for _ in range(2):
        assert health.seen(any_engine, "pi", facts(kernel="7"), clock=at(NOW)) == ("kernel 6.6.20 -> 7",)
    assert rows.read(any_engine, "pi").seen_unix_s == NOW
    assert judgement.accept(any_engine, "pi", "me") == ("kernel 6.6.20 -> 7", "slower by 50 %")
    assert health.seen(any_engine, "pi", facts(kernel="7"), clock=at(NOW)) == ()
    assert judgement.accept(any_engine, "pi", "me") == ()
    (last, *_) = audit.recent(any_engine, "pi")
    assert (last.event, last.actor) == ("health.accepted", "me")
    assert "kernel 6.6.20 -> 7" in last.reason


# States


def test_a_quarantine_doubles_up_to_a_day(engine: Engine) -> None:
    """Each time it is put there anew."""
    lengths = [
        quarantine.put(engine, "pi", "farm", f"strike {k}", clock=at(NOW)).until_unix_s - NOW
        for k in range(20)
    ]

    assert lengths[:4] == [600.0, 1200.0, 2400.0, 4800.0]
    assert lengths[7:] == [76800.0] + [86400.0] * 12
    assert [entry.event for entry in audit.recent(engine, "pi", limit=3)] == ["health.quarantined"] * 3


@pytest.mark.parametrize(
    ("standing", "ok", "first_a_canary", "code"),
    [
        (Standing("pi"), True, False, ""),
        (Standing("pi", GOOD), True, False, ""),
        (Standing("pi", SUSPECT), True, True, ""),
        (Standing("pi", QUARANTINED, until_unix_s=NOW + 1), False, False, "health.quarantined"),
        (Standing("pi", QUARANTINED, until_unix_s=NOW), True, True, ""),
        (Standing("pi", QUARANTINED), False, False, "health.quarantined"),  # a person's, without an end
        (Standing("pi", RETIRED), False, False, "health.retired"),
    ],
)
def test_who_may_be_used(standing: Standing, ok: bool, first_a_canary: bool, code: str) -> None:
    """At one moment."""
    found = judged(standing, NOW)

    assert (found.ok, found.canary) == (ok, first_a_canary)
    assert (found.error.code if found.error else "") == code


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (InfrastructureError("x", code="link.lost"), True),
        (InfrastructureError("x", code="device.disk-full"), True),
        (InfrastructureError("x", code="agent.garbled"), True),
        (InfrastructureError("x", code="lease.timeout"), False),
        (InfrastructureError("x", code="device.busy"), False),
        (InfrastructureError("x", code="store.locked"), False),
        (InfrastructureError("x", code="host.disk-full"), False),
        (InfrastructureError("x", code="run.interrupted"), False),
        (JobError("x", code="runtime.crash"), False),
        (MeasurementError("x", code="samples.lost"), False),
        (UsageError("x", code="device.identity"), False),
        (FarmBug("x", code="farm.bug"), False),
    ],
)
def test_who_is_to_blame(engine: Engine, error: FarmError, blamed: bool) -> None:
    """A good device becomes suspect by what may be its fault; no other state changes."""
    for name, state in (("good", GOOD), ("retired", RETIRED), ("out", QUARANTINED)):
        judgement.decree(engine, name, "me", state, "made so")

    assert health.blame(engine, "good", error) is blamed
    assert rows.read(engine, "good").health == (SUSPECT if blamed else GOOD)
    for name in ("retired", "out", "never-seen"):
        assert health.blame(engine, name, error) is False
    assert set(rows.read_all(engine)) == {"good", "retired", "out"}
    events = [entry.reason for entry in audit.recent(engine, "good")]
    assert (events[0] == f"good -> suspect: {error.code}: x") is blamed


def test_the_canary_holds_its_own_model_against_the_device() -> None:
    """A crash of the bundled network is the device's, though a crash of a user's model is not."""
    assert canary.speaks_of_device(JobError("x", code="runtime.crash"))
    assert canary.speaks_of_device(JobError("x", code="canary.wrong"))
    assert not canary.speaks_of_device(InfrastructureError("x", code="host.canary"))
    assert not canary.speaks_of_device(FarmBug("x", code="farm.bug"))


def test_changes_at_once_all_count(any_engine: Engine) -> None:
    """Strikes of several coordinators add up; none is lost between reading and writing."""
    strikes = [
        threading.Thread(target=quarantine.put, args=(any_engine, "pi", f"farm {k}", f"strike {k}"))
        for k in range(8)
    ]
    for each in strikes:
        each.start()
    for each in strikes:
        each.join()

    assert rows.read(any_engine, "pi").strikes == 8
    assert len(audit.recent(any_engine, "pi")) == 8


# Rounds and alarms


@pytest.mark.parametrize(
    ("standing", "due", "named", "why"),
    [
        (Standing("pi"), False, False, ""),
        (Standing("pi"), True, False, ""),
        (Standing("pi", GOOD, checked_unix_s=NOW - 1 * HOUR_S), True, False, "not due for another 300 min"),
        (Standing("pi", GOOD, checked_unix_s=NOW - 1 * HOUR_S), False, False, ""),
        (Standing("pi", GOOD, checked_unix_s=NOW - 6 * HOUR_S), True, False, ""),
        (Standing("pi", SUSPECT, checked_unix_s=NOW), True, False, ""),
        (Standing("pi", QUARANTINED, until_unix_s=NOW - 1, checked_unix_s=NOW), True, False, ""),
        (Standing("pi", QUARANTINED, until_unix_s=NOW + 1), False, False, "quarantined until 2027-01-15"),
        (Standing("pi", QUARANTINED, until_unix_s=NOW + 1), False, True, ""),
        (Standing("pi", QUARANTINED), False, True, "quarantined until a person ends it"),
        (Standing("pi", RETIRED), False, True, "retired"),
    ],
)
def test_who_is_checked(engine: Engine, standing: Standing, due: bool, named: bool, why: str) -> None:
    """Every six hours, at once when in doubt, and not while it is out of use."""
    found = Round(engine, load_config(), "store", print, threading.Event(), due_only=due, named=named).waits(
        standing, NOW
    )

    assert found.startswith(why)
    assert bool(found) is bool(why)


def test_silence_is_told_once(engine: Engine, tmp_path: Path) -> None:
    """By a real command that gets JSON; again only after the device answered in between."""
    hook = tmp_path / "hook"
    hook.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(tmp_path / 'heard')!r}, 'a').write(sys.stdin.read())"
    )
    hook.chmod(0o755)
    settings = HealthSettings(alarm=(str(hook),), alarm_folder=str(tmp_path))
    for name, seen in (("gone", NOW - 30 * HOUR_S), ("here", NOW - HOUR_S), ("never", 0.0)):
        judgement.decree(engine, name, "me", GOOD if seen else UNKNOWN, "so", clock=at(NOW if seen else 0.0))
        health.seen(engine, name, clock=at(seen))

    def silent(now: float) -> list[tuple[str, bool]]:
        found = alarm.silences(rows.read_all(engine), ["gone", "here", "never", "new"], 24 * HOUR_S, now)
        for each in found:
            if not each.told:
                alarm.tell(settings, {"device": each.standing.device, "silent_s": each.silent_s})
                alarm.mark_told(engine, each)
        return [(each.standing.device, each.told) for each in found]

    assert silent(NOW) == [("gone", False)]
    assert silent(NOW + HOUR_S) == [("gone", True)]
    health.seen(engine, "gone", clock=at(NOW + 2 * HOUR_S))
    assert silent(NOW + 3 * HOUR_S) == []
    assert silent(NOW + 27 * HOUR_S) == [("gone", False), ("here", False)]
    heard = (tmp_path / "heard").read_text()
    assert json.loads(heard[: heard.index("}") + 1]) == {"device": "gone", "silent_s": 30 * HOUR_S}
    assert heard.count("gone") == 2


@pytest.mark.parametrize("argv", [("/nowhere/at/all",), ("false",), ("sleep", "60")])
def test_an_alarm_that_does_not_work_is_said(argv: tuple[str, ...]) -> None:
    """It never hangs the round."""
    with pytest.raises(InfrastructureError) as caught:
        alarm.tell(HealthSettings(alarm=argv), {}, timeout_s=0.3)

    assert caught.value.code == "health.alarm"


def test_without_a_row_a_device_is_unknown(engine: Engine) -> None:
    """Allowed with a note; this machine without one."""
    assert "farm health run -d pi" in usable(engine, "pi").note
    assert usable(engine, "local").note == ""
