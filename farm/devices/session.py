"""A connection to one device's agent that heals itself: a lost link means reconnect and try again."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from farm.devices.device import Device
from farm.devices.room import quota_bytes
from farm.errors import FarmError, InfrastructureError

if TYPE_CHECKING:
    from farm.agent_client import AgentClient
    from farm.transports import Transport
    from farm_agent.pack import Packed
    from farm_agent.wire import Facts, Hello
    from farm_profiles import Profile

T = TypeVar("T")

CONNECT_TIMEOUT_S = 20.0
BACK_OFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 15.0)
LINK_CODES = ("link.lost", "link.timeout", "device.unreachable")


class Session:
    """One device, reached when first needed. Not shared between threads.

    ``tell``: hears at once that the device does not answer, each further attempt, and that it answers again.
    ``fence``: of the last lease under which the device was driven through it; 0 before.
    """

    def __init__(
        self, device: Device, profile: Profile, packed: Packed, *, stop: threading.Event, sender: str = ""
    ) -> None:
        self.device = device
        self.profile = profile
        self._packed = packed
        self._stop = stop
        self._sender = sender
        self._transport: Transport | None = None
        self._client: AgentClient | None = None
        self._facts: Facts | None = None
        self.fence = 0
        self.tell: Callable[[str], None] = _unheard

    def call(self, action: Callable[[AgentClient, Transport], T], *, patience_s: float = 60.0) -> T:
        """Do ``action``; on a lost link reconnect with jittered back-off and do it again.

        The action must be safe to repeat: every verb of the agent is. ``patience_s`` counts from the
        beginning of the first attempt that failed; an attempt that itself lasted longer before the link broke
        (a long upload) starts it anew. An agent that ended without a word (killed, out of memory) is asked
        once more. Raises InfrastructureError when the link does not come back in time; every error names the
        device.
        """
        give_up = 0.0
        attempt = 0
        silent = False
        while True:
            began = time.monotonic()
            try:
                client, transport = self._open()
                if attempt:
                    self.tell(f"{self.device.name} answers again")
                return action(client, transport)
            except InfrastructureError as error:
                if error.code == "agent.silent" and not silent and not self._stop.is_set():
                    silent = True
                    continue
                now = time.monotonic()
                outlived = error.code == "link.lost" and now - began > patience_s > 0.0
                if attempt == 0 or outlived:
                    give_up = (now if outlived else began) + patience_s
                if error.code not in LINK_CODES or self._stop.is_set() or now > give_up:
                    raise self._named(error) from error
                self.tell(f"{self._named(error).message}; reconnecting for up to {give_up - now:.0f} s")
                self.close()
                pause_s = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)]
                self._stop.wait(pause_s * random.uniform(0.7, 1.3))  # noqa: S311 - jitter, not a secret
                attempt += 1
            except FarmError as error:
                raise self._named(error) from error

    def reach(self, *, patience_s: float) -> None:
        """Have a connection, so that a device that went away is found out without the patience of a job."""
        self.call(lambda _client, _transport: None, patience_s=patience_s)

    def hello(self, *, patience_s: float = 60.0) -> Hello:
        """What the agent says now: running jobs, free space, highest fence."""
        return self.call(lambda client, _: client.hello(), patience_s=patience_s)

    def facts(self, *, patience_s: float = 60.0) -> Facts:
        """What the device is; asked once per session, since it probes every runtime that changed."""
        if self._facts is None:
            self._facts = self.call(lambda client, _: client.facts(fresh=False), patience_s=patience_s)
        return self._facts

    def tidy(self) -> None:
        """Let the device drop what nobody needs any more, within its quota; a failure is no matter."""
        if self._client is None or self._stop.is_set():
            return
        with contextlib.suppress(FarmError):
            self._client.gc(quota_bytes(self.device, self.profile), self.fence)

    def close(self) -> None:
        """Drop the connection; a later call opens a new one."""
        if self._transport is not None:
            self._transport.close()
        self._transport = None
        self._client = None

    def _open(self) -> tuple[AgentClient, Transport]:
        if self._client is not None and self._transport is not None:
            return self._client, self._transport
        from farm import agent_client
        from farm.devices.root import make_root
        from farm.phone.python import find
        from farm.transports import connect

        self.close()  # an earlier attempt may have failed behind the login
        self._transport = connect(self.device, CONNECT_TIMEOUT_S)
        python = find(self._transport, self.device, self._pythons())
        root = make_root(self._transport, self.device)
        self._client = agent_client.install(self._transport, python, self._packed, root, sender=self._sender)
        return self._client, self._transport

    def _named(self, error: FarmError) -> FarmError:
        """The error with the device's name in it: an agent does not know what it is called here."""
        name = self.device.name
        if f"device {name}" in error.message or error.message.startswith(f"{name} "):
            return error
        return type(error)(f"device {name}: {error.message}", code=error.code, fix=error.fix)

    def _pythons(self) -> tuple[str, ...]:
        if self.device.python:
            return (self.device.python,)
        if self.device.transport == "local":
            return (sys.executable,)
        return self.profile.reach.pythons


def _unheard(_text: str) -> None:
    """Where nobody listens."""
