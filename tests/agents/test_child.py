"""The processes of a job, from the supervisor's side."""

from __future__ import annotations

import sys

import pytest

from farm_agent import child

PRINT = "import os; print(os.environ['OPENBLAS_NUM_THREADS'], flush=True)"


@pytest.mark.parametrize("wish", ["", "3"])
def test_numpys_helper_threads_rest_unless_somebody_asked_for_them(
    monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    """They spin for tens of milliseconds after numpy was imported, and would compete with the model."""
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if wish:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", wish)
    seen: list[bytes] = []

    def on_line(pid: int, line: bytes) -> bool:
        seen.append(line.strip())
        return False

    ended = child.run([sys.executable, "-c", PRINT], 30.0, on_line)

    assert (ended.returncode, seen) == (0, [wish.encode() or b"1"])
