"""Joulescope JS220 and JS110 over USB, by pyjoulescope_driver (extra ``joulescope``). The instrument's own
accumulated energy is read: it loses nothing between two readings."""

from __future__ import annotations

import importlib
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

from farm.kinds import Key
from farm.power import MeterError, MeterSettings
from farm_agent.messages.traces import Channel

INTERVAL_S = 0.1
HERTZ = 20.0
# The instrument's clock that a number of samples per statistics value is counted in.
SAMPLES_PER_S = 1_000_000
MOST_WAITING = 100_000
KEYS = {"serial": Key((str,))}


class Joulescope:
    """A Meter (see ``farm.power``). The driver's thread fills a list that ``read`` empties."""

    interval_s = INTERVAL_S

    def __init__(self, driver: Any, path: str, channel: Channel) -> None:  # noqa: ANN401 - the driver has no types
        self._driver = driver
        self._path = path
        self._channel = channel
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, float]] = []
        self._problem = ""

    @property
    def channel(self) -> Channel:
        """A counter of energy in joules."""
        return self._channel

    def begin(self) -> None:
        """Have the instrument send statistics."""
        self._driver.open(self._path)
        if "js110" in self._path:
            self._driver.publish(f"{self._path}/s/i/range/select", "auto")
            self._driver.subscribe(f"{self._path}/s/sstats/value", "pub", self.on_value)
        else:
            self._driver.publish(f"{self._path}/s/i/range/mode", "auto")
            self._driver.publish(f"{self._path}/s/stats/scnt", round(SAMPLES_PER_S / HERTZ))
            self._driver.publish(f"{self._path}/s/stats/ctrl", 1)
            self._driver.subscribe(f"{self._path}/s/stats/value", "pub", self.on_value)

    def on_value(self, _topic: str, value: Any) -> None:  # noqa: ANN401
        """One statistics value, in the driver's thread; nothing may be raised into it."""
        now_ns = time.monotonic_ns()
        try:
            joules = float(value["accumulators"]["energy"]["value"])
            problem = "" if math.isfinite(joules) else "the instrument sent a value that is no number"
        except (KeyError, TypeError, ValueError):
            joules, problem = 0.0, "the instrument sent statistics without energy"
        with self._lock:
            self._problem = problem
            if not problem and len(self._waiting) < MOST_WAITING:
                self._waiting.append((now_ns, joules))

    def read(self) -> Sequence[tuple[int, float]]:
        """Raises MeterError ``meter.garbled``."""
        with self._lock:
            found, self._waiting = self._waiting, []
            problem, self._problem = self._problem, ""
        if problem and not found:
            raise MeterError(
                problem, code="meter.garbled", fix="update pyjoulescope_driver and the instrument"
            )
        return found

    def close(self) -> None:
        """Give the instrument back."""
        try:
            self._driver.close(self._path)
            self._driver.finalize()
        except Exception:  # noqa: BLE001 - it may have been unplugged; nothing is left to do
            return


def open(settings: MeterSettings) -> Joulescope:  # noqa: A001 - the seam's name
    """``serial``: the instrument's number, needed where there are several. Raises MeterError."""
    try:
        module = importlib.import_module("pyjoulescope_driver")
    except ImportError as error:
        raise MeterError(
            "pyjoulescope_driver is not installed",
            code="meter.missing",
            fix="pip install 'edgefarm[joulescope]'",
        ) from error
    try:
        driver = module.Driver()
        paths = [str(path) for path in driver.device_paths()]
        meter = Joulescope(
            driver, _choose(paths, settings.text("serial")), settings.channel("input", kind="energy_j")
        )
        meter.begin()
    except MeterError:
        raise
    except Exception as error:
        raise MeterError(
            f"the Joulescope cannot be used: {str(error)[:200]}",
            code="meter.missing",
            fix="plug it in, and allow your user its USB device (the driver's udev rules)",
        ) from error
    return meter


def _choose(paths: Sequence[str], serial: str) -> str:
    found = [path for path in paths if not serial or path.rstrip("/").endswith(serial)]
    if len(found) != 1:
        raise MeterError(
            f"{len(found)} instruments fit, one is needed: there are {', '.join(paths) or 'none'}",
            code="meter.missing",
            fix="plug one in, or set serial for the meter",
        )
    return found[0]
