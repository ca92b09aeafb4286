"""Temperature, clocks and reasons of throttling of NVIDIA GPUs, from the driver's own library."""

from __future__ import annotations

from ctypes import c_void_p
from typing import Callable, Optional, Tuple

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe
from farm_agent.sensors.common import nvml_library
from farm_agent.sensors.common.attempt import attempt
from farm_agent.sensors.common.gpus import Gpus, Quantity, open_gpus, scaled
from farm_agent.sensors.common.nvml_library import LIBRARY, Nvml

PURPOSE = "telemetry"
INTERVAL_S = 0.1
# Bits of nvml.h. Left out: idle (0x1), clocks that somebody set (0x2), sync boost (0x10), display (0x100).
REASONS = {
    0x4: "power-cap",
    0x8: "hardware-slowdown",
    0x20: "software-thermal",
    0x40: "hardware-thermal",
    0x80: "power-brake",
}


def names_of(bits: int) -> Tuple[str, ...]:
    """Why the clocks are held down."""
    return tuple(name for bit, name in REASONS.items() if bits & bit)


def _temperature(library: Nvml, gpu: c_void_p) -> Optional[float]:
    return scaled(library.temperature_c(gpu), 1.0)


def _clock(kind: int) -> Callable[[Nvml, c_void_p], Optional[float]]:
    return lambda library, gpu: scaled(library.clock_mhz(gpu, kind), 1000.0)


def _reason(name: str) -> Callable[[Nvml, c_void_p], Optional[float]]:
    def value(library: Nvml, gpu: c_void_p) -> Optional[float]:
        bits = library.reasons(gpu)
        return None if bits is None else float(name in names_of(bits))

    return value


QUANTITIES = (
    Quantity(Channel("temperature", "temperature_c", quantum=1.0), _temperature),
    Quantity(Channel("graphics", "frequency_khz", quantum=1000.0), _clock(nvml_library.GRAPHICS)),
    Quantity(Channel("memory", "frequency_khz", quantum=1000.0), _clock(nvml_library.MEMORY)),
    *(Quantity(Channel(name, "throttle_state", quantum=1.0), _reason(name)) for name in REASONS.values()),
)


def probe(library: str = LIBRARY) -> Probe:
    """Available where a GPU tells at least one of them."""
    return attempt(lambda: open(library))


def open(library: str = LIBRARY) -> Gpus:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` without library, driver, or a GPU that tells."""
    return open_gpus(library, QUANTITIES, INTERVAL_S)
