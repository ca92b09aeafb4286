"""What happens in the simulated nights, so that somebody who looks knows what there is to be found."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from farm.demo.fleet import CONVERTERS, Entry, Machine

NIGHTS = 30
LEAST_NIGHTS = 14
STEP, STEP_SHARE = "step", 0.07
KERNEL_SHARE = 0.06


@dataclass(frozen=True)
class Story:
    """Which night (from 0) is which. Of ``nights`` nights in all."""

    nights: int = NIGHTS

    @property
    def step(self) -> int:
        """From this night on a new converter makes the detector 7 % slower on demo-rpi5 in LiteRT."""
        return self.nights - 6

    @property
    def kernel(self) -> int:
        """From this night on demo-rpi4 has a new kernel, on which everything takes 6 % longer."""
        return self.nights // 2

    @property
    def silent(self) -> int:
        """From this night on nothing more comes of keywords on demo-n100."""
        return self.nights - 5

    def factor(self, entry: Entry, night: int) -> float:
        """How much longer than in the first night."""
        return self.device_factor(entry, night) * self.artifact_factor(entry, night)

    def device_factor(self, entry: Entry, night: int) -> float:
        """The part of it that the device brings, whichever artifact runs."""
        return 1.0 + KERNEL_SHARE if entry.device == "demo-rpi4" and night >= self.kernel else 1.0

    def artifact_factor(self, entry: Entry, night: int) -> float:
        """The part of it that the artifact itself brings, wherever and whenever it runs."""
        return 1.0 + STEP_SHARE if self.stepped(entry, night) else 1.0

    def stepped(self, entry: Entry, night: int) -> bool:
        """Whether it is the slower artifact."""
        hit = (entry.device, entry.model, entry.runtime) == ("demo-rpi5", "detector", "litert")
        return hit and night >= self.step

    def alive(self, entry: Entry, night: int) -> bool:
        """Whether somebody still measures it."""
        return (entry.device, entry.model) != ("demo-n100", "keywords") or night < self.silent

    def machine(self, machine: Machine, night: int) -> Machine:
        """The device as it is in that night."""
        if machine.name == "demo-rpi4" and night >= self.kernel:
            return replace(machine, kernel="6.12.20+rpt-rpi-v8")
        return machine

    def toolchain(self, entry: Entry, night: int) -> dict[str, str]:
        """What made the artifact: the converter to tflite is updated on the night of the step."""
        name, version = CONVERTERS[entry.format]
        return {name: "0.7.0" if entry.format == "tflite" and night >= self.step else version}

    def artifact_sha256(self, entry: Entry, night: int) -> str:
        """Of the converted file: it changes when the converter does."""
        parts = (entry.model, entry.format, entry.precision, *sorted(self.toolchain(entry, night).items()))
        return sha256(f"{parts} on {entry.device if entry.format == 'tensorrt' else 'any'}")

    def hot(self, machine: Machine, night: int) -> bool:
        """Whether the device is too hot that night."""
        return machine.name == "demo-rpi3" and night % 11 == 7

    def busy(self, machine: Machine, night: int) -> bool:
        """Whether something else runs on it that night."""
        return machine.name == "demo-pixel" and night % 9 == 1


def sha256(text: str) -> str:
    """Of something that exists by name only."""
    return hashlib.sha256(f"simulated {text}".encode()).hexdigest()
