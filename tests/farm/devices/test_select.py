"""Selectors: each kind of word, their order, and what an unknown one is answered."""

from __future__ import annotations

import pytest

from farm.devices.device import Device
from farm.devices.select import select
from farm.errors import UsageError
from farm_profiles.profile import Profile, Reach, Support


def _profile(name: str, family: str) -> Profile:
    return Profile(name, 1, name, family, "aarch64", Reach(("ssh",)), Support("supported"), ())


PROFILES = {
    name: _profile(name, family)
    for name, family in [
        ("rpi4", "rpi"),
        ("rpi5", "rpi"),
        ("jetson-orin-nano", "jetson"),
        ("jetson-agx-orin", "jetson"),
        ("pixel", "android"),
        ("x86-cpu", "x86"),
    ]
}
DEVICES = {
    device.name: device
    for device in [
        Device("local", "x86-cpu", "local"),
        Device("pi-a", "rpi4", "ssh://a", tags=("lab", "slow")),
        Device("pi-b", "rpi5", "ssh://b", tags=("lab",)),
        Device("orin", "jetson-orin-nano", "ssh://c"),
        Device("agx", "jetson-agx-orin", "ssh://d", tags=("slow",)),
        Device("rpi", "x86-cpu", "ssh://e"),
    ]
}


def _names(*tokens: str) -> list[str]:
    return [device.name for device in select(DEVICES, PROFILES, tokens).matches]


@pytest.mark.parametrize(
    ("tokens", "names"),
    [
        (["pi-b", "pi-a"], ["pi-b", "pi-a"]),
        (["pi-b,pi-a, pi-b"], ["pi-b", "pi-a"]),
        (["pi-*"], ["pi-a", "pi-b"]),
        (["lab"], ["pi-a", "pi-b"]),
        (["tag:slow"], ["pi-a", "agx"]),
        (["rpi4"], ["pi-a"]),
        (["profile:rpi5"], ["pi-b"]),
        (["jetson"], ["orin", "agx"]),
        (["family:rpi"], ["pi-a", "pi-b"]),
        (["rpi"], ["rpi"]),  # an exact name wins over the family
        (["all"], ["local", "pi-a", "pi-b", "orin", "agx", "rpi"]),
        (["all", "!lab", "!local"], ["orin", "agx", "rpi"]),
        (["!jetson", "!local"], ["pi-a", "pi-b", "rpi"]),
        (["!pi-a", "lab"], ["pi-b"]),
        (["[pr]pi*"], ["rpi", "pi-a", "pi-b"]),
    ],
)
def test_a_word_matches(tokens: list[str], names: list[str]) -> None:
    assert sorted(_names(*tokens)) == sorted(names)
    if "[pr]pi*" not in tokens:
        assert _names(*tokens) == names


def test_the_selection_says_what_each_word_matched() -> None:
    explained = select(DEVICES, PROFILES, ["jetson,pi-a", "!slow"]).explained
    assert explained == [("jetson", ("orin", "agx")), ("pi-a", ("pi-a",)), ("!slow", ("pi-a", "agx"))]


@pytest.mark.parametrize(
    ("word", "near"), [("pi_a", "pi-a"), ("jetsen", "jetson"), ("lap", "lab"), ("!orinn", "orin")]
)
def test_an_unknown_word_suggests_the_nearest(word: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(DEVICES, PROFILES, ["local", word])
    assert caught.value.code == "device.unknown"
    assert near in caught.value.fix.partition("?")[0]


@pytest.mark.parametrize(
    ("word", "profile"), [("pixel", "pixel"), ("android", "pixel"), ("family:android", "pixel")]
)
def test_a_known_profile_without_device_says_how_to_add_one(word: str, profile: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(DEVICES, PROFILES, [word])
    assert caught.value.code == "device.none-selected"
    assert f"--profile {profile}" in caught.value.fix


@pytest.mark.parametrize("tokens", [[], [""], ["pi-a", "!pi-a"], ["!all"]])
def test_selecting_nothing_is_an_error(tokens: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        select(DEVICES, PROFILES, tokens)
    assert caught.value.code == "device.none-selected"


def test_a_device_of_an_unknown_profile_still_matches_by_name() -> None:
    devices = {"odd": Device("odd", "no-such-profile", "ssh://odd")}
    assert select(devices, PROFILES, ["odd", "no-such-profile"]).matches == [devices["odd"]]
