"""What a phone says it is: real texts, absent values, nonsense."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import UsageError
from farm.phone import identity
from farm_agent.sensors import SensorError

TEXTS = Path(__file__).parents[2] / "zoo" / "android" / "texts"
PIXEL = """\
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 8 Pro]
[ro.soc.manufacturer]: [Google]
[ro.soc.model]: [Tensor G3]
[ro.build.version.release]: [15]
[ro.build.version.sdk]: [35]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.serialno]: [1A2B3C]
"""
MEMORY = "MemTotal:       11865612 kB\nMemFree:  100 kB\n"


def test_a_pixel_is_known_with_its_chip() -> None:
    phone = identity.read(PIXEL, MEMORY, "aarch64")
    assert phone.title() == "Google Pixel 8 Pro, Google Tensor G3, Android 15, arm64-v8a, 11.3 GiB"
    assert (phone.sdk, phone.serial, phone.memory_bytes) == (35, "1A2B3C", 11865612 * 1024)
    assert identity.profile_of(phone) == "pixel"


@pytest.mark.parametrize(
    ("model", "profile"),
    [
        ("Pixel 6", "pixel"),
        ("Pixel 6a", "pixel"),
        ("Pixel 10 Pro XL", "pixel"),
        ("Pixel Fold", "pixel"),
        ("Pixel 5", "android-generic"),
        ("Pixel 4a (5G)", "android-generic"),
        ("Pixel", "android-generic"),
        ("Nexus 5X", "android-generic"),
    ],
)
def test_only_pixels_with_power_meters_get_their_profile(model: str, profile: str) -> None:
    assert identity.profile_of(replace(identity.read(PIXEL, MEMORY, "aarch64"), model=model)) == profile


def test_another_makers_real_text_is_read() -> None:
    phone = identity.read((TEXTS / "getprop.txt").read_text(), "", "aarch64")
    assert (phone.maker, phone.model, phone.soc, phone.android) == ("Xiaomi", "M2101K9C", "MT6893", "13")
    assert phone.memory_bytes == 0
    assert identity.profile_of(phone) == "android-generic"


def test_a_32_bit_phone_has_no_profile() -> None:
    with pytest.raises(UsageError) as caught:
        identity.profile_of(identity.read(PIXEL, MEMORY, "armv8l"))
    assert caught.value.code == "device.profile-unclear"


@given(st.text(max_size=400), st.text(max_size=100), st.text(max_size=20))
def test_nonsense_is_refused_or_read_within_bounds(properties: str, memory: str, machine: str) -> None:
    with contextlib.suppress(SensorError):
        assert len(identity.read(properties, memory, machine).title()) < 500
