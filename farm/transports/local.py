"""This machine as a device: subprocesses without a shell, files by copying."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from farm.devices import faults
from farm.devices.device import Device
from farm.transports import OUTPUT_LIMIT_BYTES, Completed

_STEP_BYTES = 1024 * 1024


def connect(device: Device, timeout_s: float) -> Local:
    """There is nothing to open; the arguments are those of every transport."""
    del timeout_s
    return Local(device.name)


class Local:
    """A Transport (see ``farm.transports``) to this machine. Each command has its own process group."""

    def __init__(self, name: str = "local") -> None:
        self._name = name

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
    ) -> Completed:
        """Raises InfrastructureError link.timeout (its process group is killed), device.output-too-large.

        A program that is not there ends with 127, one that may not be run with 126, as in a shell.
        """
        faults.check_arguments(argv)
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            return Completed(127 if missing else 126, b"", f"{argv[0]}: {error.strerror}\n".encode())
        try:
            output = self._exchange(process, argv, stdin, timeout_s, output_limit_bytes)
        except BaseException:
            _kill(process)
            raise
        finally:
            _close(process)
        return Completed(process.returncode, *output)

    def _exchange(
        self,
        process: subprocess.Popen[bytes],
        argv: Sequence[str],
        stdin: bytes,
        timeout_s: float,
        limit_bytes: int,
    ) -> tuple[bytes, bytes]:
        """Feed stdin and collect both outputs until they end, within the deadline and the bound."""
        deadline = time.monotonic() + timeout_s
        waiting = memoryview(stdin)
        output = {"stdout": bytearray(), "stderr": bytearray()}
        with _pipes(process) as selector:
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if time.monotonic() >= deadline:
                    raise faults.late(self._name, argv, timeout_s)
                for key, _ in ready:
                    if key.data == "stdin":
                        waiting = _feed(key.fd, waiting)
                        ended = not waiting
                    else:
                        data = os.read(key.fd, _STEP_BYTES)
                        output[key.data] += data
                        ended = not data
                    if ended:
                        selector.unregister(key.fileobj)
                        cast("IO[bytes]", key.fileobj).close()
                if sum(map(len, output.values())) > limit_bytes:
                    raise faults.too_large(self._name, f"the output of {argv[0]}", limit_bytes)
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise faults.late(self._name, argv, timeout_s) from error
        return bytes(output["stdout"]), bytes(output["stderr"])

    def put(
        self,
        source: Path,
        target: str,
        *,
        timeout_s: float,
        offset_bytes: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Raises InfrastructureError device.disk-full, device.not-writable, link.timeout."""
        deadline = time.monotonic() + timeout_s
        try:
            with source.open("rb") as reader, open(target, "r+b" if offset_bytes else "wb") as writer:
                reader.seek(offset_bytes)
                writer.seek(offset_bytes)
                writer.truncate()
                while data := reader.read(_STEP_BYTES):
                    if time.monotonic() >= deadline:
                        raise faults.late(self._name, ("put", target), timeout_s)
                    writer.write(data)
                    if progress:
                        progress(len(data))
        except OSError as error:
            if error.filename == str(source):
                raise
            raise faults.unwritten(self._name, target, error) from error

    def get(self, source: str, target: Path, *, timeout_s: float, limit_bytes: int) -> None:
        """Raises InfrastructureError device.no-file, device.output-too-large, link.timeout."""
        deadline = time.monotonic() + timeout_s
        try:
            reader = open(source, "rb")  # noqa: SIM115 - closed by the next `with`; only opening is blamed here
        except OSError as error:
            raise faults.no_file(self._name, source, error.strerror) from error
        with reader, target.open("wb") as writer:
            left = limit_bytes
            while data := reader.read(min(_STEP_BYTES, left + 1)):
                left -= len(data)
                if left < 0:
                    raise faults.too_large(self._name, source, limit_bytes)
                if time.monotonic() >= deadline:
                    raise faults.late(self._name, ("get", source), timeout_s)
                writer.write(data)

    def alive(self, timeout_s: float) -> bool:
        """This machine answers as long as it asks."""
        return timeout_s > 0

    def close(self) -> None:
        """Nothing is kept open between calls."""


@contextlib.contextmanager
def _pipes(process: subprocess.Popen[bytes]) -> Iterator[selectors.BaseSelector]:
    with selectors.DefaultSelector() as selector:
        for name in ("stdin", "stdout", "stderr"):
            pipe: IO[bytes] = getattr(process, name)
            os.set_blocking(pipe.fileno(), False)
            writes = name == "stdin"
            selector.register(pipe, selectors.EVENT_WRITE if writes else selectors.EVENT_READ, name)
        yield selector


def _feed(descriptor: int, waiting: memoryview) -> memoryview:
    try:
        return waiting[os.write(descriptor, waiting[:_STEP_BYTES]) :] if waiting else waiting
    except BlockingIOError:
        return waiting
    except BrokenPipeError:
        return memoryview(b"")  # the command does not want its input: its exit status tells the rest


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
