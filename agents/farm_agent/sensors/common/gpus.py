"""A sensor over every GPU of one machine: each quantity is a channel where the GPU has it."""

from __future__ import annotations

from ctypes import c_void_p
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import SensorError
from farm_agent.sensors.common import plausible
from farm_agent.sensors.common.nvml_library import NO_LIBRARY_FIX, Nvml


@dataclass(frozen=True)
class Quantity:
    """``value`` gets the library and a GPU's handle; None when that GPU does not have it."""

    channel: Channel
    value: Callable[[Nvml, c_void_p], Optional[float]]


class Gpus:
    """Reads the quantities of each GPU; channels are named ``gpu0/energy``."""

    def __init__(self, library: Nvml, quantities: Sequence[Quantity], interval_s: float) -> None:
        self._library = library
        self.interval_s = interval_s
        self._reads: List[Tuple[Channel, Quantity, c_void_p]] = []
        for index, gpu in enumerate(library.handles()):
            for quantity in quantities:
                if quantity.value(library, gpu) is not None:
                    own = quantity.channel
                    name = f"gpu{index}/{own.name}"
                    channel = Channel(name, own.kind, own.scope, own.quantum, own.wraps_at, own.update_s)
                    self._reads.append((channel, quantity, gpu))
        self.channels: Tuple[Channel, ...] = tuple(channel for channel, _, _ in self._reads)
        if not self.channels:
            raise SensorError(
                "NVML knows no GPU that tells this (NOT_SUPPORTED)",
                code="sensor.unavailable",
                fix=NO_LIBRARY_FIX,
            )

    def read(self) -> Dict[str, float]:
        """Raises SensorError ``sensor.silent`` when a GPU is lost or the driver fails."""
        values: Dict[str, float] = {}
        for channel, quantity, gpu in self._reads:
            value = quantity.value(self._library, gpu)
            if value is not None:
                values[channel.name] = value
        return plausible.keep(self.channels, values)

    def close(self) -> None:
        """Let go of the library."""
        self._library.close()


def open_gpus(library: str, quantities: Sequence[Quantity], interval_s: float) -> Gpus:
    """Raises SensorError; the library is not held then."""
    nvml = Nvml(library)
    try:
        return Gpus(nvml, quantities, interval_s)
    except SensorError:
        nvml.close()
        raise


def scaled(value: Optional[int], factor: float) -> Optional[float]:
    """A number in another unit; None stays None."""
    return None if value is None else value * factor
