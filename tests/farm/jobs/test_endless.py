"""A job that its device never ends is given up, with what a person can do about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from farm import drive
from farm.devices.device import Device
from farm.drive import Driver, Watcher
from farm.errors import InfrastructureError
from farm_agent.wire import JobState
from tests.results import made


@dataclass
class Endless:
    """An agent that takes every order to stop and says ever after that the job runs."""

    device: Device
    asked: list[str] = field(default_factory=list)

    def call(self, action: Callable[[Any, Any], Any], **_: object) -> object:
        return action(self, None)

    def attach(self, job_id: str, *_: object) -> tuple[tuple[()], JobState]:
        self.asked.append("attach")
        assert len(self.asked) < 100, "asked for ever"
        return (), JobState(job_id, "running", 7)

    def stop(self, job_id: str, fence: int) -> JobState:
        self.asked.append(f"stop {job_id} {fence}")
        return JobState(job_id, "stopped", fence)


@pytest.mark.parametrize("why", ["a person stops it", "its time is over"])
def test_a_job_that_never_ends_is_given_up(why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """It is asked to stop once, and waited for no longer than a stop may take."""
    monkeypatch.setattr(drive, "STOP_PATIENCE_S", 0.0)
    stop = threading.Event()
    if why == "a person stops it":
        stop.set()
    else:
        monkeypatch.setattr(drive, "patience_s", lambda _spec: -1.0)
    agent: Any = Endless(Device("pi", "rpi4", "ssh://farm@pi"))
    held: Any = SimpleNamespace(lost=threading.Event())
    engine: Any = None
    driver = Driver(agent, engine, "the test", stop, 0.0, tmp_path)

    with pytest.raises(InfrastructureError) as caught:
        driver._follow(made.spec(job_id="job-1"), held, Watcher(), None)

    assert caught.value.code == "job.endless"
    assert "job-1" in caught.value.message
    assert "farm health run" in caught.value.fix
    assert [word for word in agent.asked if word != "attach"] == [f"stop job-1 {made.spec().fence}"]
