"""Power rails of Jetson modules: the INA3221 chips, through hwmon (JetPack 5 and newer) or iio (JetPack 4).

Neither layout's numbers are stable (hwmon3, iio:device0), so channels are found by label. hwmon has no
power file: a rail's power is its voltage times its current.
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import jetson_rails, plausible, sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "power"
# A register takes about half a millisecond over the chip's bus: at most 100 reads a second of 3 rails.
INTERVAL_S = 0.01
DRIVERS = Path("sys/bus/i2c/drivers")
HWMON = Path("sys/class/hwmon")
# One step of the shunt's voltage register; times the bus voltage and over the shunt it is a step of power.
SHUNT_STEP_V = 40e-6


@dataclass(frozen=True)
class Rail:
    """One connected channel of a chip; voltage in mV, current in mA. ``shunt_ohm`` None: not told."""

    label: str
    chip: Path
    voltage: Path
    current: Path
    shunt_ohm: Optional[float] = None
    update_s: Optional[float] = None
    samples: Optional[int] = None


def power_w(millivolts: Optional[int], milliamperes: Optional[int]) -> Optional[float]:
    """mV times mA are microwatts; None where one of them is missing or cannot be true (188 V)."""
    if millivolts is None or milliamperes is None or milliamperes < 0:
        return None
    volts, amperes = millivolts / 1000, milliamperes / 1000
    if not plausible.plausible("voltage_v", volts) or not plausible.plausible("current_a", amperes):
        return None
    return volts * amperes


def rails(root: Path) -> List[Rail]:
    """Every rail of every chip, in either layout; NC and the sum of shunt voltages are none."""
    found: List[Rail] = []
    for driver in sysfiles.folders(root / DRIVERS, "ina3221*"):
        for device in sysfiles.folders(driver, "*-*"):
            for chip in sysfiles.folders(device, "hwmon/hwmon*"):
                found += _hwmon_rails(chip)
            for chip in sysfiles.folders(device, "iio:device*"):
                found += _iio_rails(chip)
    if not found:
        for chip in sysfiles.folders(root / HWMON, "hwmon*"):
            if sysfiles.read_word(chip / "name").startswith("ina3221"):
                found += _hwmon_rails(chip)
    return found


def _hwmon_rails(chip: Path) -> List[Rail]:
    """in1..in3 with their labels; in4..in6 are shunt voltages and in7 their sum."""
    update_ms = sysfiles.number(chip / "update_interval")
    found = []
    for index in (1, 2, 3):
        label = sysfiles.read_word(chip / f"in{index}_label")
        if jetson_rails.is_rail(label):
            micro_ohm = sysfiles.number(chip / f"shunt{index}_resistor")
            found.append(
                Rail(
                    label,
                    chip,
                    chip / f"in{index}_input",
                    chip / f"curr{index}_input",
                    micro_ohm * 1e-6 if micro_ohm and micro_ohm > 0 else None,
                    update_ms / 1000 if update_ms and update_ms > 0 else None,
                    sysfiles.number(chip / "samples"),
                )
            )
    return found


def _iio_rails(chip: Path) -> List[Rail]:
    """rail_name_0..2 of JetPack 4's own driver, which tells neither shunt nor interval."""
    found = []
    for index in (0, 1, 2):
        label = sysfiles.read_word(chip / f"rail_name_{index}")
        if jetson_rails.is_rail(label):
            files = [chip / f"in_{quantity}{index}_input" for quantity in ("voltage", "current")]
            found.append(Rail(label, chip, files[0], files[1]))
    return found


def step_w(rail: Rail, volts: Optional[float], row: Optional[jetson_rails.Semantics]) -> Optional[float]:
    """The smallest step of a rail's power: 40 uV over its shunt, at its voltage. None: shunt not known."""
    shunt = rail.shunt_ohm or (row.shunt_ohm if row is not None else None)
    return SHUNT_STEP_V / shunt * volts if shunt and volts else None


class Ina3221:
    """Power of each rail, and the board's headline where the table has one for it."""

    def __init__(self, found: List[Rail]) -> None:
        self._rails = found
        self._row = jetson_rails.semantics_of([rail.label for rail in found])
        self.channels: Tuple[Channel, ...] = tuple(self._channels())
        updates = [rail.update_s for rail in found if rail.update_s]
        self.interval_s = max([INTERVAL_S, *updates[:1]])
        self.details = {
            rail.label: f"{rail.chip.name} samples={rail.samples} update_s={rail.update_s}" for rail in found
        }

    def _channels(self) -> List[Channel]:
        channels, steps = [], {}  # type: List[Channel], Dict[str, Optional[float]]
        for rail in self._rails:
            millivolts = sysfiles.number(rail.voltage)
            step = step_w(rail, millivolts / 1000 if millivolts else None, self._row)
            steps[rail.label] = step
            scope = jetson_rails.scope_of(rail.label, self._row)
            channels.append(Channel(rail.label, "power_w", scope, step, None, rail.update_s))
        if self._row is not None and self._row.channel == jetson_rails.TOTAL:
            parts = [steps[rail] for rail in self._row.headline]
            widest = None if None in parts else max(part for part in parts if part is not None)
            slowest = max((rail.update_s for rail in self._rails if rail.update_s), default=None)
            channels.append(Channel(jetson_rails.TOTAL, "power_w", self._row.scope, widest, None, slowest))
        return channels

    def read(self) -> Dict[str, float]:
        """Watts by rail. Raises SensorError ``sensor.silent`` when no rail could be read."""
        powers: Dict[str, float] = {}
        for rail in self._rails:
            power = power_w(sysfiles.number(rail.voltage), sysfiles.number(rail.current))
            if power is not None:
                powers[rail.label] = power
        kept = plausible.keep(self.channels, powers)
        kept.update(plausible.keep(self.channels, jetson_rails.total_w(kept, self._row)))
        if not kept:
            raise SensorError(
                f"no rail of {len(self._rails)} gave a voltage and a current that can be true",
                code="sensor.silent",
            )
        return kept

    def close(self) -> None:
        """No file stays open between reads."""


def probe(root: Path = Path("/")) -> Probe:
    """Available where a rail can be read now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> Ina3221:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where no chip shows a connected rail."""
    found = rails(root)
    if not found:
        raise SensorError(
            f"no INA3221 with a labelled rail below /{DRIVERS}",
            code="sensor.unavailable",
            fix="only Jetson modules have them; there, use NVIDIA's kernel",
        )
    return Ina3221(found)
