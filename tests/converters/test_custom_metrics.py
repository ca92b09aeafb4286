"""The user's own metric: judged fairly when it is careless, refused with a reason when it is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import UsageError
from farm_converters import custom
from farm_converters.golden_onnx import save_npz

LABELS = np.arange(120) % 3
RIGHT = np.eye(3, dtype=np.float32)[LABELS]
WRONG = np.roll(RIGHT, 1, axis=1)
HALF = np.where(np.arange(120)[:, None] < 60, RIGHT, WRONG)


def judged(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> dict[str, Any]:
    """What ``f`` of this code says of outputs that are half right, beside a source that is right."""
    monkeypatch.chdir(folder)
    (folder / "mine.py").write_text(code)
    save_npz(folder / "ours.npz", {"out.0": HALF})
    save_npz(folder / "theirs.npz", {"out.0": RIGHT})
    return custom.metric("mine.py:f", folder / "ours.npz", folder / "theirs.npz", LABELS, folder / "work")


@pytest.mark.parametrize(
    "code",
    [
        "def f(scores, labels):\n    return scores.argmax(1) == labels\n",
        "def f(scores, labels):\n    hit = scores.argmax(1) == labels\n    labels[:] = 0\n    return hit\n",
        "def f(scores, labels):\n    print('hello')\n    return (scores.argmax(1) == labels).astype('i8')\n",
    ],
    ids=["plain", "changes the labels", "prints"],
)
def test_both_models_are_judged_by_the_same_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    found = judged(tmp_path, monkeypatch, code)
    assert (found["value"], found["reference"]) == (0.5, 1.0)
    assert (sum(found["scores"]), sum(found["reference_scores"])) == (60.0, 120.0)


def test_a_bare_number_is_resampled_on_what_both_models_gave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "def f(scores, labels):\n"
        "    share = float((scores.argmax(1) == labels).mean())\n"
        "    scores[:] = 0\n"
        "    return share\n"
    )
    found = judged(tmp_path, monkeypatch, code)
    assert (found["value"], found["reference"], found["scores"]) == (0.5, 1.0, None)
    assert np.mean(found["differences"]) == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("1 / 0\n", "division"),
        ("def f(scores, labels:\n", "mine.py"),
        ("g = 1\n", "cannot be loaded"),
        ("f = 1\n", "no function"),
        ("def f(scores, labels):\n    raise KeyError('lost')\n", "lost"),
        ("def f(scores, labels):\n    return float('nan')\n", "NaN"),
        ("def f(scores, labels):\n    return scores\n", "one per sample"),
        ("def f(scores, labels):\n    return 'good'\n", "one per sample"),
        ("def f(scores, labels):\n    return None\n", "one per sample"),
        ("import os\ndef f(scores, labels):\n    os._exit(0)\n", ""),
    ],
)
def test_a_broken_metric_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    with pytest.raises(UsageError) as caught:
        judged(tmp_path, monkeypatch, code)
    assert (caught.value.code, bool(caught.value.fix)) == ("metric.custom", True)
    assert why in caught.value.message


def test_a_metric_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custom, "TIMEOUT_S", 2.0)
    with pytest.raises(UsageError) as caught:
        judged(tmp_path, monkeypatch, "def f(scores, labels):\n    while True:\n        pass\n")
    assert caught.value.code == "metric.custom"
