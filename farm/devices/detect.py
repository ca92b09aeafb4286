"""Which profile fits a box, from its own facts; never a guess."""

from __future__ import annotations

import os
import re
from pathlib import Path

from farm.errors import UsageError
from farm_agent.wire import Facts

# The device tree's model (/proc/device-tree/model) names the board.
BOARDS = (
    (r"Raspberry Pi (3|Compute Module 3|Zero 2)", "rpi3"),
    (r"Raspberry Pi (4|400|Compute Module 4)", "rpi4"),
    (r"Raspberry Pi (5|500|Compute Module 5)", "rpi5"),
    (r"Jetson AGX Orin", "jetson-agx-orin"),
    (r"Jetson Orin Nano", "jetson-orin-nano"),
    (r"Jetson Xavier NX", "jetson-xavier-nx"),
    (r"Jetson Nano", "jetson-nano"),
)


GENERIC_ARM = "arm64-generic"


def detect_profile(facts: Facts, *, nvidia_driver: bool) -> str:
    """The profile's name. Raises UsageError device.profile-unclear where the facts name no known board."""
    if "android" in facts.details:
        from farm.phone.identity import PIXEL

        return "pixel" if PIXEL.fullmatch(facts.model.removeprefix("Google ")) else "android-generic"
    profile = profile_of(facts.machine, facts.model, nvidia_driver=nvidia_driver)
    if profile:
        return profile
    raise UsageError(
        f"no profile is known for {facts.model or 'a board that does not tell its model'} ({facts.machine})",
        code="device.profile-unclear",
        fix="name the one that fits best: --profile NAME (an unknown one lists them all)",
    )


def profile_of(machine: str, model: str, *, nvidia_driver: bool) -> str:
    """The profile of a known board or of any x86-64 computer; "" for anything else."""
    for pattern, profile in BOARDS:
        if re.search(rf"\b{pattern}\b", model):
            return profile
    if machine in ("x86_64", "AMD64"):
        return "x86-nvidia" if nvidia_driver else "x86-cpu"
    return ""


def local_profile() -> str:
    """The profile of this machine; the generic one where its board is not known."""
    try:
        model = Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace")
    except OSError:
        model = ""
    nvidia = Path("/proc/driver/nvidia/version").exists()
    return profile_of(os.uname().machine, model, nvidia_driver=nvidia) or GENERIC_ARM
