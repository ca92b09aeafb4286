"""``farm health`` as people and timers use it, on this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import farm.cli
from tests.farm.runs import QUICK, Done


@dataclass(frozen=True)
class User:
    """Somebody at this process: each command as the shell would start it, without the start."""

    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> Done:
        """A whole command."""
        self.capsys.readouterr()
        code = farm.cli.main(list(words))
        said = self.capsys.readouterr()
        return Done(code, said.out, said.err)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> User:
    """With a second device on the same machine, which answers under a name of its own."""
    inventory = tmp_path / "devices.toml"
    inventory.write_text(
        f'[devices.second]\nprofile = "x86-cpu"\naddress = "local"\nroot = "{tmp_path / "second"}"\n'
        '[devices.gone]\nprofile = "x86-cpu"\naddress = "ssh://nobody@127.0.0.1:1"\n'
        f'host_key = "ssh-ed25519 {"A" * 68}"\n'
    )
    monkeypatch.setenv("FARM_INVENTORY_PATH", str(inventory))
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return User(capsys)


def documents(text: str) -> dict[str, Any]:
    """The devices of a ``--json`` document, by name."""
    return {each["device"]: each for each in json.loads(text)["devices"]}


def test_a_day_with_devices(user: User, tmp_path: Path) -> None:
    """Checked, set aside, asked for anyway, good again, silent; each told as it is."""
    heard = tmp_path / "heard"
    hook = tmp_path / "hook"
    hook.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(heard)!r}, 'a').write(sys.stdin.read() + '\\n')"
    )
    hook.chmod(0o755)
    Path("farm.toml").write_text(f'[health]\nevery = "6h"\nalarm = ["{hook}"]\n')

    nothing = user.run("health", "check")
    assert nothing.code == 0, nothing.err

    # Checked: good; one whose entry is wrong is nobody's ill health, and leaves the others' checks alone
    first = user.run("--json", "health", "run", "-d", "second,gone")
    assert first.code == 3, first.err
    found = documents(first.out)
    assert found["second"]["ok"] is True
    assert found["second"]["health"]["health"] == "good"
    assert found["second"]["health"]["canary_p50_ns"] > 0
    assert found["gone"]["health"] is None
    assert found["gone"]["error"]["code"] == "device.host-key-format"
    listed = user.run("--json", "results", "list")
    assert "canary" not in listed.out
    due = user.run("health", "run", "--due", "-d", "second")
    assert due.code == 0, due.err
    assert "not due for another" in due.out
    assert "second\tx86-cpu\tlocal\tgood" in user.run("devices").out

    # Set aside by a person: no measurement takes it, but for one who wants it anyway
    assert user.run("health", "set", "second", "quarantined", "--reason", "fan").code == 0
    refused = user.run("--json", "bench", "-d", "second", *QUICK)
    assert refused.code == 3, refused.err
    assert refused.row("second")["error_code"] == "health.quarantined"
    taken = user.run("--json", "bench", "-d", "second", "--anyway", *QUICK)
    assert taken.code == 0, taken.err
    assert taken.row("second")["status"] == "ok"
    assert "used anyway" in taken.err

    # Recovered: works, so nothing had to be climbed
    recovered = user.run("health", "recover", "second")
    assert recovered.code == 0, recovered.err
    shown = documents(user.run("--json", "health", "show").out)
    assert (shown["second"]["health"], shown["local"]["health"]) == ("good", "unknown")
    assert shown["second"]["drift"] == []
    trail = json.loads(user.run("--json", "health", "history", "second").out)["entries"]
    assert [entry["event"] for entry in reversed(trail)] == [
        "health.good",
        "health.quarantined",
        "health.overridden",
        "health.good",
    ]
    assert trail[2]["reason"] == "good -> quarantined: fan"

    # Silent: told with exit code 1 each time, to the command once
    for _ in range(2):
        silent = user.run("health", "check", "--alarm-after", "1ms")
        assert silent.code == 1
        assert "error[health.silent]: second has not answered for" in silent.err
    (alarm,) = heard.read_text().splitlines()
    assert documents(alarm)["second"]["silent_s"] > 0

    # What is asked for wrongly
    for words, code in (
        (("set", "second", "good", "--reason", " "), "cli.usage"),
        (("set", "second", "good", "--reason", "x", "--for", "2h"), "cli.usage"),
        (("accept", "nobody"), "device.unknown"),
        (("run", "-d", "nobody"), "device.unknown"),
    ):
        wrong = user.run("health", *words)
        assert wrong.code == 2, words
        assert f"error[{code}]" in wrong.err
    assert user.run("health", "history", "nobody").code == 4
