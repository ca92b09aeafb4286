"""Who wins, and who may still win."""

from __future__ import annotations

from farm.tune import front, goals, halving
from farm.tune.report import rows_of
from farm.tune.score import STAGES
from tests.farm.tune.made import entry, score

GOALS = goals.objectives(("latency", "size"))
SCREEN, SECOND, WHOLE = STAGES


def test_the_front_is_what_no_other_beats_in_everything() -> None:
    entries = [
        entry("fast", 10, 900),
        entry("small", 20, 100),
        entry("worse", 30, 900),
        entry("same", 10, 950),
    ]

    assert [one.key for one in front.front(entries, GOALS)] == ["fast", "small"]


def test_the_best_is_first_in_the_first_objective_and_ties_are_broken_by_the_next() -> None:
    """Two latencies whose intervals overlap are no difference: the smaller file wins."""
    entries = [entry("a", 10.0, 900, spread=0.02), entry("b", 10.1, 100, spread=0.02), entry("c", 12, 50)]

    chosen = front.best(entries, GOALS)

    assert chosen is not None
    assert chosen.key == "b"


def test_a_quick_look_rules_out_only_what_is_far_behind() -> None:
    """12 % behind may be the difference between two processes; twice as slow is none."""
    looked = [
        entry("best", 100, stage=SCREEN),
        entry("near", 112, stage=SCREEN),
        entry("far", 200, stage=SCREEN),
    ]

    assert {one.key for one in front.possible(looked, GOALS, ())} == {"best", "near"}


def test_what_surely_breaks_a_bound_is_ruled_out_and_what_may_hold_it_stays() -> None:
    looked = [entry("slow", 100, stage=SCREEN), entry("edge", 52, 900, stage=SCREEN)]
    bound = (goals.constraint("latency<=50ns"),)

    assert [one.key for one in front.possible(looked, GOALS, bound)] == ["edge"]


def test_an_invalid_or_failed_trial_never_wins() -> None:
    looked = [entry("invalid", 1, verdict="invalid"), entry("failed", 1, status="failed"), entry("ok", 100)]

    assert [one.key for one in front.possible(looked, GOALS, ())] == ["ok"]


def test_halving_keeps_the_best_of_every_objective() -> None:
    many = [entry(f"p{i}", 100 + i, 1000 - i, stage=SCREEN) for i in range(40)]

    kept = halving.survivors(many, GOALS, (), stage=WHOLE, screened=len(many))

    assert len(kept) == 4
    assert {"p0", "p39"} <= {one.key for one in kept}


def test_every_row_says_why_it_has_its_place() -> None:
    scores = {
        "win": score(10, 900),
        "behind": score(20, 950),
        "large": score(5, 5e6),
        "quick": score(40, 990, stage=SCREEN),
        "broken": score(0, status="failed"),
    }
    bounds = (goals.constraint("size<=1MB"),)

    rows = {row.key: row for row in rows_of([*scores, "never"], scores, GOALS, bounds)}

    assert rows["win"].place == "best"
    assert (rows["behind"].place, rows["behind"].why) == ("dominated", "by win")
    assert (rows["large"].place, rows["large"].why) == ("infeasible", "size<=1MB: 5.00 MB")
    assert rows["quick"].place == "screened out"
    assert rows["broken"].place == "failed"
    assert rows["never"].place == "not tried"
