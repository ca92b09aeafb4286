"""A session whose device falls silent: who watches is told at once, and the call is made again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

import pytest

from farm.agent_client import AgentClient
from farm.devices import faults
from farm.devices.device import Device
from farm.devices.session import Session
from farm.errors import InfrastructureError
from farm.transports import Transport
from farm_agent.pack import Packed
from farm_profiles.load import load_profile


class _Silent(Session):
    """Its device does not answer the first ``silences`` times."""

    def __init__(self, silences: int) -> None:
        device = Device("pi", "x86-cpu", "local")
        super().__init__(
            device, load_profile("x86-cpu"), Packed(Path("none"), "0" * 64), stop=threading.Event()
        )
        self.silences = silences
        self.told: list[str] = []
        self.tell = self.told.append

    def _open(self) -> tuple[AgentClient, Transport]:
        if self.silences:
            self.silences -= 1
            raise faults.silent("pi", 12.0)
        return cast("AgentClient", None), cast("Transport", None)


def test_who_watches_hears_of_a_silence_and_of_its_end() -> None:
    session = _Silent(1)
    session.reach(patience_s=60.0)
    assert session.told[0].startswith("device pi: no answer for 12 s; reconnecting for up to ")
    assert session.told[1:] == ["pi answers again"]


def test_nothing_is_told_of_a_device_that_answers_nor_promised_where_it_is_given_up() -> None:
    session = _Silent(0)
    session.reach(patience_s=60.0)
    assert session.told == []
    session.silences = 1
    with pytest.raises(InfrastructureError, match="no answer"):
        session.reach(patience_s=0.0)
    assert session.told == []


def test_an_agent_that_ended_without_a_word_is_asked_once_more() -> None:
    session = _Silent(0)
    asked: list[int] = []

    def ask(_client: AgentClient, _transport: Transport) -> int:
        asked.append(1)
        if len(asked) == 1:
            raise InfrastructureError("attach got no answer", code="agent.silent")
        return 7

    assert session.call(ask) == 7
    with pytest.raises(InfrastructureError):
        session.call(lambda *_: (_ for _ in ()).throw(InfrastructureError("none", code="agent.silent")))
