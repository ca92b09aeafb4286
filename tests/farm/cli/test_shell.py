"""The command line's shell: help, exit codes, error style, streams."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

import farm.cli
from farm.cli.lazy import HELPERS, OTHER_WORDS
from farm.errors import FarmBug, InfrastructureError, JobError, UsageError

COMMANDS = ("agent", "bench", "config", "convert", "devices", "doctor", "inspect", "results", "version")
HEAVY = ("alembic", "fabric", "numpy", "onnx", "onnxruntime", "pandas", "paramiko", "rich", "sqlalchemy")
# These change something and print no data.
SILENT = ("farm devices pin", "farm devices remove")
Streams = pytest.CaptureFixture[str]


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A real process, as a user starts it."""
    return subprocess.run(
        [sys.executable, "-m", "farm", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )


def test_help_lists_every_command(capsys: Streams) -> None:
    """Every promised command is there, and the help ends with examples."""
    assert farm.cli.main(["--help"]) == 0

    out = capsys.readouterr().out
    listed = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert "Examples:" in out


def commands() -> list[tuple[str, click.Command]]:
    """Every command and subcommand by its words."""
    found: list[tuple[str, click.Command]] = []

    def walk(words: str, command: click.Command) -> None:
        found.append((words, command))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                walk(f"{words} {name}", child)

    walk("farm", farm.cli.group)
    return found


@pytest.mark.parametrize(("words", "command"), commands())
def test_every_command_explains_itself(words: str, command: click.Command) -> None:
    """Each has a first sentence, help for every option, and examples that start with its own words."""
    assert command.help
    for parameter in command.params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name
    epilog = command.epilog or ""
    examples = [line for line in epilog.splitlines() if line.strip().startswith(("farm", "FARM_"))]
    assert 1 <= len(examples) <= 5, epilog
    for example in examples:
        assert words in example


@pytest.mark.parametrize(("words", "command"), commands())
def test_every_command_speaks_json(words: str, command: click.Command) -> None:
    """--json is accepted by every command that prints data."""
    if not isinstance(command, click.Group) and words not in SILENT:
        assert any("--json" in parameter.opts for parameter in command.params), words


def test_helpers_exist() -> None:
    """The list of modules that are no commands holds no stale names."""
    folder = Path(farm.cli.__file__).parent

    assert {path.stem for path in folder.glob("*.py")} >= HELPERS


def test_help_starts_light() -> None:
    """Asking for help imports none of the heavy libraries."""
    script = (
        "import sys, farm.cli; code = farm.cli.main(['--help']);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stderr.strip() == "[] 0"


@pytest.mark.parametrize("words", [words for words, _ in commands()])
def test_help_of_every_command_starts_light(words: str, capsys: Streams) -> None:
    """Every command's own help works, in 80 columns but for a list of choices."""
    assert farm.cli.main([*words.split()[1:], "--help"]) == 0

    out = capsys.readouterr().out
    assert words in out
    assert [line for line in out.splitlines() if len(line) > 80 and "|" not in line] == []


def test_what_other_tools_call_it_leads_to_commands_that_exist() -> None:
    """A word of farm's own needs no other."""
    ours = {words.removeprefix("farm ") for words, _ in commands()}
    assert {meant.partition(" --")[0] for meant in OTHER_WORDS.values()} <= ours
    assert not ours & set(OTHER_WORDS)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["benhc"], "Did you mean 'bench'?"),
        (["dashboard"], "Did you mean 'serve'?"),
        (["version", "--jsn"], "--json"),
        (["frobnicate"], "There is no command 'frobnicate'"),
        (["-C", "/does/not/exist", "version"], "No such file"),
        (["convert", "model.onnx", "--to", "tflit"], "did you mean 'tflite'?"),
        (["convert"], "Missing argument"),
    ],
)
def test_a_wrong_command_line_says_so(arguments: list[str], text: str, capsys: Streams) -> None:
    """Usage errors end with 2, a message on stderr and nothing on stdout."""
    assert farm.cli.main(arguments) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error[cli.usage]: ")
    assert text in err
    assert "  fix: farm" in err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no", code="x.y", fix="do this"), 2),
        (JobError("no", code="x.y", fix="do this"), 3),
        (InfrastructureError("no", code="x.y", fix="do this"), 3),
        (FarmBug("no", code="x.y", fix="do this"), 70),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (ZeroDivisionError("division"), 70),
    ],
)
def test_exit_codes(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Streams
) -> None:
    """Each kind of failure has its exit code, and none shows a trace."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("farm.cli.version.print_text", fail)

    assert farm.cli.main(["version"]) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.lstrip().startswith("error[")
    if isinstance(error, UsageError | JobError | InfrastructureError):
        assert err == "error[x.y]: no\n  fix: do this\n"


def test_a_defect_leaves_its_trace_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: Streams, private_folders: Path
) -> None:
    """The message names the file, which only the user can read and which hides passwords."""

    def fail(_: str) -> None:
        raise ZeroDivisionError("postgresql://u:hunter2@host/db")

    monkeypatch.setattr("farm.cli.version.print_text", fail)

    assert farm.cli.main(["version"]) == 70

    logs = list((private_folders / "state" / "farm").glob("crash-*.log"))
    assert len(logs) == 1
    assert str(logs[0]) in capsys.readouterr().err
    assert "Traceback" in logs[0].read_text()
    assert "hunter2" not in logs[0].read_text()
    assert logs[0].stat().st_mode & 0o077 == 0


def test_json_before_and_after_the_command_mean_the_same(capsys: Streams) -> None:
    """The option is global and the command's own."""
    farm.cli.main(["--json", "version"])
    first = capsys.readouterr().out
    farm.cli.main(["version", "--json"])

    assert capsys.readouterr().out == first
    assert first.startswith("{")


@pytest.mark.parametrize("arguments", [["config", "show"], ["--help"], ["config", "show", "--help"]])
def test_a_reader_that_leaves_is_no_error(arguments: list[str]) -> None:
    """``farm ... | head -0`` ends quietly."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "farm", *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert (done.returncode, done.stderr) == (0, "")


def test_colour_follows_the_variables() -> None:
    """Pipes are plain, FORCE_COLOR colours, NO_COLOR wins."""
    assert "\x1b[" not in run("nope").stderr
    assert "\x1b[" in run("nope", FORCE_COLOR="1").stderr
    assert "\x1b[" not in run("nope", FORCE_COLOR="1", NO_COLOR="1").stderr


def test_a_pipe_gets_whole_values_separated_by_tabs() -> None:
    """No table, no cut: a header line and one line per row."""
    lines = run("config", "show", "--origin").stdout.splitlines()

    assert lines[0] == "setting\tvalue\torigin"
    assert all(line.count("\t") == 2 for line in lines)


def test_a_terminal_gets_a_table() -> None:
    """The same command on a terminal has no tabs."""
    parent, child = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "farm", "config", "show"],
        stdout=child,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    os.close(child)
    text = b""
    with contextlib.suppress(OSError):  # what a terminal says that nobody has open any more
        while more := os.read(parent, 65536):
            text += more
    os.close(parent)

    assert b"\t" not in text
    assert b"inventory_path" in text


def test_another_folder(tmp_path: Path, capsys: Streams) -> None:
    """-C reads the settings of that folder."""
    (tmp_path / "farm.toml").write_text('store = "here"\n')

    assert farm.cli.main(["-C", str(tmp_path), "config"]) == 0

    assert f"store\t{tmp_path / 'here'}\n" in capsys.readouterr().out


def test_the_store_option_is_a_setting(capsys: Streams) -> None:
    """Flags win and say that they were flags; a password is not shown."""
    farm.cli.main(["--store", "postgresql://u:hunter2@h/db", "config", "show", "--origin"])

    out = capsys.readouterr().out
    assert "store\tpostgresql://u:***@h/db\tflag\n" in out


def test_names_outside_the_terminals_encoding_are_no_error(tmp_path: Path) -> None:
    """A path that is not UTF-8, on a terminal that only knows ASCII, is printed with escapes."""
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102 - a name in bytes

    done = run("-C", os.fsdecode(folder), "--store", "h\u00e9", "config", PYTHONIOENCODING="ascii")

    assert done.returncode == 0, done.stderr
    assert "h\\xe9" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variable", "expected"),
    [
        (["--offline"], None, "1"),
        ([], "true", "1"),
        ([], "false", "0"),
        ([], None, None),
    ],
)
def test_offline_reaches_what_installs(
    arguments: list[str], variable: str | None, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever builds converter environments reads one variable in one spelling."""
    monkeypatch.setenv("FARM_OFFLINE", variable or "")
    if variable is None:
        monkeypatch.delenv("FARM_OFFLINE")

    assert farm.cli.main([*arguments, "version"]) == 0

    assert os.environ.get("FARM_OFFLINE") == expected
