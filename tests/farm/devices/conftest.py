"""A zoo and a command line for the tests of devices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from farm.cli import main
from tests.support import need
from tests.zoo.zoo import Zoo, missing


@dataclass(frozen=True)
class Said:
    """What one command line did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its one document."""
        return json.loads(self.out)


@pytest.fixture(scope="session")
def zoo() -> Iterator[Zoo]:
    """A zoo for the whole session."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as all_devices:
        yield all_devices


@pytest.fixture
def farm(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Run ``farm`` with these words; nobody sits at a terminal."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def run(*words: str) -> Said:
        code = main(words)
        said = capfd.readouterr()
        assert "Traceback" not in said.out + said.err
        return Said(code, said.out, said.err)

    return run
