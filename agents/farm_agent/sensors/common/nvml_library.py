"""NVIDIA's management library through ctypes: the few calls that tell power, heat and clocks of a GPU.

Names and numbers are those of nvml.h. Without a GPU, a driver or the library everything here raises
SensorError; a quantity that a GPU does not have is None.
"""

from __future__ import annotations

import ctypes
from typing import List, Optional

from farm_agent.sensors import SensorError

LIBRARY = "libnvidia-ml.so.1"
NOT_SUPPORTED, NO_PERMISSION, FUNCTION_NOT_FOUND = 3, 4, 13
ABSENT = (NOT_SUPPORTED, FUNCTION_NOT_FOUND)
GRAPHICS, SM, MEMORY = 0, 1, 2
TEMPERATURE_GPU = 0
MOST_GPUS = 64
NO_LIBRARY_FIX = "install NVIDIA's driver; on a Jetson use ina3221 and tegrastats"


class Nvml:
    """An initialised library. Every method raises SensorError ``sensor.silent`` when a call fails."""

    def __init__(self, library: str = LIBRARY) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise SensorError(
                f"cannot load {library}: {error}", code="sensor.unavailable", fix=NO_LIBRARY_FIX
            ) from error
        status = self._status("nvmlInit_v2")
        if status != 0:
            raise SensorError(
                f"NVML does not start: {self.meaning(status)}",
                code="sensor.unavailable",
                fix="nvidia-smi says more; load the driver",
            )

    def handles(self) -> List[ctypes.c_void_p]:
        """One handle per GPU."""
        count = ctypes.c_uint()
        self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        found = []
        for index in range(min(count.value, MOST_GPUS)):
            handle = ctypes.c_void_p()
            self._call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
            found.append(handle)
        return found

    def energy_mj(self, gpu: ctypes.c_void_p) -> Optional[int]:
        """Millijoules since the driver was loaded (Volta and newer)."""
        return self._wide("nvmlDeviceGetTotalEnergyConsumption", gpu)

    def power_mw(self, gpu: ctypes.c_void_p) -> Optional[int]:
        """Milliwatts; on most GPUs the mean of the last second."""
        return self._narrow("nvmlDeviceGetPowerUsage", gpu)

    def temperature_c(self, gpu: ctypes.c_void_p) -> Optional[int]:
        """Degrees of the chip."""
        return self._narrow("nvmlDeviceGetTemperature", gpu, ctypes.c_int(TEMPERATURE_GPU))

    def clock_mhz(self, gpu: ctypes.c_void_p, kind: int) -> Optional[int]:
        """Clock of GRAPHICS, SM or MEMORY."""
        return self._narrow("nvmlDeviceGetClockInfo", gpu, ctypes.c_int(kind))

    def reasons(self, gpu: ctypes.c_void_p) -> Optional[int]:
        """Bits that say why the clocks are not higher; the call was renamed in driver 535."""
        told = self._wide("nvmlDeviceGetCurrentClocksEventReasons", gpu)
        return self._wide("nvmlDeviceGetCurrentClocksThrottleReasons", gpu) if told is None else told

    def close(self) -> None:
        """Balance the start."""
        self._status("nvmlShutdown")

    def meaning(self, status: int) -> str:
        """NVML's own words for a status."""
        try:
            function = self._library.nvmlErrorString
        except AttributeError:
            return f"status {status}"
        function.restype = ctypes.c_char_p
        text = function(ctypes.c_int(status))
        return text.decode("utf-8", "replace") if text else f"status {status}"

    def _narrow(self, name: str, *arguments: object) -> Optional[int]:
        value = ctypes.c_uint()
        return value.value if self._tells(name, *arguments, ctypes.byref(value)) else None

    def _wide(self, name: str, *arguments: object) -> Optional[int]:
        value = ctypes.c_ulonglong()
        return value.value if self._tells(name, *arguments, ctypes.byref(value)) else None

    def _tells(self, name: str, *arguments: object) -> bool:
        status = self._status(name, *arguments)
        if status in ABSENT:
            return False
        if status != 0:
            raise SensorError(f"{name}: {self.meaning(status)}", code="sensor.silent")
        return True

    def _call(self, name: str, *arguments: object) -> None:
        if not self._tells(name, *arguments):
            raise SensorError(f"{name} is not supported here", code="sensor.unavailable", fix=NO_LIBRARY_FIX)

    def _status(self, name: str, *arguments: object) -> int:
        try:
            function = getattr(self._library, name)
        except AttributeError:
            return FUNCTION_NOT_FOUND
        function.restype = ctypes.c_int
        return int(function(*arguments))
