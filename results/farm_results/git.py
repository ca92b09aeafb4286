"""What git knows of a folder: read by its own program, with a deadline, and never needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

COMMIT, BRANCH, DIRTY = "git.commit", "git.branch", "git.dirty"
LIMIT_S = 5.0
# A folder's own settings must start no program (fsmonitor), and reading must take no lock.
_SAFE = ("git", "-c", "core.fsmonitor=false", "--no-optional-locks")


def facts(folder: Path) -> dict[str, str]:
    """Labels of a run that was started in ``folder``: git.commit, git.branch (not where HEAD is detached) and
    git.dirty (true or false, by tracked files). Empty outside a repository, or without git."""
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return {}
    found = {COMMIT: commit}
    if branch := _git(folder, "symbolic-ref", "--short", "--quiet", "HEAD"):
        found[BRANCH] = branch
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return found if changed is None else {**found, DIRTY: "true" if changed else "false"}


def commit_of(text: str, folder: Path) -> str | None:
    """The whole hash of the commit that a branch, tag, HEAD~2 or the beginning of a hash names there."""
    if not text or text.startswith("-"):
        return None
    return _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}") or None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None where it fails, is missing or takes too long."""
    # What a partial clone lacks is not fetched: that would ask a server, by whatever program it names.
    settings = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            [*_SAFE, *arguments],
            cwd=folder,
            env=settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None
