"""Addresses: what is read, what is refused, and that a password is never repeated."""

from __future__ import annotations

import pytest

from farm.devices.address import Address, parse_address
from farm.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("local", Address("local")),
        ("ssh://pi.lan", Address("ssh", "pi.lan")),
        ("ssh://Pi-Alias", Address("ssh", "Pi-Alias")),
        ("ssh://pi@10.0.0.7:2222", Address("ssh", "10.0.0.7", "pi", 2222)),
        ("ssh://pi@[fe80::1%eth0]:22", Address("ssh", "fe80::1%eth0", "pi", 22)),
        ("ssh://[::1]", Address("ssh", "::1")),
        ("adb:0A041FDD400327", Address("adb", serial="0A041FDD400327")),
        ("adb:192.0.2.9:5555", Address("adb", serial="192.0.2.9:5555")),
        (
            "adb:adb-1A2B-xyz._adb-tls-connect._tcp",
            Address("adb", serial="adb-1A2B-xyz._adb-tls-connect._tcp"),
        ),
        ("adb:emulator-5554@bench.lan:5038", Address("adb", "bench.lan", port=5038, serial="emulator-5554")),
        ("adb:X1@[::1]", Address("adb", "::1", serial="X1")),
    ],
)
def test_an_address_is_read_and_written_back(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(address.text()) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pi",
        "pi@host",
        "http://host",
        "ssh://",
        "ssh://host:0",
        "ssh://host:99999",
        "ssh://host:x",
        "ssh://host/path",
        "ssh://host?x=1",
        "ssh://-oProxyCommand=id",
        "ssh://-v@host",
        "ssh://a b",
        "ssh://a;id",
        "ssh://[::1",
        "local://x",
        "adb:",
        "adb:-s",
        "adb:a b",
        "adb:a;id",
        "adb:X1@",
        "adb:X1@-host",
        "adb:X1@host:0",
        "adb:X1@host/path",
    ],
)
def test_anything_else_is_refused_with_a_fix(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert caught.value.code == "device.address"
    assert caught.value.fix


def test_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        parse_address("ssh://pi:raspberry@host")
    assert "raspberry" not in caught.value.message + caught.value.fix
    assert "keys" in caught.value.message


def test_a_bare_host_is_answered_with_the_address_to_write() -> None:
    with pytest.raises(UsageError) as caught:
        parse_address("pi@10.0.0.7")
    assert "ssh://pi@10.0.0.7" in caught.value.fix
