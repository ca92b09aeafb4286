"""Printing: untrusted text, JSON, quiet."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.cli import output
from farm.errors import UsageError

Streams = pytest.CaptureFixture[str]


def test_control_characters_never_reach_the_terminal(capsys: Streams) -> None:
    """A name that holds an escape sequence, a tab or a line end stays one visible cell."""
    output.print_table(("a\x1b[31m", "b"), [("x\ty", "1\n2")])
    output.print_error(UsageError("bad \x1b]0;title\x07 name", code="x.y", fix="say \x9b2J"))

    out, err = capsys.readouterr()
    assert out == "a\\x1b[31m\tb\nx\\x09y\t1\\x0a2\n"
    assert err == "error[x.y]: bad \\x1b]0;title\\x07 name\n  fix: say \\x9b2J\n"


def test_no_name_passes_for_another_or_fills_the_screen(
    capsys: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What turns the direction of writing or cannot be seen is spelled; of a megabyte a terminal shows a
    page, and a pipe gets all of it."""
    output.print_table(("a",), [("gpj\u202e.exe\u200b",), ("é\u00a0ü",), ("x" * 10**6,)])
    output.say("one\n\u2066two")
    out, err = capsys.readouterr()
    assert out.splitlines()[1:3] == ["gpj\\u202e.exe\\u200b", "é\u00a0ü"]
    assert len(out) > 10**6
    assert err == "one\n\\u2066two\n"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    output.print_table(("a",), [("x" * 10**6,)])
    assert len(capsys.readouterr().out) < 10_000


def test_json_refuses_what_json_does_not_have() -> None:
    """NaN must be decided by whoever has it, not printed."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        output.print_json({"value": float("nan")})


def test_an_error_without_a_fix_is_one_line(capsys: Streams) -> None:
    """No empty fix line."""
    output.print_error(UsageError("no", code="x.y"))

    assert capsys.readouterr().err == "error[x.y]: no\n"


def test_an_extra_is_installed_where_farm_runs(
    capsys: Streams, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command works when pasted: with the environment active, without, and where it has no pip."""
    programs = tmp_path / "an env" / "bin"
    programs.mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(programs.parent))
    monkeypatch.setattr("sys.executable", str(programs / "python"))
    wanted = "pip install 'edgefarm[serve]'"

    def said() -> str:
        output.print_problem("x.y", "no", wanted)
        return capsys.readouterr().err.splitlines()[1].removeprefix("  fix: ")

    assert said() == f"uv pip install --python '{programs}/python' 'edgefarm[serve]'"
    (programs / "pip").touch(mode=0o755)
    assert said() == f"'{programs}'/{wanted}"
    monkeypatch.setenv("PATH", str(programs))
    assert said() == wanted
