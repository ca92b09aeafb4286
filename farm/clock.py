"""How a device's monotonic clock stands to ours: the round trip that was fastest bounds it best."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm.agent_client import CALL_TIMEOUT_S
from farm.answers import body_of
from farm.errors import InfrastructureError
from farm_agent import codec, identity

if TYPE_CHECKING:
    from farm.agent_client import AgentClient
    from farm.devices.session import Session
    from farm.transports import Transport
    from farm_results.energy.align import Ping

ROUND_TRIPS = 7


def measure(session: Session, *, patience_s: float = 30.0) -> Ping:
    """The best of a few round trips. This machine as a device has our own clock.

    Raises InfrastructureError of the link, and what the agent answers.
    """
    from farm_results.energy.align import Ping

    if session.device.transport == "local":
        return Ping(time.monotonic_ns(), 0, 0, identity.boot_id())
    return session.call(best, patience_s=patience_s)


def best(client: AgentClient, transport: Transport) -> Ping:
    """The round trip with the smallest bound: the device's clock was read somewhere between question and
    answer, so that the middle is wrong by at most half of the round trip.

    In one conversation where the link can hold one, else with a process each.
    """
    argv = client.argv("clock")
    talk: Any = getattr(transport, "talk", None)
    rows = talk(argv, ROUND_TRIPS, timeout_s=CALL_TIMEOUT_S) if talk else _alone(transport, argv)
    return min((_ping(*row) for row in rows), key=lambda ping: ping.bound_ns)


def _alone(transport: Transport, argv: Sequence[str]) -> list[tuple[int, bytes, int]]:
    rows = []
    for _ in range(ROUND_TRIPS):
        asked_ns = time.monotonic_ns()
        done = transport.run(argv, timeout_s=CALL_TIMEOUT_S)
        answered_ns = time.monotonic_ns()
        rows += [(asked_ns, line, answered_ns) for line in done.stdout.splitlines() if line[:1] == b"{"]
    if not rows:
        raise InfrastructureError(
            "the agent did not tell its clock",
            code="agent.silent",
            fix="check the device's Python and disk with: farm doctor",
        )
    return rows


def _ping(asked_ns: int, line: bytes, answered_ns: int) -> Ping:
    from farm_results.energy.align import Ping

    body = body_of("clock", line)
    try:
        device_ns = codec.decode(int, body.get("monotonic_ns"), path="monotonic_ns")
        boot_id = codec.decode(str, body.get("boot_id"), path="boot_id")
    except codec.DecodeError as error:
        raise InfrastructureError(
            f"the agent's answer to clock cannot be read: {error}",
            code="agent.garbled",
            fix="run the command again: the agent is shipped anew when it differs",
        ) from error
    middle_ns = (asked_ns + answered_ns) // 2
    return Ping(middle_ns, device_ns - middle_ns, (answered_ns - asked_ns + 1) // 2, boot_id)
