"""Android phones over adb, by USB or Wi-Fi, through any adb server; a deadline stands on every call."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from farm.devices import faults
from farm.devices.address import parse_address
from farm.devices.device import Device
from farm.errors import FarmError, InfrastructureError
from farm.transports import OUTPUT_LIMIT_BYTES, Completed

if TYPE_CHECKING:
    from farm.transports.adb.server import Server, Wire

QUIET_S = 5.0
FIRST_PROOF_S = 6.0
KILL_TIMEOUT_S = 5.0
LONGEST_COMMAND_BYTES = 32 * 1024
_STEP_BYTES = 256 * 1024
_TRUE = ["true"]
# Two seconds to heed the SIGHUP. Once begun it needs no link.
_KILL = (
    'trap "" HUP; i=0; while [ $i -lt 20 ]; do kill -0 "$1" || exit 0; sleep 0.1; i=$((i + 1)); done; '
    'kill -KILL "$1"'
)
_WRITE = 'cat > "$1"'
_RESUME = 'truncate -s "$2" "$1" && cat >> "$1"'
_READ = '[ -r "$1" ] || { echo "no such file, or not readable" >&2; exit 2; }; exec cat "$1"'


def connect(device: Device, timeout_s: float) -> Adb:
    """Have a server, find the phone, and prove it by a round trip.

    Raises InfrastructureError device.unreachable (no server, no such phone, offline), device.auth,
    adb.no-program, adb.ambiguous, adb.permissions, adb.garbled, adb.refused, adb.old-shell, adb.missing.
    """
    try:
        from farm.transports.adb import phones, server
    except ModuleNotFoundError as error:
        raise InfrastructureError(
            f"device {device.name}: phones need the Python package adbutils ({error})",
            code="adb.missing",
            fix="pip install 'edgefarm[android]'",
        ) from error

    deadline = time.monotonic() + timeout_s
    address = parse_address(device.address)
    found = server.server_of(address)
    server.require(found, deadline)
    phones.ready(found, device.name, address.serial, deadline)
    link = Adb(device.name, found, address.serial)
    try:
        try:
            link.prove(max(1.0, min(FIRST_PROOF_S, deadline - time.monotonic())))
        except InfrastructureError as error:
            if error.code not in ("link.lost", "link.timeout") or time.monotonic() >= deadline:
                raise
            # Listed, but dead: what a silent break of the link leaves behind in the server.
            phones.revive(found, address.serial, deadline)
            phones.ready(found, device.name, address.serial, deadline)
            link.prove(max(1.0, deadline - time.monotonic()))
    except BaseException:
        link.close()
        raise
    return link


class Adb:
    """A Transport (see ``farm.transports``). Each command is a stream of its own through the server.

    Whenever nothing moves for ``quiet_s``, a small question that starts no process proves the phone.
    """

    def __init__(self, name: str, server: Server, serial: str, *, quiet_s: float = QUIET_S) -> None:
        from farm.transports.adb.pulse import Pulse

        self.name = name
        self._server = server
        self._serial = serial
        self._quiet_s = quiet_s
        self._pulse = Pulse(lambda: self.open("sync:", quiet_s), name)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Completed:
        """Arguments are quoted for the phone's shell. A timeout ends the command, not the link.

        Making sure of the end takes up to ``2 * KILL_TIMEOUT_S`` more where the phone is that slow.
        """
        from farm.transports.adb.shell import STDERR, STDOUT

        output = {STDOUT: bytearray(), STDERR: bytearray()}

        def take(kind: int, data: bytes) -> None:
            output[kind] += data
            if sum(map(len, output.values())) > output_limit_bytes:
                raise faults.too_large(self.name, f"the output of {argv[0]}", output_limit_bytes)

        status = self._command(argv, [stdin] if stdin else [], take, timeout_s)
        return Completed(status, bytes(output[STDOUT]), bytes(output[STDERR]))

    def talk(self, argv: Sequence[str], count: int, *, timeout_s: float) -> list[tuple[int, bytes, int]]:
        """Ask a command that answers each line with a line ``count`` times: (asked ns, line, answered ns)."""
        from farm.transports.adb.talk import talk

        with self._opened(self._service(argv), timeout_s) as wire:
            return list(talk(wire, self.name, count, time.monotonic() + timeout_s))

    def put(
        self,
        source: Path,
        target: str,
        *,
        timeout_s: float,
        offset_bytes: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Through ``cat``: adb's own push knows no offset. Raises device.disk-full, device.not-writable."""
        said = bytearray()
        script = [_RESUME, "sh", target, str(offset_bytes)] if offset_bytes else [_WRITE, "sh", target]
        with source.open("rb") as reader:
            reader.seek(offset_bytes)
            argv = ["sh", "-c", *script]
            status = self._command(
                argv, _steps(reader), lambda _, data: said.extend(data), timeout_s, progress
            )
        if status == 0:
            return
        why = said.decode("utf-8", "replace").strip()[-300:] or f"cat ended with {status}"
        if "No space left" in why or "quota" in why.lower():
            raise faults.disk_full(self.name, target)
        raise faults.not_writable(self.name, target, why)

    def get(self, source: str, target: Path, *, timeout_s: float, limit_bytes: int) -> None:
        """Through ``cat``. Raises device.no-file, device.output-too-large."""
        from farm.transports.adb.shell import STDOUT

        said = bytearray()
        with target.open("wb") as writer:

            def take(kind: int, data: bytes) -> None:
                if kind != STDOUT:
                    said.extend(data[:1000])
                    return
                if writer.tell() + len(data) > limit_bytes:
                    raise faults.too_large(self.name, source, limit_bytes)
                writer.write(data)

            status = self._command(["sh", "-c", _READ, "sh", source], [], take, timeout_s)
        if status:
            why = said.decode("utf-8", "replace").strip()[-300:]
            raise faults.no_file(self.name, source, why or f"cat ended with {status}")

    def alive(self, timeout_s: float) -> bool:
        """Whether a command came back within the time; a phone may look connected and be dead."""
        try:
            return self.run(_TRUE, timeout_s=timeout_s).returncode == 0
        except FarmError:
            return False

    def close(self) -> None:
        """End the connection; the server stays. Never raises."""
        self._pulse.close()

    def prove(self, timeout_s: float) -> None:
        """The link's first round trip. Raises adb.old-shell where the phone knows only the old shell."""
        from farm.transports.adb.server import query

        known = query(self._server, f"host-serial:{self._serial}:features", timeout_s).split(",")
        if "shell_v2" not in known:
            raise InfrastructureError(
                f"device {self.name}: its Android has no shell that tells exit codes",
                code="adb.old-shell",
                fix="it needs Android 7 or newer, and adb 23 or newer on the server's machine",
            )
        self.run(_TRUE, timeout_s=timeout_s)

    def open(self, service: str, timeout_s: float) -> Wire:
        """A stream to a service of the phone. Raises InfrastructureError link.*, device.*, adb.*."""
        from adbutils import AdbError, AdbTimeout

        from farm.transports.adb import server
        from farm.transports.adb.refusals import refused

        wire = None
        try:
            wire = server.Wire(self._server, timeout_s)
            wire.ask(f"host:transport:{self._serial}")
            wire.ask(service)
        except BaseException as error:
            if wire is not None:
                wire.close()
            if isinstance(error, TimeoutError | AdbTimeout):
                raise faults.late(self.name, [service], timeout_s) from error
            if isinstance(error, AdbError):
                raise refused(self.name, self._server, self._serial, error) from error
            if isinstance(error, OSError | EOFError):
                raise faults.lost(self.name, f"the adb server is gone: {error}") from error
            if isinstance(error, ValueError):
                raise server.garbled(self._server, error) from error
            raise
        return wire

    def _command(
        self,
        argv: Sequence[str],
        stdin: Iterable[bytes],
        take: Callable[[int, bytes], None],
        timeout_s: float,
        sent: Callable[[int], None] | None = None,
    ) -> int:
        from farm.transports.adb.shell import PROLOGUE, Exchange

        service = self._service(argv, PROLOGUE)
        with self._opened(service, timeout_s) as wire:
            exchange = Exchange(wire, self.name, " ".join(argv), timeout_s, self._pulse.beat, self._quiet_s)
            try:
                return exchange.finish(stdin, take, sent)
            except InfrastructureError as error:
                if error.code == "link.lost" or argv is _TRUE:  # true ends by itself
                    raise
                pid = exchange.await_pid(KILL_TIMEOUT_S)
                wire.conn.close()
                self._kill(pid)
                raise

    def _kill(self, pid: int | None) -> None:
        """End a command that was given up; the closed stream was its SIGHUP, which it may ignore."""
        from farm.transports.adb.shell import PROLOGUE, Exchange

        if pid is None:  # the phone has not answered at all
            return
        argv = ["sh", "-c", _KILL, "sh", str(pid)]
        with (
            contextlib.suppress(InfrastructureError),
            self._opened(self._service(argv, PROLOGUE), KILL_TIMEOUT_S) as wire,
        ):
            killer = Exchange(wire, self.name, "kill", KILL_TIMEOUT_S, self._pulse.beat, self._quiet_s)
            killer.finish([], lambda _kind, _data: None)

    def _service(self, argv: Sequence[str], prologue: str = "") -> str:
        faults.check_arguments(argv)
        # Itself, no child of a shell: what ends is then the command.
        line = f"{prologue}exec {shlex.join(argv)}"
        if len(line.encode("utf-8", "surrogateescape")) > LONGEST_COMMAND_BYTES:
            raise faults.too_large(self.name, "a command line", LONGEST_COMMAND_BYTES)
        return f"shell,v2,raw:{line}"

    @contextmanager
    def _opened(self, service: str, timeout_s: float) -> Iterator[Wire]:
        # A phone takes a stream at once, or it is gone: a long command need not wait as long for that.
        wire = self.open(service, min(timeout_s, 2 * self._quiet_s))
        try:
            yield wire
        finally:
            wire.conn.close()  # not adbutils' close, which waits


def _steps(reader: IO[bytes]) -> Iterator[bytes]:
    while data := reader.read(_STEP_BYTES):
        yield data
