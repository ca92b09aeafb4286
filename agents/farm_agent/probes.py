"""What importing each runtime told, kept in the agent's folder until a file that an import reads changes.

An import needs a process and, on a small board, seconds; every bench asks. Kept is only that one works: a
problem is looked at anew each time. What breaks in another way is told by the check before measuring.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Callable, Dict, Iterator, Tuple

from farm_agent import codec, files, identity, pack, runtimes
from farm_agent.errors import FarmError
from farm_agent.late import dataclass
from farm_agent.wire import RuntimeFact

FILE = "probes.json"
# Every runtime imports it.
SHARED = ("numpy",)
VARIABLES = ("LD_LIBRARY_PATH", "LD_PRELOAD")


@dataclass(frozen=True)
class Kept:
    """The file. ``facts``: by the state that they are true of."""

    facts: Dict[str, RuntimeFact]


def survey(folder: Path, probe: Callable[[str], RuntimeFact], *, fresh: bool) -> Tuple[RuntimeFact, ...]:
    """Every runtime, by ``probe`` where nothing is kept of it. ``fresh``: by ``probe`` in any case."""
    kept = _read(folder)
    keep: Dict[str, RuntimeFact] = {}
    found = []
    for name in runtimes.names():
        state = state_of(name)  # before the import: what changes meanwhile is seen the next time
        fact = None if fresh else kept.get(state)
        if fact is None or fact.name != name:
            fact = probe(name)
        if state and fact.version and not fact.unavailable:
            keep[state] = fact
        found.append(fact)
    if keep != kept:
        with contextlib.suppress(FarmError):  # a full disk: whoever comes next asks again
            files.write_atomic(folder / FILE, codec.dumps(Kept(keep)).encode())
    return tuple(found)


def state_of(name: str) -> str:
    """A hash of all that decides what an import of this runtime gives; "" where files cannot tell."""
    module = runtimes.load(name)
    if not module.FILES_DECIDE:
        return ""
    state = hashlib.sha256()
    own = (name, pack.agent_sha256(), sys.executable, sys.version, identity.boot_id())
    variables = tuple(os.environ.get(variable, "") for variable in VARIABLES)
    for word in (*own, *variables, *sys.path):
        state.update(word.encode("utf-8", "surrogateescape") + b"\0")
    try:
        for folder in map(Path, sys.path):
            # A folder changes with every package that is put there or taken away.
            if folder.is_dir():
                state.update(b"%d\0" % folder.stat().st_mtime_ns)
        for package in (*module.PACKAGES, *SHARED):
            for line in _files(package):
                state.update(line)
    except (OSError, ValueError, ImportError):
        return ""
    return state.hexdigest()


def _files(package: str) -> Iterator[bytes]:
    """A line for each file of an installed package: where, how large, how old."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    if spec.submodule_search_locations is None and spec.origin:
        yield _line(spec.origin, Path(spec.origin).stat())
    for place in spec.submodule_search_locations or ():
        yield from _below(place)


def _below(folder: str) -> Iterator[bytes]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _below(entry.path)
        else:
            yield _line(entry.path, entry.stat())


def _line(path: str, seen: os.stat_result) -> bytes:
    return b"%s\0%d\0%d\0" % (os.fsencode(path), seen.st_size, seen.st_mtime_ns)


def _read(folder: Path) -> Dict[str, RuntimeFact]:
    try:
        return codec.loads(Kept, files.read_bounded(folder / FILE)).facts
    except (FarmError, codec.DecodeError):
        return {}
