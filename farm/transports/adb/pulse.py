"""Whether a phone is still there, without starting a process on it: its file service answers a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from farm.devices import faults

if TYPE_CHECKING:
    from farm.transports.adb.server import Wire

_QUESTION = b"STAT" + (1).to_bytes(4, "little") + b"/"
_ANSWER_BYTES = 16


class Pulse:
    """``open_sync`` makes a stream to adb's file service, with its timeout; kept between beats."""

    def __init__(self, open_sync: Callable[[], Wire], device: str) -> None:
        self._open = open_sync
        self._device = device
        self._wire: Wire | None = None

    def beat(self) -> None:
        """One question, one answer. Raises InfrastructureError link.lost where none comes."""
        try:
            if self._wire is None:
                self._wire = self._open()
            self._wire.conn.sendall(_QUESTION)
            answer = self._wire.read_exact(_ANSWER_BYTES)
        except Exception as error:
            self.close()
            raise faults.lost(self._device, f"the phone does not answer any more: {error}") from error
        if answer[:4] != b"STAT":
            self.close()
            raise faults.lost(self._device, "its file service answers something else")

    def close(self) -> None:
        """Forget the stream; the next beat opens one. Never raises."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.conn.close()
