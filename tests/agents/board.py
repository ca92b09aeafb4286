"""A board for tests: a folder that looks like /sys, and commands that print a real board's text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from farm_agent import pins
from farm_agent.job import blank
from farm_agent.messages.gate import Pin, PinPlan
from farm_agent.pins_knobs import Device
from farm_agent.wire import ArtifactSpec, BlockPlan, JobResult, JobSpec

# nvpmodel -q and jetson_clocks --show of a Jetson Nano (jetson_stats' test data), shortened.
NVPMODEL = """#!/bin/sh
case "$1" in
-q) echo "NV Power Mode: MAXN"; cat "{state}/mode";;
-m) echo "$2" > "{state}/mode";;
esac
"""
JETSON_CLOCKS = """#!/bin/sh
show() {{
  echo "SOC family:tegra210  Machine:jetson-nano"
  echo "cpu0: Online=1 Governor=schedutil MinFreq=$1 MaxFreq=1428000 CurrentFreq=1428000 IdleStates: WFI=1"
  echo "GPU MinFreq=$2 MaxFreq=921600000 CurrentFreq=153600000"
  echo "EMC MinFreq=204000000 MaxFreq=1600000000 CurrentFreq=1600000000 FreqOverride=0"
}}
case "$1" in
--show) if [ -e "{state}/fixed" ]; then show 1428000 921600000; else show 102000 76800000; fi;;
--store) [ -e "$2" ] && exit 1; echo saved > "$2";;
--restore) [ -e "$2" ] || exit 1; rm -f "{state}/fixed";;
"") touch "{state}/fixed";;
esac
"""


class Board:
    """A board's files and commands, and the agent's folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.sys = folder / "sys"
        self.root.mkdir()
        self.device = Device(self.root, self.sys, f"{folder / 'bin'}:{os.environ['PATH']}")
        self.folder = folder
        self.keeper = Keeper()

    def put(self, path: str, text: str) -> Path:
        file = self.sys / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")
        return file

    def get(self, path: str) -> str:
        return (self.sys / path).read_text().strip()

    def policies(self, *governors: str) -> None:
        for number, governor in enumerate(governors):
            self.put(f"{POLICIES}/policy{number}/scaling_governor", governor)

    def jetson(self) -> None:
        (self.folder / "bin").mkdir()
        (self.folder / "mode").write_text("0\n")
        for name, script in (("nvpmodel", NVPMODEL), ("jetson_clocks", JETSON_CLOCKS)):
            path = self.folder / "bin" / name
            path.write_text(script.format(state=self.folder))
            path.chmod(0o755)

    def pinned(self, **plan: str) -> Any:
        return pins.pinned(self.keeper, PinPlan(**plan), self.root, self.device)

    def pin(self, name: str) -> Pin:
        return next(pin for pin in self.keeper.result.pins if pin.name == name)


POLICIES = "sys/devices/system/cpu/cpufreq"
SPEC = JobSpec("job-1", 1, ArtifactSpec("onnx", "fp32", (), (), ()), "onnxruntime", BlockPlan())


class Keeper:
    """Keeps the result."""

    def __init__(self) -> None:
        self.result: JobResult = blank(SPEC, "")

    def keep(self, result: JobResult) -> None:
        self.result = result

    def emit(self, kind: str, data: dict[str, Any]) -> None: ...

    def note_versions(self, versions: dict[str, str]) -> None: ...

    def log(self, text: str) -> None: ...
