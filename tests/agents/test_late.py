"""Dataclasses whose methods are written late behave as if they had been written at once."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import threading
from typing import Any

import pytest

from farm_agent import codec, wire
from farm_agent.late import dataclass


def _fresh() -> Any:
    @dataclass(frozen=True)
    class Note:
        """One."""

        text: str
        kind: str = ""
        more: dict[str, int] = dataclasses.field(default_factory=dict)

    @dataclass(frozen=True)
    class Longer(Note):
        """Another."""

        size: int = 3

    return Longer


def test_a_class_is_what_dataclasses_makes_of_it() -> None:
    kind = _fresh()
    assert [field.name for field in dataclasses.fields(_fresh())] == ["text", "kind", "more", "size"]
    note = kind("a")
    assert dataclasses.is_dataclass(note)
    assert note == kind("a", "", {}, 3) != kind("b")
    assert "Longer(text='a', kind='', more={}, size=3)" in repr(note)
    assert dataclasses.replace(kind("a"), size=4).size == 4
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind("a").text = "b"
    with pytest.raises(TypeError, match="unexpected keyword"):
        kind("a", nothing=1)
    assert copy.deepcopy(wire.GatePlan()) == pickle.loads(pickle.dumps(wire.GatePlan())) == wire.GatePlan()  # noqa: S301


def test_many_threads_may_make_the_first_one() -> None:
    for _ in range(20):
        kind, go = _fresh(), threading.Barrier(8)
        found: list[Any] = []

        def make(kind: Any = kind, found: list[Any] = found, go: threading.Barrier = go) -> None:
            go.wait()
            found.append(codec.decode(kind, {"text": "a", "kind": "k", "size": 2}))

        threads = [threading.Thread(target=make) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [kind("a", "k", {}, 2)] * 8


def test_only_frozen_ones_are_made() -> None:
    with pytest.raises(TypeError):
        dataclass(frozen=False)
