"""Tables on terminals of any width."""

from __future__ import annotations

import io
import sys

import pytest

from farm.cli import table

COLUMNS = ("device", "runtime", "prec", "p50", "95 % interval", "p99", "peak memory", "accuracy", "verdict")
NUMBERS = ("p50", "95 % interval", "p99", "peak memory", "accuracy")
ALIGN = dict.fromkeys(NUMBERS, "right")
ROW = (
    "local",
    "onnxruntime",
    "fp32",
    "13.9 µs",
    "13.8–13.9 µs",
    "21.5 µs",
    "67.4 MB",
    "98.6 % (n=360)",
    "NOISY",
)


def printed(
    monkeypatch: pytest.MonkeyPatch, width: int, columns: tuple[str, ...], *rows: tuple[str, ...]
) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    table.print_fitting(columns, rows, "", ALIGN)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 90, 120, 200])
def test_no_line_is_too_wide_and_no_number_is_torn(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Whatever the width, every number stands next to its unit on one line."""
    text = printed(monkeypatch, width, COLUMNS, ROW, ROW)

    assert max(map(len, text.splitlines())) <= width
    for whole in ("onnxruntime", "13.9 µs", "13.8–13.9 µs", "67.4 MB", "98.6 %", "(n=360)", "NOISY"):
        assert text.count(whole) >= 2


def test_results_fit_eighty_columns_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line of values per row, the count of the accuracy below its share."""
    lines = printed(monkeypatch, 80, COLUMNS, ROW).splitlines()

    row = "local onnxruntime fp32 13.9 µs 13.8–13.9 µs 21.5 µs 67.4 MB 98.6 % NOISY"
    assert row in [" ".join(line.split()) for line in lines]


def test_long_text_gives_way_before_short_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the column of sentences wraps, and only between words."""
    text = printed(monkeypatch, 50, ("check", "seen"), ("converter openvino", "a sentence of " * 6 + "end"))

    assert "converter openvino" in text
    assert all(word in {"a", "sentence", "of", "end"} for word in text.split("openvino")[1].split())


def test_a_word_wider_than_the_terminal_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash or a path stays inside its column."""
    text = printed(monkeypatch, 40, ("fact", "value"), ("sha256", "0123456789abcdef" * 4))

    assert max(map(len, text.splitlines())) <= 40
    assert "".join(text.split("sha256")[1].split()) == "0123456789abcdef" * 4


def test_a_block_leaves_out_what_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed row is its names and the failure."""
    failed = ("local", "onnxruntime", "fp32", "–", "–", "–", "–", "–", "FAILED model.missing")

    assert (
        printed(monkeypatch, 40, COLUMNS, failed)
        == "local  onnxruntime  fp32\n  verdict FAILED model.missing\n"
    )


def test_a_block_without_numbers_names_its_columns_and_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a row of words is too wide for the terminal, each word says what it is; no line is too wide."""
    words = ("demo-rpi4", "good", "30 days ago", "canary right", "kernel 6.6.51 is now 6.12.20 since")
    columns = ("name", "health", "since", "last canary", "what changed since it was accepted")
    text = printed(monkeypatch, 24, columns, words)

    assert text.splitlines()[:2] == ["demo-rpi4", "  health good"]
    assert max(map(len, text.splitlines())) <= 24
    assert "since 30 days ago" in text
