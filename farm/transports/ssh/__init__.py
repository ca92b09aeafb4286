"""Devices over SSH: the pinned host key and no other, keys and no passwords, a deadline on every call."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.devices import faults
from farm.devices.device import Device
from farm.errors import FarmError, InfrastructureError
from farm.transports import OUTPUT_LIMIT_BYTES, Completed
from farm.transports.ssh.command import Exchange
from farm.transports.ssh.opening import close_quietly, open_connection
from farm.transports.ssh.pulse import SILENCE_S, Flow, Pulse
from farm.transports.ssh.watchdog import Watchdog

if TYPE_CHECKING:
    import paramiko

STALL_S = 20.0
_GRACE_S = 1.0  # a call that misses its own deadline by this much is stuck in the link


def connect(device: Device, timeout_s: float) -> Ssh:
    """Open a verified connection (errors: see ``open_connection``)."""
    return Ssh(device.name, open_connection(device, timeout_s))


class Ssh:
    """A Transport (see ``farm.transports``) over one connection, which ends when the device falls silent.

    ``stall_s``: a transfer without progress; ``silence_s``: a device from which nothing comes at all.
    """

    def __init__(
        self,
        name: str,
        connection: Any,  # noqa: ANN401 - fabric has no types
        *,
        stall_s: float = STALL_S,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.name = name
        self._connection = connection
        self.stall_s = stall_s
        self._transport: paramiko.Transport = connection.client.get_transport()
        self._pulse = Pulse(self._transport, quiet_s=silence_s / 3, silence_s=silence_s)
        self._pulse.start()
        self._sftp_works: bool | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Completed:
        """Arguments are quoted for a POSIX shell. A timeout kills the command, not the connection."""
        return self.stream(argv, [stdin], timeout_s=timeout_s, output_limit_bytes=output_limit_bytes)

    def stream(
        self,
        argv: Sequence[str],
        stdin: Iterable[bytes],
        *,
        timeout_s: float,
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
        sent: Callable[[int], None] | None = None,
    ) -> Completed:
        """``run`` with an input that need not fit into memory."""
        faults.check_arguments(argv)
        with self.guard(argv, timeout_s, timeout_s + _GRACE_S):
            channel = self._transport.open_session(timeout=timeout_s)
            channel.settimeout(timeout_s)
            exchange = Exchange(channel, self.name, " ".join(argv), timeout_s)
            channel.exec_command(shlex.join(argv))
            return Completed(*exchange.finish(stdin, output_limit_bytes, sent))

    def talk(self, argv: Sequence[str], count: int, *, timeout_s: float) -> list[tuple[int, bytes, int]]:
        """Ask a command that answers each line with a line ``count`` times: (asked ns, line, answered ns)."""
        from farm.transports.ssh.talk import talk

        faults.check_arguments(argv)
        with self.guard(argv, timeout_s, timeout_s + _GRACE_S):
            channel = self._transport.open_session(timeout=timeout_s)
            try:
                channel.exec_command(shlex.join(argv))
                return list(talk(channel, self.name, count, time.monotonic() + timeout_s))
            finally:
                channel.close()

    def put(
        self,
        source: Path,
        target: str,
        *,
        timeout_s: float,
        offset_bytes: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Over SFTP, else through ``cat``. Raises device.disk-full, device.not-writable, link.*."""
        from farm.transports.ssh import plain, sftp

        with source.open("rb") as reader:
            reader.seek(offset_bytes)
            if self.has_sftp(timeout_s):
                sftp.put(self, reader, target, offset_bytes, timeout_s, progress)
            else:
                plain.put(self, reader, target, offset_bytes, timeout_s, progress)

    def get(self, source: str, target: Path, *, timeout_s: float, limit_bytes: int) -> None:
        """Over SFTP, else through ``cat``. Raises device.no-file, device.output-too-large, link.*."""
        from farm.transports.ssh import plain, sftp

        with target.open("wb") as writer:
            if self.has_sftp(timeout_s):
                sftp.get(self, source, writer, timeout_s, limit_bytes)
            else:
                plain.get(self, source, writer, timeout_s, limit_bytes)

    def alive(self, timeout_s: float) -> bool:
        """Whether a command came back within the time; keepalives alone prove nothing."""
        try:
            return self.run(["true"], timeout_s=timeout_s).returncode == 0
        except FarmError:
            return False

    def is_open(self) -> bool:
        """Whether nobody has seen the connection end; asks the device nothing."""
        return bool(self._transport.is_active())

    def close(self) -> None:
        """End the connection and those to its jump hosts; never raises."""
        self._pulse.stop()
        close_quietly(self._connection)

    @contextmanager
    def sftp(self, timeout_s: float, watchdog: Watchdog) -> Iterator[paramiko.SFTPClient]:
        """An SFTP session on a channel of its own, so that no dead one is ever used again."""
        import paramiko

        channel = self._transport.open_session(timeout=timeout_s)
        try:
            channel.settimeout(timeout_s)  # a stall before it is the watchdog's
            channel.invoke_subsystem("sftp")
            watchdog.progress()
            yield paramiko.SFTPClient(channel)
        finally:
            channel.close()

    def has_sftp(self, timeout_s: float) -> bool:
        """Whether the server offers SFTP; asked once per connection."""
        import paramiko

        if self._sftp_works is None:
            with self.guard(["sftp"], timeout_s, timeout_s, self.stall_s) as watchdog:
                try:
                    with self.sftp(timeout_s, watchdog):
                        self._sftp_works = True
                except (paramiko.SSHException, EOFError):
                    if not self._transport.is_active():
                        raise
                    self._sftp_works = False
        return self._sftp_works

    @contextmanager
    def guard(
        self, argv: Sequence[str], timeout_s: float, limit_s: float, stall_s: float | None = None
    ) -> Iterator[Watchdog]:
        """Whatever the link does inside, it ends as link.lost or link.timeout within the limit."""
        import paramiko

        end = time.monotonic() + timeout_s
        flow = Flow(self._transport.sock)
        with Watchdog(self._transport, limit_s, stall_s, flow.moved) as watchdog:
            try:
                yield watchdog
            except FarmError as error:
                if error.code == "link.lost" and self._pulse.dead_s:
                    raise self._silent() from error
                raise
            except (paramiko.SSHException, EOFError, OSError) as error:
                if self._pulse.dead_s:
                    raise self._silent() from error
                if watchdog.fired == "stall":
                    raise faults.lost(self.name, f"nothing moved for {stall_s:g} s") from error
                if watchdog.fired == "time" or time.monotonic() >= end:
                    raise faults.late(self.name, argv, timeout_s) from error
                raise faults.lost(self.name, error or type(error).__name__) from error

    def _silent(self) -> InfrastructureError:
        return faults.silent(self.name, self._pulse.dead_s)
