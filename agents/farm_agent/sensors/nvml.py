"""Energy or power of NVIDIA GPUs, from the driver's own library.

The energy counter (Volta and newer) is preferred: the power is, on most GPUs, the mean of the last second,
and some sample only a quarter of the time. A GPU's power is not the computer's. On a Jetson the library
loads and answers NOT_SUPPORTED: its power is in ``ina3221``.
"""

from __future__ import annotations

from ctypes import c_void_p
from typing import Optional

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe
from farm_agent.sensors.common.attempt import attempt
from farm_agent.sensors.common.gpus import Gpus, Quantity, open_gpus, scaled
from farm_agent.sensors.common.nvml_library import LIBRARY, Nvml

PURPOSE = "power"
INTERVAL_S = 0.05
UPDATE_S = 0.1


def _energy_j(library: Nvml, gpu: c_void_p) -> Optional[float]:
    return scaled(library.energy_mj(gpu), 1e-3)


def _power_w(library: Nvml, gpu: c_void_p) -> Optional[float]:
    """Only of a GPU without a counter: two channels of one thing would be counted twice."""
    if library.energy_mj(gpu) is not None:
        return None
    return scaled(library.power_mw(gpu), 1e-3)


QUANTITIES = (
    Quantity(Channel("energy", "energy_j", "gpu", 0.001, None, UPDATE_S), _energy_j),
    Quantity(Channel("power", "power_w", "gpu", 0.001, None, 1.0), _power_w),
)


def probe(library: str = LIBRARY) -> Probe:
    """Available where a GPU tells its energy or power."""
    return attempt(lambda: open(library))


def open(library: str = LIBRARY) -> Gpus:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` without library, driver, or a GPU that tells."""
    return open_gpus(library, QUANTITIES, INTERVAL_S)
