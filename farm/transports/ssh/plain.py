"""Files through ``cat``, for servers without SFTP (dropbear, a shell that talks in the subsystem)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

from farm.devices import faults

if TYPE_CHECKING:
    from farm.transports.ssh import Ssh

_STEP_BYTES = 128 * 1024
_MARK = b"farm-file-begins\n"  # a shell may print noise before it

_WRITE = 'cat > "$1"'
_RESUME = 'dd if=/dev/null of="$1" bs=1 seek="$2" count=0 2>/dev/null && cat >> "$1"'
_READ = (
    '[ -r "$1" ] || { echo "no such file, or not readable" >&2; exit 2; }; echo farm-file-begins; cat -- "$1"'
)


def put(
    ssh: Ssh,
    reader: IO[bytes],
    target: str,
    offset_bytes: int,
    timeout_s: float,
    progress: Callable[[int], None] | None,
) -> None:
    """Write the rest of ``reader`` at ``offset_bytes`` of ``target``."""
    script = [_RESUME, "sh", target, str(offset_bytes)] if offset_bytes else [_WRITE, "sh", target]
    done = ssh.stream(["sh", "-c", *script], _steps(reader), timeout_s=timeout_s, sent=progress)
    if done.returncode == 0:
        return
    why = done.stderr.decode("utf-8", "replace").strip()[-300:] or f"cat ended with {done.returncode}"
    if "No space left" in why or "quota" in why.lower():
        raise faults.disk_full(ssh.name, target)
    raise faults.not_writable(ssh.name, target, why)


def get(ssh: Ssh, source: str, writer: IO[bytes], timeout_s: float, limit_bytes: int) -> None:
    """Copy ``source`` into ``writer``, at most ``limit_bytes``."""
    room = limit_bytes + 64 * 1024  # for the noise before the mark
    done = ssh.stream(["sh", "-c", _READ, "sh", source], [], timeout_s=timeout_s, output_limit_bytes=room)
    _, mark, data = done.stdout.partition(_MARK)
    if done.returncode or not mark:
        why = done.stderr.decode("utf-8", "replace").strip()[-300:]
        raise faults.no_file(ssh.name, source, why or f"cat ended with {done.returncode}")
    if len(data) > limit_bytes:
        raise faults.too_large(ssh.name, source, limit_bytes)
    writer.write(data)


def _steps(reader: IO[bytes]) -> Iterator[bytes]:
    while data := reader.read(_STEP_BYTES):
        yield data
