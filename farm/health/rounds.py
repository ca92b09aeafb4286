"""A round over devices: each that is due sings its canary, several at once; who fails climbs the ladder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.errors import FarmError
from farm.health.states import QUARANTINED, RETIRED, SUSPECT, Clock, Standing, database_now, when

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.config import Config
    from farm.devices.device import Device
    from farm.devices.session import Session
    from farm.health.care import Care, Exam
    from farm.switches import Switch

AT_ONCE = 16
JOIN_S = 0.2


@dataclass(frozen=True)
class Visit:
    """One device of a round: how its check ended, or ``skipped`` why, or what kept it from being checked."""

    device: str
    exam: Exam | None = None
    skipped: str = ""
    error: FarmError | None = None

    @property
    def ok(self) -> bool:
        """Nothing is wrong, as far as is known."""
        return bool(self.skipped) or (self.exam is not None and self.exam.ok)


@dataclass(frozen=True)
class Round:
    """What the checks of a round share. ``named``: a person asked for just these devices, so that a
    quarantine that runs does not keep them out; ``due_only``: leave out what was checked lately."""

    engine: Engine
    config: Config
    store_name: str
    say: Callable[[str], None]
    stop: threading.Event
    due_only: bool = False
    named: bool = False
    ladder: bool = True
    wait_s: float = 60.0
    clock: Clock | None = None

    def walk(self, devices: Sequence[Device]) -> tuple[Visit, ...]:
        """Check the devices, each under its lease. One device's trouble leaves the others' checks alone."""
        from farm.health import rows

        now = (self.clock or database_now)(self.engine)
        standings = rows.read_all(self.engine)

        def check(device: Device) -> Visit:
            why = self.waits(standings.get(device.name, Standing(device.name)), now)
            return Visit(device.name, skipped=why) if why else self._with(device, self._examine)

        with ThreadPoolExecutor(min(AT_ONCE, max(1, len(devices))), thread_name_prefix="canary") as pool:
            futures = [pool.submit(check, device) for device in devices]
            try:
                while wait(futures, timeout=JOIN_S).not_done:
                    pass
            except KeyboardInterrupt:
                self.stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return tuple(future.result() for future in futures)

    def recover(self, device: Device) -> Visit:
        """Run the canary and, when it fails, climb the ladder, whatever the device's health is."""
        return self._with(device, self._recover)

    def waits(self, standing: Standing, now: float) -> str:
        """Why a device is not checked now; "" when it is."""
        until = standing.until_unix_s
        if standing.health == RETIRED:
            return "retired"
        if standing.health == QUARANTINED and not until:
            return "quarantined until a person ends it"
        if standing.health == QUARANTINED and until > now and not self.named:
            return f"quarantined until {when(until)}"
        if not self.due_only or standing.health in (SUSPECT, QUARANTINED):
            return ""
        left_s = standing.checked_unix_s + self.config.health.every_s - now
        return f"not due for another {max(1.0, left_s / 60):.0f} min" if left_s > 0 else ""

    def _with(self, device: Device, action: Callable[[Care, Session], Exam]) -> Visit:
        from farm.health.care import Care

        session: Session | None = None
        try:
            session = session_of(device, self.config, self.store_name, self.stop)
            switch = switch_of(self.config, device)
            care = Care(
                self.engine,
                self.config.cache_dir,
                wait_s=self.wait_s,
                stop=self.stop,
                say=self.say,
                clock=self.clock,
                switch=switch,
            )
            self.say(f"{device.name}: its canary runs")
            return Visit(device.name, action(care, session))
        except FarmError as error:
            return Visit(device.name, error=error)
        finally:
            if session is not None:
                session.close()

    def _examine(self, care: Care, session: Session) -> Exam:
        from farm.health.care import examined

        return examined(care, session, ladder=self.ladder)

    def _recover(self, care: Care, session: Session) -> Exam:
        from farm.health.care import recovered

        return recovered(care, session)


def session_of(device: Device, config: Config, store_name: str, stop: threading.Event) -> Session:
    """A session that uploads as a benchmark of the same store does. Raises UsageError profile.*."""
    from farm.benchmark import sender_of
    from farm.devices.session import Session
    from farm_agent import pack
    from farm_profiles.load import load_profile

    packed = pack.build(config.cache_dir / "agents")
    sender = sender_of(store_name, device.name)
    return Session(device, load_profile(device.profile), packed, stop=stop, sender=sender)


def switch_of(config: Config, device: Device) -> Switch | None:
    """The switch of the device's power. Raises UsageError switch.*."""
    from farm.switches import of_device, open_switch

    settings = of_device(config.switches, device.name)
    return None if settings is None else open_switch(settings)
