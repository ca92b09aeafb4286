"""Who holds a lease, as text that people read and that tells whether that process provably is dead.

``user@host pid 123 run 20261121-... (3f2a...:4711)``: the part in parentheses names one boot of one machine
(and its process ids) and when the process started, because a pid alone is used again.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from functools import lru_cache
from pathlib import Path

from farm_agent import identity

_TEXT = re.compile(r"\S+@(?P<host>\S+) pid (?P<pid>\d+)\b.* \((?P<machine>[0-9a-f]{16}):(?P<start>\d+)\)")


def holder_text(what: str) -> str:
    """This process, doing ``what`` ("run 2026..."), as a holder."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = str(os.getuid())
    text = f"{user}@{socket.gethostname()} pid {os.getpid()} {what}"
    me = identity.identify(os.getpid())
    return f"{text} ({_machine()}:{me.start_ticks})" if me and _machine() else text


def shown(holder: str) -> str:
    """The text without what only this module reads."""
    return re.sub(r" \([0-9a-f]{16}:\d+\)$", "", holder)


def provably_dead(holder: str) -> bool:
    """Whether that process ran on this very machine, in this boot, and is no more. In doubt it lives."""
    found = _TEXT.fullmatch(holder)
    if found is None or not _machine() or found["machine"] != _machine():
        return False
    if found["host"] != socket.gethostname():
        return False
    pid = int(found["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    process = identity.identify(pid)
    if process is None:  # a zombie, or one that we may not look at
        return _zombie(pid)
    return process.start_ticks != int(found["start"])


def of_an_earlier_boot(holder: str, since_unix_s: float) -> bool:
    """Whether a process that was there at that time ran on a machine of this name before this one started.

    Weaker than ``provably_dead``: two machines may have one name. Good enough for what is told to people.
    """
    found = _TEXT.fullmatch(holder)
    if found is None or found["host"] != socket.gethostname() or found["machine"] == _machine():
        return False
    return since_unix_s < _booted_unix_s()


def _booted_unix_s() -> float:
    """When this machine started; 0 where the kernel does not tell."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)


def _zombie(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] in (["Z"], ["X"])


@lru_cache(maxsize=1)
def _machine() -> str:
    """This boot of this machine and its name space of process ids; "" where the kernel does not tell."""
    try:
        space = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    boot = identity.boot_id()
    return hashlib.sha256(f"{boot} {space}".encode()).hexdigest()[:16] if boot else ""
