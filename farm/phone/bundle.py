"""A Python with the runtimes on a phone that has none: shipped once, known by its content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from farm.devices import faults
from farm.errors import InfrastructureError
from farm.phone import build, wrapper
from farm.phone.archive import Packed
from farm.transports import Transport

FOLDER = "python"
CALL_TIMEOUT_S = 30.0
UNPACK_TIMEOUT_S = 600.0
SLOWEST_BYTES_PER_S = 200_000
RESERVE_BYTES = 64 * 1024 * 1024

# Being used is what keeps it: see _UNPACK.
_PRESENT = '[ -x "$1" ] && touch "$2" && echo present'
_SIZE = 'mkdir -p "$1" && cd "$1" && { stat -c %s "$2" 2>/dev/null || echo 0; } && df -Pk . | tail -n 1'
_PROVE = 'sha256sum "$1" | cut -d " " -f 1'
# Unpacked beside its place: only a whole one ever gets the name.
_UNPACK = """
cd "$1" || exit 1
rm -rf "$3.new" && mkdir "$3.new" && gzip -dc "$2" | tar -x -C "$3.new" -f - || exit 1
[ -x "$3.new/$4" ] || { echo "the archive did not unpack whole" >&2; exit 1; }
find . -mindepth 1 -maxdepth 1 -mtime +30 ! -name "$3*" -exec rm -rf {} + 2>/dev/null
rm -rf "$3" && mv "$3.new" "$3" && rm -f "$2" && mkdir -p "${1%/*}/tmp"
"""


def ensure(
    transport: Transport,
    device: str,
    root: str,
    cache_dir: Path,
    *,
    offline: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> str:
    """The path of a Python on the phone, which is shipped there where it is not yet.

    ``root`` is the agent's folder. Raises UsageError phone.architecture, phone.offline; InfrastructureError
    phone.fetch-failed, phone.bad-package, phone.unpack-failed, device.disk-full, link.*.
    """
    packed = build.build(_text(transport, "uname -m", ()), cache_dir, offline=offline, say=say)
    folder = f"{root}/{FOLDER}"
    name = packed.tree_sha256[:24]
    python = f"{folder}/{name}/{wrapper.PATH}"
    if _text(transport, _PRESENT, (python, f"{folder}/{name}")) == "present":
        return python
    say(f"{device}: sending its Python, {packed.size_bytes / 1e6:.0f} MB, once")
    part = f"{packed.sha256[:24]}.part"
    for attempt in range(2):
        _send(transport, device, packed, folder, part, anew=attempt > 0)
        if _text(transport, _PROVE, (f"{folder}/{part}",)) == packed.sha256:
            break
    else:
        raise InfrastructureError(
            f"device {device}: its Python arrived damaged twice",
            code="link.corrupt",
            fix="check the cable, or the phone's storage",
        )
    done = transport.run(
        ["sh", "-c", _UNPACK, "sh", folder, part, name, wrapper.PATH], timeout_s=UNPACK_TIMEOUT_S
    )
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip()[-300:]
        if "No space left" in why:
            raise faults.disk_full(device, folder)
        raise InfrastructureError(
            f"device {device}: its Python could not be unpacked: {why or done.returncode}",
            code="phone.unpack-failed",
            fix=f"look at it: adb shell ls -l {folder}; the phone needs the commands gzip and tar",
        )
    return python


def _send(transport: Transport, device: str, packed: Packed, folder: str, part: str, *, anew: bool) -> None:
    """Go on where an earlier upload stopped."""
    lines = _text(transport, _SIZE, (folder, part)).splitlines()
    try:
        offset, free_bytes = int(lines[0]), int(lines[-1].split()[3]) * 1024
    except (ValueError, IndexError) as error:
        raise faults.not_writable(device, folder, "; ".join(lines)[-200:]) from error
    offset = 0 if anew or offset > packed.size_bytes else offset
    if free_bytes < packed.size_bytes - offset + packed.unpacked_bytes + RESERVE_BYTES:
        raise faults.disk_full(device, folder)
    if offset < packed.size_bytes:
        timeout_s = 60.0 + packed.size_bytes / SLOWEST_BYTES_PER_S
        transport.put(packed.path, f"{folder}/{part}", timeout_s=timeout_s, offset_bytes=offset)


def _text(transport: Transport, script: str, words: tuple[str, ...]) -> str:
    """What a script says. A phone's shell finds all of these commands."""
    done = transport.run(["sh", "-c", script, "sh", *words], timeout_s=CALL_TIMEOUT_S)
    return done.stdout.decode("utf-8", "replace").strip()
