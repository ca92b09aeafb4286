"""One child process that prints a line now and then, of which only the newest counts."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from typing import List, Sequence

from farm_agent.sensors import SensorError
from farm_agent.sensors.common import command

LINE_LIMIT_BYTES = 64 * 1024
END_S = 2.0


class LineProcess:
    """Lines of a command's output. When this process dies, the child ends at its next line (SIGPIPE)."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._name = argv[0]
        self._rest = b""
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=command.plain_environment(),
                bufsize=0,
            )
        except OSError as error:
            raise command.missing(argv[0], error) from error
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._stdout = self._process.stdout
        os.set_blocking(self._stdout.fileno(), False)

    def wait(self, seconds: float) -> List[str]:
        """The whole lines that came, as soon as there is one, at the latest after ``seconds``.

        A line cut in half stays until its end arrives. Raises SensorError ``sensor.silent`` when the
        process ended, ``sensor.bad-text`` when it prints without end of line.
        """
        deadline = time.monotonic() + seconds
        while True:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._stdout], [], [], left)[0]:
                return []
            lines = self._take()
            if lines:
                return lines

    def _take(self) -> List[str]:
        chunk = self._stdout.read(LINE_LIMIT_BYTES)
        if chunk == b"":
            raise SensorError(f"{self._name} ended with status {self._process.wait()}", code="sensor.silent")
        *lines, self._rest = (self._rest + (chunk or b"")).split(b"\n")
        if len(self._rest) > LINE_LIMIT_BYTES:
            self._rest = b""
            raise SensorError(f"{self._name} prints without end of line", code="sensor.bad-text")
        return [line.decode("utf-8", "replace") + "\n" for line in lines]

    def close(self) -> None:
        """End the process, if need be the hard way."""
        self._stdout.close()
        with contextlib.suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
