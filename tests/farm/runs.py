"""Run the real ``farm`` as a person would, with an inventory, a store and a cache of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

QUICK = ("-r", "onnxruntime", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10", "--no-gate")
LIMIT_S = 600.0


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def rows(self) -> list[dict[str, Any]]:
        """The results that ``farm --json bench`` printed."""
        assert self.out, self.err
        found: list[dict[str, Any]] = json.loads(self.out)["results"]
        return found

    def row(self, device: str) -> dict[str, Any]:
        """The only result of a device."""
        (found,) = [row for row in self.rows() if row["device"] == device]
        return found


@dataclass(frozen=True)
class Farm:
    """A user with a home of their own: ``folder`` holds it; ``cache`` may be shared with other users."""

    folder: Path
    cache: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def inventory(self) -> Path:
        """The file with the devices."""
        return self.folder / "devices.toml"

    @property
    def store(self) -> Path:
        """The folder of the results."""
        return self.folder / "store"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a command; the caller ends it."""
        self.folder.mkdir(exist_ok=True)
        mine = {
            "HOME": str(self.folder),
            "FARM_STORE": str(self.store),
            "FARM_CACHE_DIR": str(self.cache),
            "FARM_STATE_DIR": str(self.folder / "state"),
            "FARM_INVENTORY_PATH": str(self.inventory),
        }
        environment = {name: text for name, text in os.environ.items() if name != "SSH_AUTH_SOCK"}
        return subprocess.Popen(
            [sys.executable, "-m", "farm", *arguments],
            env={**environment, **mine, **self.settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Done:
        """A whole command."""
        return finish(self.start(*arguments))


def finish(process: subprocess.Popen[str], limit_s: float = LIMIT_S) -> Done:
    """Wait for a command's end; one that hangs is killed and fails the test."""
    try:
        out, err = process.communicate(timeout=limit_s)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in out + err, err
    return Done(process.returncode, out, err)
