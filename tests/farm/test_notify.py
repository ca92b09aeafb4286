"""Messages: to a real HTTP server, with addresses that nobody sees."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import farm.cli
from farm import notify
from farm.config import Config, load_config
from farm.errors import UsageError
from farm.notify_settings import NotifySettings, parse_notify

SECRET = "s3cr3t-t0ken"  # noqa: S105 - what must never be shown


class Chat:
    """A chat's server: what it was told, and how it answers."""

    def __init__(self, port: int, heard: list[dict[str, Any]]) -> None:
        self.heard = heard
        self.good = f"json://user:{SECRET}@127.0.0.1:{port}/{SECRET}"
        self.bad = f"json://127.0.0.1:{port}/{SECRET}/refused"


@contextmanager
def chatting() -> Iterator[Chat]:
    """A server on a port of its own."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            refused = self.path.endswith("refused")
            if not refused:
                heard.append(json.loads(body))
            self.send_response(403 if refused else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Chat(server.server_address[1], heard)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def configured(**settings: Any) -> Config:
    """The settings of a test's own folders with a table [notify]."""
    return replace(load_config(), notify=NotifySettings(**settings))


def test_every_address_is_told_and_none_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    """Those of the variable and those of the file; one that refuses does not keep the others from it."""
    pytest.importorskip("apprise")
    caplog.set_level(logging.DEBUG)
    with chatting() as chat:
        monkeypatch.setenv("FARM_NOTIFY_URLS", f"{chat.bad} {chat.good}")
        file = tmp_path / "addresses"
        file.write_text(f"# the team\n{chat.good}?method=PUT\n\nnonsense://{SECRET}\n{chat.good}\n")
        file.chmod(0o600)
        title, body = (
            "night 12: 1 regression",
            "digits on pi: slower by 3.1 %\n@everyone <!channel> \x1b[31mred",
        )
        done = notify.send(configured(file=file), title, body, notify.FAILURE)
    assert (done.sent, len(chat.heard)) == (1, 1)
    assert chat.heard[0]["type"] == "failure"
    assert chat.heard[0]["title"] == title
    assert chat.heard[0]["message"].splitlines() == [
        "digits on pi: slower by 3.1 %",
        "(at)everyone < !channel> \\x1b[31mred",
    ]
    assert done.failed[0] == "address 1: JSON did not take the message (HTTP status 403)"
    assert done.failed[1] == "address 3: JSON did not take the message (HTTP status 501)"
    assert done.failed[2].startswith("address 4: apprise does not understand it")
    assert len(done.failed) == 3
    said = capfd.readouterr()
    assert SECRET not in "".join(done.failed) + said.out + said.err + caplog.text


def test_long_messages_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("apprise")
    with chatting() as chat:
        monkeypatch.setenv("MY_CHAT", chat.good)
        done = notify.send(configured(env="MY_CHAT"), "x" * 5_000, "line\n" * 50_000)
    assert done == notify.Delivery(1)
    assert len(chat.heard[0]["title"]) <= notify.TITLE_LIMIT
    assert len(chat.heard[0]["message"]) <= notify.BODY_LIMIT


def test_nothing_is_sent_to_nobody_or_below_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    assert notify.send(load_config(), "t", "b") == notify.Delivery()
    with chatting() as chat:
        monkeypatch.setenv("FARM_NOTIFY_URLS", chat.good)
        quiet = configured(at_least="warning")
        assert notify.send(quiet, "t", "b", notify.SUCCESS) == notify.Delivery()
    assert chat.heard == []


def test_a_night_does_not_fail_because_of_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a chat that is away, nor a file that others may read, nor a package that is missing."""
    monkeypatch.setenv("FARM_NOTIFY_URLS", f"json://127.0.0.1:9/{SECRET}")
    (line,) = notify.send(load_config(), "t", "b").failed
    assert line == "address 1: JSON did not take the message (no connection)"
    file = tmp_path / "addresses"
    file.write_text("json://localhost")
    file.chmod(0o640)
    (line,) = notify.send(configured(file=file), "t", "b").failed
    assert "chmod 600" in line
    (line,) = notify.send(configured(file=tmp_path / "none"), "t", "b").failed
    assert "cannot be read" in line
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    (line,) = notify.send(load_config(), "t", "b").failed
    assert "pip install 'edgefarm[notify]'" in line
    assert farm.cli.main(["notify", "hello"]) == 3
    assert "error[notify.needs-apprise]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"urls": [f"slack://{SECRET}"]}, "notify.secrets"),
        ({"url": f"slack://{SECRET}"}, "notify.secrets"),
        ({"file": f"slack://{SECRET}"}, "notify.secrets"),
        ({"at_least": "loud"}, "config.type"),
        ({"file": 7}, "config.type"),
        ({"colour": "red"}, "config.unknown-key"),
        (SECRET, "config.type"),
    ],
)
def test_an_address_in_the_settings_is_refused_and_not_repeated(table: object, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_notify(table, "farm.toml", Path("/nowhere"))
    assert caught.value.code == code
    assert SECRET not in caught.value.message + caught.value.fix


def test_the_command_says_who_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a farm.toml as people write it; the exit code tells whether all were reached."""
    pytest.importorskip("apprise")
    monkeypatch.chdir(tmp_path)
    assert farm.cli.main(["notify", "hello"]) == 2
    assert "notify.none" in capsys.readouterr().err
    (tmp_path / "farm.toml").write_text('[notify]\nfile = "private/addresses"\nat_least = "success"\n')
    (tmp_path / "private").mkdir()
    with chatting() as chat:
        file = tmp_path / "private" / "addresses"
        file.write_text(chat.good + "\n")
        file.chmod(0o600)
        assert farm.cli.main(["notify", "hello", "--level", "success", "--title", "hi"]) == 0
        assert [one["message"] for one in chat.heard] == ["hello"]
        assert farm.cli.main(["notify", "hello"]) == 0
        assert "at_least" in capsys.readouterr().err
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n"), encoding="ascii"))
        assert farm.cli.main(["notify", "--level", "failure"]) == 0
        assert chat.heard[-1]["message"] == "caf\ufffd"
        monkeypatch.setattr("sys.stdin", None)
        assert farm.cli.main(["notify", "--level", "failure"]) == 2
        file.write_text(f"{chat.good}\n{chat.bad}\n")
        assert farm.cli.main(["notify", "hello", "--level", "failure"]) == 3
    err = capsys.readouterr().err
    assert "error[notify.failed]: address 2: JSON did not take the message (HTTP status 403)" in err
    assert "sent to 1 of 2" in err
    assert SECRET not in err
