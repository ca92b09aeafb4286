"""Where the trace of a defect goes instead of the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from farm.config import load_config, masked
from farm.errors import FarmError


def write_crash_log() -> Path:
    """Write the trace of the exception being handled to a file that only the user can read."""
    name = time.strftime("crash-%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{os.getpid()}.log"
    text = masked(f"command: {sys.argv!r}\npython: {sys.version}\n\n{traceback.format_exc()}")
    for folder in (*_state_folder(), Path(tempfile.gettempdir())):
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError:
            continue
        return path
    return Path(os.devnull)


def _state_folder() -> tuple[Path, ...]:
    try:
        return (load_config().state_dir,)
    except FarmError:
        return ()
