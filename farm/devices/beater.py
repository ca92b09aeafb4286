"""One thread that keeps all leases of this process alive, however many devices it drives."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from farm.errors import FarmError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from farm.devices.leases import Lease

BEAT_S = 15.0


class Held(Protocol):
    """A lease in use; ``lost`` is set when another holder took over."""

    lease: Lease
    lost: threading.Event


class Beater:
    """Prolongs what is registered, every ``BEAT_S``, in one transaction per store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, tuple[Engine, Held]] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, engine: Engine, held: Held) -> None:
        """Keep a lease alive from now on."""
        with self._lock:
            self._held[id(held)] = (engine, held)
            if self._thread is None:
                self._wake = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._wake,), daemon=True, name="beats"
                )
                self._thread.start()

    def remove(self, held: Held) -> None:
        """Let a lease be; the thread ends with the last one."""
        with self._lock:
            self._held.pop(id(held), None)
            if not self._held and self._thread is not None:
                self._wake.set()
                self._thread = None

    def _run(self, over: threading.Event) -> None:
        while not over.wait(BEAT_S):
            self.beat()

    def beat(self) -> None:
        """Prolong every lease now, and tell those that were lost."""
        from farm.devices import leases

        with self._lock:
            entries = list(self._held.values())
        for engine in {id(engine): engine for engine, _ in entries}.values():
            ours = [held for other, held in entries if other is engine]
            try:
                alive = leases.beat_all(engine, [held.lease for held in ours])
            except FarmError:
                continue  # the store may be busy or away for a while; a lease outlives several beats
            for held in ours:
                if held.lease not in alive:
                    held.lost.set()
                    self.remove(held)


beater = Beater()
"""Of this process."""
