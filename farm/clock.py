"""How a device's monotonic clock stands to ours: the round trip that was fastest bounds it best."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from farm_agent import identity

if TYPE_CHECKING:
    from farm.agent_client import AgentClient
    from farm.devices.session import Session
    from farm.transports import Transport
    from farm_results.align import Ping

ROUND_TRIPS = 5


def measure(session: Session, *, patience_s: float = 30.0) -> Ping:
    """The best of a few round trips: the device's clock was read somewhere between asking and answer, so the
    middle is wrong by at most half of the round trip. This machine as a device has our own clock.

    Raises InfrastructureError of the link, and what the agent answers.
    """
    from farm_results.align import Ping

    if session.device.transport == "local":
        return Ping(time.monotonic_ns(), 0, 0, identity.boot_id())

    def ask(client: AgentClient, transport: Transport) -> Ping:
        del transport
        return min((_round_trip(client) for _ in range(ROUND_TRIPS)), key=lambda ping: ping.bound_ns)

    return session.call(ask, patience_s=patience_s)


def _round_trip(client: AgentClient) -> Ping:
    from farm_results.align import Ping

    asked_ns = time.monotonic_ns()
    device_ns, boot_id = client.clock()
    answered_ns = time.monotonic_ns()
    middle_ns = (asked_ns + answered_ns) // 2
    return Ping(middle_ns, device_ns - middle_ns, (answered_ns - asked_ns + 1) // 2, boot_id)
