"""Switches behind a program: started without a shell, with a deadline and a bound on what it prints."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from farm.switches import SwitchError, SwitchSettings

TIMEOUT_S = 60.0
LIMIT_BYTES = 64 * 1024


def run(settings: SwitchSettings, argv: Sequence[str]) -> str:
    """What it printed. Raises SwitchError switch.command with what it said last, switch.silent."""
    timeout_s = settings.number("timeout_s", TIMEOUT_S)
    # Files, so that neither much output nor a child that holds a pipe open keeps us waiting
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                argv,
                cwd=settings.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise SwitchError(
                f"{argv[0]} cannot be started: {getattr(error, 'strerror', None) or error}",
                code="switch.command",
                fix="correct the program's name in the switch's settings",
            ) from error
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise SwitchError(
                f"{argv[0]} did not end within {timeout_s:g} s",
                code="switch.silent",
                fix="run it by hand, or raise the switch's timeout_s",
            ) from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        output.seek(0)
        text = output.read(LIMIT_BYTES).decode("utf-8", "replace")
        errors.seek(0)
        said = errors.read(LIMIT_BYTES).decode("utf-8", "replace").strip().splitlines()
    if status != 0:
        tail = f": {said[-1].strip()[:300]}" if said else ""
        raise SwitchError(
            f"{argv[0]} ended with exit status {status}{tail}",
            code="switch.command",
            fix="run it by hand and see what it says",
        )
    return text


def beside_us(name: str) -> str:
    """A program on the PATH, else the one that lies beside this Python; the bare name where neither is."""
    beside = Path(sys.executable).with_name(name)
    return shutil.which(name) or (str(beside) if beside.exists() else name)
