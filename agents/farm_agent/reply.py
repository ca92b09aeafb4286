"""Answers on stdout: one Reply per line of JSON."""

from __future__ import annotations

import sys
from typing import Any, Dict

from farm_agent import codec, files
from farm_agent.errors import FarmError
from farm_agent.wire import WIRE, Reply


def send(body: Dict[str, Any]) -> None:
    """Write one answer."""
    _write(Reply(WIRE, body=codec.encode(body)))


def fail(error: FarmError) -> None:
    """Write an error as the answer."""
    _write(Reply(WIRE, failure=files.failure_of(error)))


def _write(message: Reply) -> None:
    sys.stdout.write(codec.dumps(message) + "\n")
    sys.stdout.flush()
