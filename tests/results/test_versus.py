"""A comparison in words: every word, and nothing that drives a terminal or a page."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from farm_results.comparison import Comparison, Effect, Side
from farm_results.model import Caveat
from farm_results.view import versus

HOSTILE = "=\x1b[31m<script>|\u202ex"


def made(word: str, ratio: float, **changes: object) -> Comparison:
    sides = [
        Side(label, "net", "ab" * 32, "cd" * 32, "onnxruntime", "1.2", "", tuple([value] * 8))
        for label, value in (("old.onnx", 5e6), ("new.onnx", 5e6 * (1 + ratio)))
    ]
    base = Comparison(
        comparison_id="ab-1",
        created_unix_s=1.0,
        kind="ab",
        series="s",
        device="pi",
        run_id="run",
        reference=sides[0],
        candidate=sides[1],
        word=word,
        pairs=8,
        effect=Effect(ratio, ratio - 0.004, ratio + 0.004, 0.99, 0.01),
        order=("rc", "cr") * 4,
        environment={"kernel": "6.1"},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("comparison", "text"),
    [
        (
            made("slower", 0.052),
            "new.onnx is slower than old.onnx (+5.2 %, 99% interval +4.8 to +5.6 %, 8 pairs)",
        ),
        (made("faster", -0.052), "new.onnx is faster than old.onnx (−5.2 %, "),
        (made("same", 0.0), "new.onnx takes as long as old.onnx, within 1 % (0.0 %, "),
        (made("inconclusive", 0.011), "new.onnx and old.onnx cannot be told apart (+1.1 %, "),
        (made("same", 0.0, kind="aa"), "new.onnx takes as long as itself, within 1 % ("),
        (
            made("inconclusive", 0.5, caveats=(Caveat("throttle.seen", "throttled", "hot"),)),
            "cannot be told apart, for it was throttled [throttle.seen] (",
        ),
        (made("slower", 0.052, origin="simulated"), "8 pairs) SIMULATED"),
        (made("inconclusive", 0.0, effect=None), "nothing is known of new.onnx against old.onnx"),
    ],
)
def test_every_word(comparison: Comparison, text: str) -> None:
    assert text in versus.sentence(comparison)


def test_what_is_foreign_stays_text() -> None:
    one = made("slower", 0.05)
    side = replace(one.candidate, label=HOSTILE, model=HOSTILE, runtime=HOSTILE, job_id=HOSTILE)
    caveat = Caveat(HOSTILE, "noisy", HOSTILE, HOSTILE)
    one = replace(one, candidate=side, device=HOSTILE, caveats=(caveat,), environment={HOSTILE: HOSTILE})
    shown = [line.text for line in versus.page(one, 80)] + versus.row(one) + [versus.sentence(one)]
    shown += versus.caveat_lines(one)
    assert not any(mark in text for text in shown for mark in ("\x1b", "\u202e", "\n"))
    table = versus.markdown([one])
    assert "<script>" not in table
    assert {line.replace("\\|", "").count("|") for line in table.splitlines() if line.startswith("|")} == {11}
    rows = list(csv.DictReader(io.StringIO(versus.csv([one]))))
    assert rows[0]["device"].startswith("'=")
    assert rows[0]["ratio"] == "0.05"


def test_the_page_shows_every_pair_and_the_mark() -> None:
    lines = [line.text for line in versus.page(made("slower", 0.05, origin="simulated"), 80)]
    assert sum("reference first" in line for line in lines) == 4
    assert sum("candidate first" in line for line in lines) == 4
    assert any("SIMULATED" in line for line in lines)
    assert any(line.split() == ["kernel", "6.1"] for line in lines)


def test_the_json_has_no_hole() -> None:
    document = versus.document(made("slower", 0.05))
    assert document["says"].startswith("new.onnx is slower")
    assert document["effect"]["low"] == pytest.approx(0.046)
