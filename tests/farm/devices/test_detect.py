"""Profiles from facts: each board's own words, and never a guess."""

from __future__ import annotations

import pytest

from farm.devices.detect import GENERIC_ARM, detect_profile, local_profile
from farm.errors import UsageError
from farm_agent.wire import Facts
from farm_profiles.load import profile_names


def _facts(model: str, machine: str = "aarch64") -> Facts:
    return Facts(machine, model, "", 4, None, "", "", "", "3.11", ())


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi3"),
        ("Raspberry Pi 4 Model B Rev 1.4", "rpi4"),
        ("Raspberry Pi Compute Module 4 Rev 1.0", "rpi4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Xavier NX Developer Kit", "jetson-xavier-nx"),
        ("NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super", "jetson-orin-nano"),
        ("NVIDIA Jetson AGX Orin Developer Kit", "jetson-agx-orin"),
    ],
)
def test_a_board_is_known_by_its_model(model: str, profile: str) -> None:
    assert detect_profile(_facts(model), nvidia_driver=True) == profile
    assert profile in profile_names()


def test_a_pc_is_told_apart_by_its_gpu_driver() -> None:
    pc = _facts("Some Vendor Board", "x86_64")
    assert detect_profile(pc, nvidia_driver=False) == "x86-cpu"
    assert detect_profile(pc, nvidia_driver=True) == "x86-nvidia"


@pytest.mark.parametrize("model", ["", "Orange Pi 5", "NVIDIA Jetson Orin NX", "Raspberry Pi 6"])
def test_an_unknown_board_is_asked_about(model: str) -> None:
    with pytest.raises(UsageError) as caught:
        detect_profile(_facts(model), nvidia_driver=False)
    assert caught.value.code == "device.profile-unclear"


def test_this_machine_always_has_a_profile() -> None:
    assert local_profile() in profile_names()
    assert GENERIC_ARM in profile_names()
