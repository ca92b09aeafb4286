"""What stands in a timer of systemd, in a crontab and in a workflow of GitHub: texts, nothing is done."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from farm.errors import UsageError

MARK = "# Written by farm nightly install; farm nightly uninstall removes it."
PROGRAMS = ("uv", "ssh", "adb", "git")
USUAL = ("/usr/local/bin", "/usr/bin", "/bin")
SPREAD_MIN = 5
MOST_LETTERS = 900
"""Of a line that cron still reads whole."""


@dataclass(frozen=True)
class Job:
    """What is to be started: ``farm nightly run`` in ``folder``, where farm.toml lies, at ``hour:minute``.
    ``path``: where programs are looked for: whoever starts the nights looks in next to nothing."""

    folder: Path
    hour: int
    minute: int
    python: str = sys.executable
    path: str = ""

    @property
    def name(self) -> str:
        """Of the units: two projects on one machine do not overwrite each other's."""
        slug = _slug(self.folder.name)[:30].strip("-")
        digest = hashlib.sha256(str(self.folder).encode("utf-8", "surrogateescape")).hexdigest()[:6]
        return f"farm-nightly-{slug}-{digest}" if slug else f"farm-nightly-{digest}"

    @property
    def words(self) -> tuple[str, ...]:
        """The command: what a night finds is no failure of the timer, and a project's own farm/ is not us."""
        return (self.python, "-P", "-m", "farm", "nightly", "run", "--fail-on", "never")


def search_path() -> str:
    """The folders of the programs that a night starts, then the usual ones."""
    programs = (shutil.which(name) for name in PROGRAMS)
    found = [sys.executable, *(program for program in programs if program)]
    folders = [str(Path(program).absolute().parent) for program in found]
    plain = [folder for folder in folders if ":" not in folder and all(ord(each) >= 32 for each in folder)]
    return ":".join(dict.fromkeys([*plain, *USUAL]))


def cron_line(job: Job) -> str:
    """Raises UsageError ``nightly.path`` for one that cron would cut."""
    path = f"PATH={shlex.quote(job.path)} " if job.path else ""
    command = f"cd {shlex.quote(str(job.folder))} && {path}{shlex.join(job.words)} --quiet >/dev/null"
    line = f"{job.minute} {job.hour} * * * " + command.replace("%", "\\%")  # a bare one ends the line
    if len(line.encode("utf-8", "surrogateescape")) > MOST_LETTERS:
        raise UsageError(
            "the line would be longer than cron reads",
            code="nightly.path",
            fix="move the project to a folder with a shorter path, or use --systemd",
        )
    return line


def units(job: Job, config_home: Path) -> dict[Path, str]:
    """The user's units of systemd, by their paths."""
    folder = config_home / "systemd" / "user"
    words = " ".join(_systemd_word(word) for word in job.words)
    service = f"""{MARK}
[Unit]
Description=farm: the night of {_systemd_text(str(job.folder))}

[Service]
Type=oneshot
WorkingDirectory={_systemd_text(str(job.folder))}
Environment={_systemd_word(f"PATH={job.path}", dollars=False)}
# Variables with secrets, one NAME=value a line, where there are any.
EnvironmentFile=-{_systemd_text(str(config_home / "farm" / "nightly.env"))}
ExecStart={words}
# A night that failed in some cells, or was stopped, is kept; it is no failure of this unit.
SuccessExitStatus=3 4 130
# The night is told alone, and ends what it started itself.
KillMode=mixed
TimeoutStopSec=120
"""
    timer = f"""{MARK}
[Unit]
Description=farm: every night at {job.hour:02d}:{job.minute:02d}

[Timer]
OnCalendar=*-*-* {job.hour:02d}:{job.minute:02d}:00
# Not all machines at once, each at the same time every night; a missed one is made up for.
RandomizedDelaySec={SPREAD_MIN}min
FixedRandomDelay=true
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {folder / f"{job.name}.service": service, folder / f"{job.name}.timer": timer}


def _repository(folder: Path) -> Path:
    """The top of the git repository that ``folder`` lies in: GitHub reads workflows nowhere else."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def workflow_path(job: Job) -> Path:
    """Of the workflow; a project inside a repository has one of its own name."""
    top = _repository(job.folder)
    inside = _slug(str(job.folder.relative_to(top)))
    name = "farm-nightly.yml" if top == job.folder else f"farm-nightly-{inside}.yml"
    return top / ".github" / "workflows" / name


def workflow(job: Job) -> str:
    """Of GitHub: nothing in it says on which machine it was written."""
    top = _repository(job.folder)
    inside = job.folder.relative_to(top).as_posix()
    within = (
        ""
        if top == job.folder
        else f"""    defaults:
      run:
        working-directory: {json.dumps(inside)}
"""
    )
    return f"""{MARK}
name: farm nightly
on:
  schedule:
    - cron: "{job.minute} {job.hour} * * *"
  workflow_dispatch:
permissions:
  contents: read
concurrency:
  group: farm-nightly
  cancel-in-progress: false
jobs:
  night:
    # A runner of your own that reaches the devices: the store must outlive the job.
    runs-on: [self-hosted, farm]
    timeout-minutes: 1440
{within}    steps:
      - uses: actions/checkout@v4
      - run: farm nightly run --fail-on regression,silent
      - if: "!cancelled()"
        run: (echo '```'; farm nightly status; echo '```') >> "$GITHUB_STEP_SUMMARY"
"""


def _systemd_word(word: str, *, dollars: bool = True) -> str:
    """Quoted; a dollar is doubled where variables are filled in, which is in commands alone."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("$", "$$") if dollars else escaped
    return f'"{_systemd_text(escaped)}"'


def _systemd_text(text: str) -> str:
    return text.replace("%", "%%")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
