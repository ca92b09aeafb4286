"""Studies on disk, with the real Optuna."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from farm.errors import InfrastructureError, UsageError
from farm.tune import goals, study
from farm.tune.space import Space, parse_options, thread_counts
from tests.farm.tune.made import score, space

GOALS = goals.objectives(("latency", "size"))


def opened(path: Path, what: Space, identity: str = "one", seed: int = 0) -> study.Study:
    return study.Study(path, what, identity=identity, goals=GOALS, constraints=(), seed=seed)


def test_no_configuration_is_ever_tried_twice(tmp_path: Path) -> None:
    """However often Optuna repeats itself: every point of the space comes up once."""
    what = space(runtimes=3, threads=4)
    trials = opened(tmp_path / "s.db", what)
    asked = []
    while points := trials.ask(5):
        for point in points:
            trials.tell(point, score(100.0 * point.target.threads))
        asked += [point.key for point in points]

    assert sorted(asked) == sorted(point.key for point in what.points)


def test_a_killed_study_goes_on_with_what_was_told(tmp_path: Path) -> None:
    """What was asked and never measured counts as never tried."""
    what = space()
    first = opened(tmp_path / "s.db", what)
    done, lost = first.ask(2)
    first.tell(done, score(50.0))
    del first

    second = opened(tmp_path / "s.db", what)
    rest = [point.key for point in second.ask(100)]

    assert set(second.scores()) == {done.key}
    assert lost.key in rest
    assert done.key not in rest


def test_a_failed_trial_is_kept_with_its_reason(tmp_path: Path) -> None:
    trials = opened(tmp_path / "s.db", space())
    (point,) = trials.ask(1)
    trials.tell(
        point, dataclasses.replace(score(1, status="failed"), code="runtime.missing", why="not there")
    )

    kept = opened(tmp_path / "s.db", space()).scores()[point.key]

    assert (kept.code, kept.why) == ("runtime.missing", "not there")


@pytest.mark.parametrize(
    ("blame", "code", "again"),
    [
        ("infrastructure", "device.unreachable", True),
        ("measurement", "gate.not-quiet", True),
        ("job", "convert.failed", False),
    ],
)
def test_what_failed_for_a_passing_reason_is_tried_again_by_the_next_call(
    tmp_path: Path, blame: str, code: str, again: bool
) -> None:
    """Not by the same call, which would ask a dead device for ever. Its device time stays counted."""
    what = space()
    first = opened(tmp_path / "s.db", what)
    (point,) = first.ask(1)
    first.tell(point, dataclasses.replace(score(1, status="failed", job="lost"), blame=blame, code=code))
    assert point.key not in [one.key for one in first.ask(100)]
    assert first.scores()[point.key].code == code

    second = opened(tmp_path / "s.db", what)

    assert (point.key not in second.scores()) == again
    assert (point.key in [one.key for one in second.ask(100)]) == again
    assert [one.job_id for one in second.history()] == ["lost"]


def test_a_closer_look_that_the_device_did_not_answer_leaves_the_first_one(tmp_path: Path) -> None:
    first = opened(tmp_path / "s.db", space())
    (point,) = first.ask(1)
    first.tell(point, score(100.0, stage="screen", job="a"))
    first.look(point, dataclasses.replace(score(1, status="failed", job="b"), blame="infrastructure"))

    assert first.scores()[point.key].status == "failed"
    assert opened(tmp_path / "s.db", space()).scores()[point.key].job_id == "a"


def test_a_trial_that_was_announced_and_never_begun_is_no_trial(tmp_path: Path) -> None:
    """A kill between the two left Optuna with choices that the next point would have got as its own."""
    what = space()
    first = opened(tmp_path / "s.db", what)
    first._study.enqueue_trial(what.points[-1].params)

    second = opened(tmp_path / "s.db", what)
    (point,) = second.ask(1, in_order=True)
    second.tell(point, score(50.0))
    (kept,) = [trial for trial in second._study.trials if "score" in trial.user_attrs]

    assert kept.params == point.params


def test_another_version_of_a_runtime_is_another_question() -> None:
    old, new = (dataclasses.replace(space(), versions={"onnxruntime": one}) for one in ("1.23", "1.24"))

    assert old.fingerprint != new.fingerprint


def test_a_closer_look_replaces_the_score_and_adds_to_the_time(tmp_path: Path) -> None:
    trials = opened(tmp_path / "s.db", space())
    (point,) = trials.ask(1)
    trials.tell(point, score(100.0, stage="screen", job="a"))
    trials.look(point, score(90.0, job="b"))

    again = opened(tmp_path / "s.db", space())

    assert again.scores()[point.key].values["latency"].value == 90.0
    assert sum(one.device_s for one in again.history()) == 4.0


def test_a_study_of_another_question_is_refused(tmp_path: Path) -> None:
    opened(tmp_path / "s.db", space())

    with pytest.raises(UsageError) as caught:
        opened(tmp_path / "s.db", space(), identity="another")
    assert caught.value.code == "tune.other-study"


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("not a database, but long enough to look at " * 100)

    with pytest.raises(UsageError) as caught:
        opened(tmp_path / "s.db", space())
    assert caught.value.code == "tune.corrupt"


def test_two_at_once_on_one_study_are_refused(tmp_path: Path) -> None:
    with study.held(tmp_path / "s.db"):
        with pytest.raises(InfrastructureError) as caught, study.held(tmp_path / "s.db"):
            pass
        assert caught.value.code == "tune.busy"


@pytest.mark.parametrize("name", ["../up", "a b", "", "-x"])
def test_a_study_lies_below_the_state_folder(tmp_path: Path, name: str) -> None:
    if not name:
        assert study.file_of(tmp_path, name, "f" * 64).parent == tmp_path / "tune"
        return
    with pytest.raises(UsageError):
        study.file_of(tmp_path, name, "f" * 64)


def test_threads_double_up_to_the_cores() -> None:
    assert [thread_counts(cores) for cores in (1, 2, 4, 6)] == [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 6)]


def test_options_name_a_runtime_that_there_is() -> None:
    assert parse_options(["onnxruntime.allow_spinning=0,1"]) == {
        "onnxruntime": {"allow_spinning": ("0", "1")}
    }
    for words in ("allow_spinning=1", "onxruntime.a=1", "onnxruntime.a", "onnxruntime.a="):
        with pytest.raises(UsageError):
            parse_options([words])
