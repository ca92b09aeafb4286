"""Numbers with units, and foreign strings that cannot drive a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm_results.text import duration, duration_range, number, printable, size


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [(0, "0 ns"), (83, "83.0 ns"), (999.6, "1000 ns"), (1_000, "1.00 µs"), (25_340, "25.3 µs"),
     (4_910_000, "4.91 ms"), (61_700_000, "61.7 ms"), (812_345_678, "812 ms"), (1_234_000_000, "1.23 s"),
     (75e9, "75.0 s")],
)  # fmt: skip
def test_a_time_has_three_digits_and_a_unit(value_ns: float, text: str) -> None:
    assert duration(value_ns) == text


def test_an_interval_keeps_one_unit_and_tells_its_ends_apart() -> None:
    assert duration_range(4.87e6, 4.96e6, 4.91e6) == "4.87–4.96 ms"
    assert duration_range(4.912e6, 4.914e6, 4.913e6) == "4.912–4.914 ms"
    assert duration_range(999_000, 1_001_000, 1_000_000) == "0.999–1.00 ms"
    assert duration_range(5e6, 5e6, 5e6) == "5.00–5.00 ms"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0823, "0.0823"),
        (0.5, "0.500"),
        (9.999, "10.0"),
        (1234.5, "1234"),
        (12, "12.0"),
        (1e-7, "0.000000100"),
    ],
)
def test_numbers_never_use_exponents(value: float, text: str) -> None:
    assert number(value) == text


def test_sizes() -> None:
    assert [size(value) for value in (12, 1_500, 148_000_000, 2.5e9)] == [
        "12 B",
        "1.50 kB",
        "148 MB",
        "2.50 GB",
    ]


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202egnp", "abc\\u202egnp"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("nul\x00", "nul\\x00"),
        ("lone\udc80", "lone\\udc80"),
        ("naïve 模型 😀", "naïve 模型 😀"),
    ],
)
def test_what_could_drive_a_terminal_is_spelled_out(text: str, safe: str) -> None:
    assert printable(text) == safe


@given(st.text(st.characters(codec=None)))
def test_printable_text_is_one_encodable_line(text: str) -> None:
    safe = printable(text, 100_000)
    safe.encode("utf-8")
    assert len(safe.splitlines()) <= 1
    assert not [char for char in safe if unicodedata.category(char) in ("Cc", "Cf", "Cs")]


def test_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 1000, 10) == "x" * 9 + "…"
