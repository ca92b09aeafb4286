"""Make a virtual environment and fill it from pinned lists: with uv where it is, else with venv and pip.

FARM_OFFLINE=1 forbids the network; FARM_WHEELS=FOLDER installs from a folder of wheels only. Folders in
pip's own PIP_FIND_LINKS (separated by spaces) are offered to uv as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from farm_agent.errors import InfrastructureError
from farm_converters import children, guard, wheels

TIMEOUT_S = 1800.0
TAIL_LINES = 12
# Of all that uv and pip print, what tells somebody who waits that it goes on
WORTH_TELLING = ("Downloading", "Prepared", "Installed", "Installing", "Collecting")
_NO_SPACE = ("No space left", "Disk quota exceeded", "os error 28")


def find_uv() -> str | None:
    """The uv program: of the uv package, else on PATH."""
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def is_offline() -> bool:
    """Whether FARM_OFFLINE forbids the network."""
    return os.environ.get("FARM_OFFLINE", "") not in ("", "0")


class Installer:
    """Runs the installer program, telling ``report`` its lines. Not to be shared between threads.

    ``lock``: descriptor of the lock on what is built; it stays locked until the installer, too, has ended.
    """

    def __init__(self, report: Callable[[str], None], uv: str | None = None, lock: int | None = None) -> None:
        self._report = report
        self._inherited = () if lock is None else (lock,)
        self._uv = find_uv() if uv is None else (uv or None)

    def create(self, folder: Path) -> None:
        """An empty virtual environment of this interpreter's version."""
        if self._uv:
            self._run([self._uv, "venv", "--no-project", "--python", sys.executable, str(folder)])
        else:
            self._run([sys.executable, "-m", "venv", str(folder)])

    def install(self, folder: Path, listed: Path) -> None:
        """Install a whole, hash-locked list."""
        # The versions are pinned: pip would refuse what declares an upper bound on Python, uv does not
        declared = [] if self._uv else ["--ignore-requires-python"]
        listed = wheels.with_local_builds(listed, folder / "farm-list.txt", wheels.folders())
        self._run([*self._installer(folder), *declared, "--no-deps", "--require-hashes", "-r", str(listed)])

    def install_loosely(self, folder: Path, listed: Path) -> None:
        """Install pure-Python packages without what they declare, Requires-Python included."""
        # uv picks files by the Python it is told; the packages are py3-none-any, so any newer one does
        declared = ["--python-version", "3.14"] if self._uv else ["--ignore-requires-python"]
        self._run([*self._installer(folder), *declared, "--no-deps", "--require-hashes", "-r", str(listed)])

    def install_extra(self, folder: Path, packages: Sequence[str]) -> None:
        """Install a user's own packages (``name==version``) with what they need; what is there stays."""
        self._run([*self._installer(folder), *packages])

    def download(self, python: str, listed: Path, folder: Path) -> None:
        """Fetch what a list names into ``folder``, for a site without a network. pip does it: uv cannot."""
        declared = ["--ignore-requires-python", "--only-binary=:all:", "--no-deps", "--require-hashes"]
        argv = [python, "-m", "pip", "download", "--progress-bar", "off", "-q", "-d", str(folder)]
        self._run([*argv, *declared, "-r", str(listed)])

    def _installer(self, folder: Path) -> list[str]:
        python = str(folder / "bin" / "python")
        only = os.environ.get("FARM_WHEELS", "")
        argv = (
            [self._uv, "pip", "install", "--python", python]
            if self._uv
            # Most of a toolchain is never imported: Python compiles what is, once
            else [python, "-m", "pip", "install", "--progress-bar", "off", "--no-compile"]
        )
        if self._uv:  # pip reads the variable by itself
            argv += [f"--find-links={place}" for place in os.environ.get("PIP_FIND_LINKS", "").split()]
        if only:
            argv += ["--no-index", "--find-links", only]
        elif is_offline():
            argv += ["--offline"] if self._uv else ["--no-index"]
        return argv

    def _run(self, argv: Sequence[str]) -> None:
        process = subprocess.Popen(
            guard.command(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=self._inherited,
            # The system's own certificates, as pip and the browser use them (a company's proxy, say)
            env={"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1", "NO_COLOR": "1", **os.environ},
        )
        lines: deque[str] = deque(maxlen=TAIL_LINES)
        timer = threading.Timer(TIMEOUT_S, process.terminate)
        timer.daemon = True
        timer.start()
        began = time.monotonic()
        try:
            with children.owned(process):
                for line in process.stdout or ():
                    if line.strip():
                        lines.append(line.strip())
                        if line.startswith(WORTH_TELLING):
                            self._report(line.strip())
                status = process.wait()
        finally:
            timer.cancel()
        if time.monotonic() - began >= TIMEOUT_S:
            lines.append(f"it was stopped after {TIMEOUT_S:.0f} s")
        if status != 0:
            raise _failed(argv, lines)


def _failed(argv: Sequence[str], lines: deque[str]) -> InfrastructureError:
    text = "\n".join(lines)
    if any(sign in text for sign in _NO_SPACE):
        return InfrastructureError(
            "no space left to build a converter environment",
            code="host.disk-full",
            fix="free space, or move the cache with FARM_CACHE_DIR",
        )
    return InfrastructureError(
        f"a converter environment could not be built: {Path(argv[0]).name} said:\n{text}",
        code="env.build-failed",
        fix="check the connection to the package registry and run again, "
        "or name a folder of wheels: FARM_WHEELS=FOLDER",
    )
