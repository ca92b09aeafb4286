"""``farm bench`` on a real device that dies and comes back: blamed, kept out, proven, measured again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import farm.cli
from farm import notify, worker
from farm.config import Config
from farm.devices import inventory
from farm.health import canary, rows
from farm.health.states import GOOD, QUARANTINED, SUSPECT, Standing
from farm_results.store import open_store
from tests.farm.runs import QUICK
from tests.support import need
from tests.zoo.zoo import Zoo, missing


@dataclass
class Watched:
    """Who watches the farm: an alarm command that writes ``heard``, and a chat that is away."""

    heard: Path
    messages: list[tuple[str, ...]] = field(default_factory=list)

    def send(self, _config: Config, *message: str) -> notify.Delivery:
        """In place of apprise."""
        self.messages.append(message)
        return notify.Delivery(failed=("address 1: the chat is away",))


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """With the settings of the folder that the commands run in."""
    watching = Watched(tmp_path / "heard")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ncat >>{watching.heard}; echo >>{watching.heard}\n")
    hook.chmod(0o755)
    (tmp_path / "farm.toml").write_text(f'[health]\nalarm = ["{hook}"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(notify, "send", watching.send)
    return watching


def assert_told_once(watched: Watched, told: str) -> None:
    """One alarm, one message, and the person at the terminal reads that the message did not arrive."""
    (alarm,) = map(json.loads, watched.heard.read_text().splitlines())
    assert (alarm["schema"], alarm["event"]) == ("farm.alarm/1", "quarantined")
    assert [each["device"] for each in alarm["devices"]] == ["pi"]
    ((title, body, level),) = watched.messages
    assert (title, level) == ("farm: pi quarantined", notify.WARNING)
    assert "pi until " in body
    assert "device.unreachable" in body
    assert "the chat is away" in told


def test_a_device_that_died_is_not_measured_before_it_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], watched: Watched
) -> None:
    """The whole way of the command line, with the store's own clock; a quarantine's end is set by hand."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    monkeypatch.setattr(canary, "PATIENCE_S", 0.2)
    monkeypatch.setattr(worker, "FIRST_CONTACT_PATIENCE_S", 0.2)
    monkeypatch.setenv("FARM_INVENTORY_PATH", str(tmp_path / "devices.toml"))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    store = open_store(tmp_path / "store")

    def health() -> str:
        return rows.read(store.engine, "pi").health

    def change(**changes: Any) -> None:
        rows.change(store.engine, "pi", "the test", lambda before, _: replace(before, **changes))

    def bench() -> tuple[dict[str, Any], str]:
        capsys.readouterr()
        farm.cli.main(["--json", "bench", "-d", "pi", *QUICK])
        said = capsys.readouterr()
        (row,) = json.loads(said.out)["results"]
        return row, said.err

    with Zoo() as zoo:
        device = zoo.add("pi")
        inventory.add(tmp_path / "devices.toml", device.entry())

        # Never checked: measured, and said; then checked
        row, told = bench()
        assert row["status"] == "ok", row
        assert "pi was never checked" in told
        assert farm.cli.main(["health", "run", "-d", "pi"]) == 0
        assert health() == GOOD

        # It dies: the first run finds out, the second one's canary puts it out of use
        device.stop_sshd()
        row, _ = bench()
        assert (row["status"], row["error_code"]) == ("failed", "device.unreachable")
        assert health() == SUSPECT
        row, told = bench()
        assert row["error_code"] == "health.quarantined"
        assert "pi is suspect" in told
        assert health() == QUARANTINED

        # Whoever watches the farm hears of it, once, although nobody asked
        assert_told_once(watched, told)

        # It is there again, but nobody asks it before its time
        device.start_sshd()
        row, _ = bench()
        assert row["error_code"] == "health.quarantined"
        change(until_unix_s=1.0)
        changed = {**rows.read(store.engine, "pi").record.accepted, "kernel": "1.2.3"}
        change(record=replace(rows.read(store.engine, "pi").record, accepted=changed))
        row, told = bench()

    assert len(watched.messages) == 1
    # Proven and measured; that it runs another kernel now is told, and stays with the number
    assert row["status"] == "ok", row
    assert "pi is good again" in told
    assert "pi changed since it was accepted: kernel 1.2.3 -> " in told
    assert "device.drift" in [caveat["code"] for caveat in row["verdict"]["caveats"]]
    assert rows.read(store.engine, "pi").seen_unix_s > Standing("pi").seen_unix_s
    store.close()
