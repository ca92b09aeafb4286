"""What was pinned, on the disk before it was changed; set back at the end, or by the next agent that comes.

ROOT/pins.json names each knob with its old and its new value. A value that is neither was set by somebody
else meanwhile: it is left alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, List, Optional, Tuple

from farm_agent import codec, files, identity
from farm_agent.errors import FarmError
from farm_agent.identity import ProcessId
from farm_agent.late import dataclass
from farm_agent.messages.gate import Pin

if TYPE_CHECKING:
    from farm_agent.pins_knobs import Device

NAME = "pins.json"
# The others begin anew with the kernel.
OUTLIVES_REBOOT = ("power-mode",)


@dataclass(frozen=True)
class Entry:
    """One knob that was, or is about to be, changed."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Journal:
    """``owner``: the supervisor that pinned; while it lives, nobody else touches anything."""

    boot_id: str
    owner: Optional[ProcessId]
    entries: Tuple[Entry, ...] = ()


def write(root: Path, journal: Journal) -> None:
    """Durably, before the change it announces. Raises InfrastructureError device.*."""
    files.write_atomic(root / NAME, codec.dumps(journal).encode(), durable=True)
    with contextlib.suppress(OSError):
        handle = os.open(str(root), os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(root: Path) -> Optional[Journal]:
    """None where nothing is pinned. One that cannot be read is put aside; write_atomic leaves none such."""
    path = root / NAME
    if not path.exists():
        return None
    try:
        return codec.loads(Journal, files.read_bounded(path))
    except (codec.DecodeError, FarmError):
        with contextlib.suppress(OSError):
            path.replace(root / f"{NAME}.broken")
        return None


def pending(root: Path) -> bool:
    """Whether something is pinned, or was left so."""
    return (root / NAME).exists()


def leftover(root: Path, device: Optional[Device] = None) -> Tuple[Pin, ...]:
    """Set back what a supervisor that is gone left pinned; nothing while it lives, or where nothing is."""
    journal = read(root)
    if journal is None or identity.lives(journal.owner):
        return ()
    from farm_agent.pins_knobs import Device  # not on the way of a verb that has nothing to set back

    if journal.boot_id != identity.boot_id():
        kept = tuple(entry for entry in journal.entries if entry.name in OUTLIVES_REBOOT)
        journal = replace(journal, entries=kept)
    return set_back(root, journal, device or Device(root))


def own(root: Path) -> None:
    """Set back what this process itself left pinned."""
    from farm_agent.pins_knobs import Device

    journal = read(root)
    if journal is not None and journal.owner == identity.identify(os.getpid()):
        set_back(root, journal, Device(root))


def set_back(root: Path, journal: Journal, device: Device) -> Tuple[Pin, ...]:
    """Every entry, the last first. What could not be set back stays in the journal for the next time."""
    done: List[Pin] = []
    left: List[Entry] = []
    with undisturbed():
        for entry in reversed(journal.entries):
            pin, again = _one(entry, device)
            done.append(pin)
            left += [entry] if again else []
        with contextlib.suppress(FarmError, OSError):
            if left:
                write(root, replace(journal, entries=tuple(reversed(left))))
            else:
                (root / NAME).unlink()
    return tuple(reversed(done))


def _one(entry: Entry, device: Device) -> Tuple[Pin, bool]:
    """(how it went, whether to try again)."""
    from farm_agent import pins_knobs

    pin = Pin(entry.name, entry.old, entry.new)
    try:
        knob = pins_knobs.knob(device, entry.name)
        if not pins_knobs.may_hold(entry.name, entry.old):
            return replace(pin, problem=f"{entry.old[:40]!r} is no value of it", restored=False), False
        now = knob.read()
        if now not in (entry.old, entry.new):
            return replace(pin, problem=f"somebody set it to {now} meanwhile", restored=False), False
        if now != entry.old:
            knob.write(entry.old)
    except FarmError as error:
        return replace(pin, problem=f"{error.message}; {error.fix}", restored=False), True
    return replace(pin, restored=True), False


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """SIGTERM and SIGINT wait until this is over."""
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
