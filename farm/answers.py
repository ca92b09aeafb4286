"""What an agent's answers mean: read strictly, so that a device that lies gets an error of its own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

from farm import untrusted
from farm_agent import codec
from farm_agent.wire import WIRE, Failure, JobState, Reply

T = TypeVar("T")


def body_of(verb: str, line: bytes) -> dict[str, Any]:
    """What one line of an agent says. Raises what it reports, InfrastructureError ``agent.garbled``."""
    try:
        reply = codec.decode(Reply, untrusted.harmless(json.loads(line)))
    except (ValueError, RecursionError) as error:
        raise untrusted.garbled(f"the agent's answer to {verb} cannot be read: {_short(error)}") from error
    if reply.failure is not None:
        if not untrusted.is_code(reply.failure.code):
            raise untrusted.garbled(f"the agent failed with the code {reply.failure.code[:80]!r}")
        raise _bounded(reply.failure).to_error()
    if reply.wire != WIRE:
        raise untrusted.garbled(f"the agent speaks wire {reply.wire}, this farm speaks {WIRE}")
    if reply.body is None:
        raise untrusted.garbled(f"the agent's answer to {verb} has neither body nor failure")
    return reply.body


def _bounded(failure: Failure) -> Failure:
    limit = untrusted.LONGEST_MESSAGE
    return replace(failure, message=failure.message[:limit], fix=failure.fix[:limit])


def _short(error: Exception) -> str:
    return untrusted.text(str(error))[:300]


def decoded(kind: type[T], body: dict[str, Any], key: str) -> T:
    """One part of an answer. Raises InfrastructureError ``agent.garbled``."""
    return whole(kind, body.get(key), key)


def whole(kind: type[T], data: object, path: str = "") -> T:
    """A message of that kind whose numbers can be true. Raises InfrastructureError ``agent.garbled``."""
    try:
        value = codec.decode(kind, data, path=path)
    except (codec.DecodeError, RecursionError) as error:
        raise untrusted.garbled(f"the agent's answer cannot be read: {_short(error)}") from error
    untrusted.check_numbers(value, path or kind.__name__)
    return value


def of_job(state: JobState, job_id: str) -> JobState:
    """The state, if it is that job's. Raises InfrastructureError ``agent.garbled``."""
    if state.job_id != job_id:
        raise untrusted.garbled(f"the agent spoke of job {state.job_id[:80]!r}, not of {job_id!r}")
    return state
