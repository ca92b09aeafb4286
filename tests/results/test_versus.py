"""A comparison in words: every word, and nothing that drives a terminal or a page."""

from __future__ import annotations

import csv
import io
import json
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
        (made("slower", 0.052, scenario="cold-start"), "than old.onnx (cold-start, +5.2 %, "),
        (
            made("failed", 0.0, effect=None, error_code="link.lost", error_message="gone\x1b[31m"),
            "new.onnx against old.onnx: FAILED, gone",
        ),
        (made("skipped", 0.0, effect=None, error_message="no such runtime"), "SKIPPED, no such runtime"),
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


def test_headings_say_which_time_it_is() -> None:
    """One that came to nothing says nothing of it."""
    lost = made("failed", 0.0, effect=None, scenario="throughput")
    assert "ref p50" in versus.columns([made("same", 0.0), lost])
    assert "ref cold start" in versus.columns([made("same", 0.0, scenario="cold-start")])
    assert "ref time" in versus.columns([made("same", 0.0), made("same", 0.0, scenario="paced")])
    assert len(versus.row(lost)) == len(versus.columns([lost]))
    assert versus.row(lost)[-1] == "FAILED"


def test_what_other_tools_follow_says_the_effect_with_its_interval() -> None:
    """One that says nothing is left out; two cells that people call the same are told apart."""
    from farm_results.report import compared

    slow, hot = made("slower", 0.05), made("inconclusive", 0.4, comparison_id="ab-2", series="t")
    hot = replace(hot, caveats=(Caveat("throttle.seen", "throttled", "hot"),))
    lost = made("failed", 0.0, effect=None, comparison_id="ab-3", series="u")
    found = [slow, hot, lost]
    (metric,) = json.loads(compared.render("bmf", found)).values()
    assert metric["ab-ratio"] == pytest.approx({"value": 1.05, "lower_value": 1.046, "upper_value": 1.054})
    (entry,) = json.loads(compared.render("gha_bench", found))
    assert (entry["value"], entry["range"]) == (pytest.approx(105.0), "± 0.400")
    assert compared.render("gitlab", found).count("farm_ab_ratio") == 3
    assert len(set(compared.names_of(found).values())) == 3
    for name in ("bmf", "gha_bench", "gitlab"):
        assert compared.render(name, [lost]).strip() in ("{}", "[]", "# no comparison can be used")


def test_the_step_s_summary_stays_below_githubs_limit() -> None:
    from farm_results.report import compared

    many = [replace(made("slower", 0.05), device=f"board-{number}" * 30) for number in range(3_000)]
    text = compared.summary(many)
    assert len(text.encode()) < 1 << 20
    assert "Left out for GitHub's limit: 2000 comparisons" in text
    assert compared.summary(many[:3], 1 << 20) == ""
