"""Logs of FNIRSI FNB48 and FNB58 USB meters, as their readers for Linux write them.

    timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As

Of the nominal 100 samples a second, three of four are interpolated: a packet of four counts as one sample,
their mean. The first packet after a (re)connection is garbage (188 V, 170 A): it is dropped.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from farm.power import MeterError
from farm.power.common.table import finite, garbled

# What the meters can take, with room; anything above is no measurement.
MOST_V, MOST_A = 60.0, 12.0
# Packets come every 40 ms; after so long a pause the meter was connected anew.
PAUSE_NS = 1_000_000_000


class Parser:
    """Keeps the packet that is not whole yet."""

    def __init__(self) -> None:
        self._packet: list[tuple[int, float]] = []
        self._dropping = True
        self._last_ns = 0

    def rows(self, lines: Sequence[str]) -> list[tuple[int, float]]:
        """One row per whole packet. Raises MeterError meter.garbled, meter.absurd."""
        found = []
        for line in lines:
            cells = line.split()
            if len(cells) < 4 or cells[0] in ("timestamp", "#"):
                continue
            try:
                time_ns, index = int(finite(cells[0]) * 1e9), int(cells[1])
                volts, amperes = finite(cells[2]), finite(cells[3])
            except (ValueError, OverflowError) as error:
                raise garbled(line) from error
            if not 0 <= time_ns < 2**62:
                raise garbled(line)
            found += self._sample(time_ns, index, volts, amperes)
        return found

    def _sample(self, time_ns: int, index: int, volts: float, amperes: float) -> list[tuple[int, float]]:
        again = self._last_ns > 0 and time_ns - self._last_ns > PAUSE_NS
        done = []
        if index == 0 or again:
            done = [] if self._dropping or again else self._whole()
            # The packet that begins now is the first after a connection when none came before it.
            self._dropping = again or self._last_ns == 0
            self._packet = []
        self._last_ns = time_ns
        if not self._dropping:
            if abs(volts) > MOST_V or abs(amperes) > MOST_A:
                raise MeterError(
                    f"the meter said {volts:.0f} V and {amperes:.0f} A",
                    code="meter.absurd",
                    fix="connect the meter anew",
                )
            self._packet.append((time_ns, volts * amperes))
        return done

    def _whole(self) -> list[tuple[int, float]]:
        if not self._packet:
            return []
        times, powers = zip(*self._packet, strict=True)
        return [(times[len(times) // 2], statistics.fmean(powers))]
