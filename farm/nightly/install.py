"""What starts the nights: a systemd user timer, a block in the crontab, or a GitHub workflow.

Written again and again it stays the same, and only what farm wrote is ever removed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.errors import InfrastructureError, UsageError

SYSTEMD, CRON, GITHUB = "systemd", "cron", "github"
KINDS = (SYSTEMD, CRON, GITHUB)
MARK = "# Written by farm nightly install; farm nightly uninstall removes it."
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Job:
    """What is to be started: ``farm nightly run`` in ``folder``, where farm.toml lies, at ``hour:minute``."""

    folder: Path
    hour: int
    minute: int
    python: str = sys.executable

    @property
    def name(self) -> str:
        """Of the units: two projects on one machine do not overwrite each other's."""
        slug = re.sub(r"[^a-z0-9]+", "-", self.folder.name.lower()).strip("-")[:30]
        digest = hashlib.sha256(str(self.folder).encode("utf-8", "surrogateescape")).hexdigest()[:6]
        return f"farm-nightly-{slug}-{digest}" if slug else f"farm-nightly-{digest}"

    @property
    def words(self) -> tuple[str, ...]:
        """The command: what a night finds is no failure of the timer."""
        return (self.python, "-m", "farm", "nightly", "run", "--fail-on", "never")


@dataclass(frozen=True)
class Change:
    """A file that is written (``text``) or removed (None); ``path`` None: the crontab."""

    path: Path | None
    before: str | None
    text: str | None

    @property
    def name(self) -> str:
        """For people."""
        return "crontab" if self.path is None else str(self.path)

    @property
    def needed(self) -> bool:
        """Whether anything is different then."""
        return self.before != self.text


def job_of(folder: Path, at: str) -> Job:
    """Raises UsageError ``nightly.time`` for what is no time of day, ``nightly.path`` for what no timer can
    spell."""
    match = _TIME.fullmatch(at)
    if match is None:
        raise UsageError(f"{at!r} is no time of day", code="nightly.time", fix="give it as --at 02:30")
    if any(ord(letter) < 32 for letter in str(folder)):
        raise UsageError(
            "the folder's name holds control characters",
            code="nightly.path",
            fix="move the project to a folder with a plain name",
        )
    return Job(folder, int(match[1]), int(match[2]))


def changes(kind: str, job: Job, config_home: Path, *, remove: bool = False) -> list[Change]:
    """What an installation, or its removal, would write; ``config_home``: the user's.

    Raises UsageError ``nightly.not-ours`` for a file of that name that farm did not write, and
    InfrastructureError ``nightly.crontab``, ``nightly.not-written``.
    """
    if kind == CRON:
        table = crontab()
        return [Change(None, table, _cron(table, job, remove=remove))]
    files = _units(job, config_home) if kind == SYSTEMD else {_workflow_path(job): _workflow(job)}
    found = []
    for path, text in files.items():
        before = _read(path)
        if before is not None and MARK not in before:
            raise UsageError(
                f"{path} is there and was not written by farm",
                code="nightly.not-ours",
                fix="move it away, or start farm nightly run yourself",
            )
        found.append(Change(path, before, None if remove else text))
    return found


def environment_hints() -> list[str]:
    """Settings that are here by chance: whoever starts the nights does not have this shell's environment."""
    names = sorted(name for name in os.environ if name.startswith("FARM_"))
    return [f"{name} is set here and will not be at night: write it into farm.toml" for name in names]


def carry_out(kind: str, job: Job, found: Sequence[Change], *, remove: bool = False) -> list[str]:
    """Write what is needed and start or stop the timer; what a person still has to do, a line each.

    Raises InfrastructureError ``nightly.not-written``, ``nightly.crontab``.
    """
    stops = remove and kind == SYSTEMD and _any(found)
    hints = _systemctl(["disable", "--now", f"{job.name}.timer"]) if stops else []
    for change in found:
        if change.needed:
            _write(change)
    if kind == SYSTEMD and _any(found):
        hints += _systemctl(["daemon-reload"])
        if not remove:
            hints += _systemctl(["enable", "--now", f"{job.name}.timer"])
            hints.append("for nights without anybody logged in: loginctl enable-linger")
    if kind == GITHUB and not remove:
        hints.append("commit it; its runner must reach the devices, and hold the store (docs/nightly.md)")
    return list(dict.fromkeys(hints))


def crontab() -> str:
    """The user's table; "" without one. Raises InfrastructureError ``nightly.crontab``."""
    done = _run(["crontab", "-l"])
    if done.returncode != 0 and "no crontab" not in done.stderr.lower():
        raise _no_crontab(done.stderr.strip() or f"exit status {done.returncode}")
    return done.stdout if done.returncode == 0 else ""


def _cron(before: str, job: Job, *, remove: bool) -> str:
    begin, end = f"# begin {job.name}", f"# end {job.name}"
    kept, inside = [], False
    for line in before.splitlines():
        inside = inside or line == begin
        if not inside:
            kept.append(line)
        inside = inside and line != end
    if not remove:
        # A bare % is a line's end to cron.
        command = f"cd {shlex.quote(str(job.folder))} && {shlex.join(job.words)} --quiet".replace("%", "\\%")
        kept += [begin, MARK, f"{job.minute} {job.hour} * * * {command}", end]
    return "".join(f"{line}\n" for line in kept)


def _units(job: Job, config_home: Path) -> dict[Path, str]:
    folder = config_home / "systemd" / "user"
    words = " ".join(_systemd_word(word) for word in job.words)
    service = f"""{MARK}
[Unit]
Description=farm: the night of {_systemd_text(str(job.folder))}
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory={_systemd_text(str(job.folder))}
ExecStart={words}
# A night that failed in some cells is kept; it is no failure of this unit.
SuccessExitStatus=3 4
KillSignal=SIGTERM
TimeoutStopSec=120
"""
    timer = f"""{MARK}
[Unit]
Description=farm: every night at {job.hour:02d}:{job.minute:02d}

[Timer]
OnCalendar=*-*-* {job.hour:02d}:{job.minute:02d}:00
Persistent=true

[Install]
WantedBy=timers.target
"""
    return {folder / f"{job.name}.service": service, folder / f"{job.name}.timer": timer}


def _workflow_path(job: Job) -> Path:
    return job.folder / ".github" / "workflows" / "farm-nightly.yml"


def _workflow(job: Job) -> str:
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
    timeout-minutes: 720
    steps:
      - uses: actions/checkout@v4
      - run: farm nightly run --fail-on regression,silent
      - if: always()
        run: (echo '```'; farm nightly status; echo '```') >> "$GITHUB_STEP_SUMMARY"
"""


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{_systemd_text(escaped)}"'


def _systemd_text(text: str) -> str:
    return text.replace("%", "%%")


def _any(found: Sequence[Change]) -> bool:
    return any(change.needed for change in found)


def _write(change: Change) -> None:
    if change.path is None:
        done = _run(["crontab", "-"], given=change.text or "")
        if done.returncode != 0:
            raise _no_crontab(done.stderr.strip())
        return
    try:
        if change.text is None:
            change.path.unlink(missing_ok=True)
        else:
            change.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = change.path.with_name(f".{change.path.name}.new")
            temporary.write_text(change.text, encoding="utf-8")
            temporary.replace(change.path)
    except (OSError, UnicodeEncodeError) as error:
        raise InfrastructureError(
            f"{change.path} cannot be written: {error}",
            code="nightly.not-written",
            fix="make its folder writable, or write what --dry-run shows yourself",
        ) from error


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be read: {error}", code="nightly.not-written", fix=f"make {path} readable"
        ) from error


def _systemctl(words: Sequence[str]) -> list[str]:
    """What a person has to do where it could not be done."""
    line = shlex.join(["systemctl", "--user", *words])
    if shutil.which("systemctl") is None:
        return [f"there is no systemctl here; on the machine itself: {line}"]
    done = _run(["systemctl", "--user", *words])
    return [] if done.returncode == 0 else [f"this failed ({done.stderr.strip()[:200]}): {line}"]


def _run(words: Sequence[str], given: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words, input=given, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeError) as error:
        if words[0] == "crontab":
            raise _no_crontab(str(error)) from error
        return subprocess.CompletedProcess(words, 1, "", str(error))


def _no_crontab(why: str) -> InfrastructureError:
    return InfrastructureError(
        f"the crontab cannot be used: {why}",
        code="nightly.crontab",
        fix="install cron, or use farm nightly install --systemd",
    )
