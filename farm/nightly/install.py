"""What starts the nights: a systemd user timer, a block in the crontab, or a GitHub workflow.

Written again and again it stays the same, and only what farm wrote is ever removed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.errors import InfrastructureError, UsageError
from farm.nightly.timers import MARK, Job, cron_line, search_path, units, workflow, workflow_path
from farm.notify_settings import VARIABLE

XDG = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
SYSTEMD, CRON, GITHUB = "systemd", "cron", "github"
KINDS = (SYSTEMD, CRON, GITHUB)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
TIMEOUT_S = 30.0


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
    return Job(folder, int(match[1]), int(match[2]), path=search_path())


def changes(kind: str, job: Job, config_home: Path, *, remove: bool = False) -> list[Change]:
    """What an installation, or its removal, would write; ``config_home``: the user's.

    Raises UsageError ``nightly.not-ours`` for a file of that name, or a block of the crontab, that farm did
    not write so, ``nightly.path``, and InfrastructureError ``nightly.crontab``, ``nightly.not-written``.
    """
    if kind == CRON:
        table = crontab()
        return [Change(None, table, _cron(table, job, remove=remove))]
    files = units(job, config_home) if kind == SYSTEMD else {workflow_path(job): workflow(job)}
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
    found = []
    for name in sorted(name for name in os.environ if name.startswith("FARM_")):
        where = "into farm.toml"
        if name == VARIABLE:
            where = 'to a file that [notify] of farm.toml names: file = "..."'
        found.append(f"{name} is set here and will not be at night: write it {where}")
    homes = [name for name in XDG if os.environ.get(name)]
    if homes:
        found.append(
            f"{', '.join(homes)} moved farm's folders here and will not at night: "
            "write store, inventory_path and state_dir into farm.toml"
        )
    if os.environ.get("SSH_AUTH_SOCK"):
        found.append(
            "an SSH agent answers here; at night there is none: devices need keys without a passphrase"
        )
    return found


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
            # Restarted, so that a timer that runs already follows a new --at.
            hints += _systemctl(["enable", f"{job.name}.timer"]) + _systemctl(
                ["restart", f"{job.name}.timer"]
            )
            if not _lingers():
                hints.append("for nights without anybody logged in: loginctl enable-linger")
            hints.append(f"what the nights say: journalctl --user -u {job.name}")
    if kind == GITHUB and not remove and _any(found):
        if not (workflow_path(job).parents[2] / ".git").exists():
            hints.append(
                f"{job.folder} is in no git repository: GitHub reads the workflow at a repository's top"
            )
        hints.append("commit it to the default branch: GitHub starts nothing from another one")
        hints.append("its runner must have farm, reach the devices, and hold the store (docs/nightly.md)")
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
    lines = before.removesuffix("\n").split("\n") if before else []
    for line in lines:
        inside = inside or line == begin
        if not inside:
            kept.append(line)
        inside = inside and line != end
    if inside:
        raise UsageError(
            f"the crontab has a line {begin!r} and no {end!r} after it",
            code="nightly.not-ours",
            fix="crontab -e: give the block its end again, or remove what is left of it",
        )
    if not remove:
        kept += [begin, MARK, cron_line(job), end]
    return "".join(f"{line}\n" for line in kept)


def _lingers() -> bool:
    """Whether the user's timers run without a login, as far as systemd's own mark tells."""
    import getpass

    try:
        return (Path("/var/lib/systemd/linger") / getpass.getuser()).exists()
    except (OSError, KeyError):
        return False


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
