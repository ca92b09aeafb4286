"""Messages of every released wire number must decode for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from farm_agent import codec, wire

FOLDER = Path(__file__).parent / "wire"
MESSAGES = sorted(FOLDER.glob("v*/*.json"))
# The identity of a job must not change with the software: a driver that was updated finds its jobs again.
JOB_SPEC_HASH = "8cb4b5c6e7a953c0b24a7706e8e850e6037bd875b6f88c5ddece5c4b2c88af49"


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_released_message_decodes_and_means_the_same(path: Path) -> None:
    kind = getattr(wire, path.stem.split("_")[0])
    data = json.loads(path.read_text())
    message = codec.decode(kind, data)
    again = codec.encode(message)
    assert _same_fields(again, data) == data


def _same_fields(value: Any, like: Any) -> Any:
    """``value`` without the fields that ``like`` does not have: those that came after the release."""
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: _same_fields(value[key], part) for key, part in like.items()}
    if isinstance(value, list) and isinstance(like, list) and len(value) == len(like):
        return [_same_fields(one, part) for one, part in zip(value, like, strict=True)]
    return value


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_fields_of_a_newer_sender_are_ignored(path: Path) -> None:
    kind = getattr(wire, path.stem.split("_")[0])
    data = json.loads(path.read_text())
    assert codec.decode(kind, {**data, "of_the_future": [1]}) == codec.decode(kind, data)


def test_a_job_keeps_its_identity() -> None:
    spec = codec.loads(wire.JobSpec, (FOLDER / "v1" / "JobSpec.json").read_text())
    assert wire.spec_hash(spec) == JOB_SPEC_HASH


def test_the_fence_is_no_part_of_a_jobs_identity() -> None:
    data = json.loads((FOLDER / "v1" / "JobSpec.json").read_text())
    one = codec.decode(wire.JobSpec, data)
    other = codec.decode(wire.JobSpec, {**data, "fence": 99})
    changed = codec.decode(wire.JobSpec, {**data, "threads": 2})
    assert wire.spec_hash(one) == wire.spec_hash(other)
    assert wire.spec_hash(one) != wire.spec_hash(changed)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"fence": "7"}, "JobSpec.fence: expected int, got str '7'"),
        ({"fence": True}, "JobSpec.fence: expected int, got bool True"),
        ({"plan": []}, "JobSpec.plan: expected object, got list []"),
        ({"options": {"a": 1}}, "JobSpec.options.a: expected str, got int 1"),
    ],
)
def test_a_wrong_type_is_named_with_its_path(change: dict[str, object], path: str) -> None:
    data = json.loads((FOLDER / "v1" / "JobSpec.json").read_text())
    with pytest.raises(codec.DecodeError) as caught:
        codec.decode(wire.JobSpec, {**data, **change})
    assert str(caught.value) == path


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "nonsense", '"text"', "null", "\ud800"])
def test_text_that_is_no_message_is_a_decode_error(text: str) -> None:
    with pytest.raises(codec.DecodeError):
        codec.loads(wire.Reply, text)


def test_every_kind_of_message_has_a_released_example() -> None:
    examples = {path.stem.split("_")[0] for path in MESSAGES}
    assert {"JobSpec", "JobResult", "Hello", "Facts", "Event", "JobState", "Stock", "Reply"} <= examples
