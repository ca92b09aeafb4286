"""A program of yours that prints the power: one number, a JSON object, or a line of comma separated values.

It is started for every reading, without a shell, with a deadline and a bound on what it may print.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import time

from farm.kinds import Key
from farm.power import MeterError, MeterSettings
from farm.power.common.http import garbled, number
from farm.power.common.polled import Polled

INTERVAL_S = 1.0
TIMEOUT_S = 5.0
LIMIT_BYTES = 64 * 1024
_SCALES = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "Wh": 3600.0, "kWh": 3.6e6}
KEYS = {
    "argv": Key((list,), required=True),
    "field": Key((str,)),
    "column": Key((int,)),
    "unit": Key((str,), choices=tuple(_SCALES)),
    "quantum": Key((float, int)),
    "wraps_at": Key((float, int)),
    "timeout_s": Key((float, int)),
}


def open(settings: MeterSettings) -> Polled:  # noqa: A001 - the seam's name
    """``unit``: W by default; J and kin make it a counter of energy. ``quantum`` and ``wraps_at`` are in
    that unit. ``field``: of a JSON object; ``column``: of separated values, from 0. Raises MeterError."""
    unit = settings.text("unit", "W")
    scale = _SCALES[unit]
    argv = [str(word) for word in settings.options["argv"]]
    timeout_s = settings.number("timeout_s", TIMEOUT_S)
    field, column = settings.text("field"), settings.options.get("column")

    def ask() -> float:
        return scale * parse(run(argv, settings.folder, timeout_s), field, column)

    def scaled(key: str) -> float | None:
        return scale * settings.number(key, 0.0) if key in settings.options else None

    ask()
    kind = "energy_j" if unit.endswith(("J", "h")) else "power_w"
    channel = settings.channel("wall", kind=kind, quantum=scaled("quantum"), wraps_at=scaled("wraps_at"))
    return Polled(channel, settings.number("interval_s", INTERVAL_S), ask)


def parse(text: str, field: str = "", column: int | None = None) -> float:
    """The value in the last line that is not empty. Raises MeterError ``meter.garbled``."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise garbled("the command printed nothing")
    word: object = lines[-1]
    if field:
        try:
            data = json.loads(lines[-1])
        except (ValueError, RecursionError) as error:
            raise garbled(f"the command printed no JSON: {lines[-1][:60]!r}") from error
        if not isinstance(data, dict) or field not in data:
            raise garbled(f"the command's JSON has no {field!r}")
        return number(data[field], field)
    if column is not None:
        cells = lines[-1].split(",")
        if not -len(cells) <= column < len(cells):
            raise garbled(f"the command's line has {len(cells)} columns, no column {column}")
        word = cells[column]
    try:
        value = float(str(word))
    except ValueError as error:
        raise garbled(f"the command printed {str(word)[:60]!r}, no number") from error
    return number(value, "what the command printed")


def run(argv: list[str], folder: str, timeout_s: float) -> str:
    """What a command prints. Raises MeterError meter.command, meter.silent, meter.garbled."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise MeterError(
            f"{argv[0]} cannot be started: {error.strerror}", code="meter.command", fix="correct argv"
        ) from error
    try:
        output = _output(process, argv[0], time.monotonic() + timeout_s, timeout_s)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if process.returncode != 0:
        raise MeterError(
            f"{argv[0]} ended with exit status {process.returncode}",
            code="meter.command",
            fix="run it by hand and see what it says",
        )
    return output.decode("utf-8", "replace")


def _output(process: subprocess.Popen[bytes], name: str, deadline: float, timeout_s: float) -> bytes:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    output = bytearray()
    late = MeterError(
        f"{name} did not end within {timeout_s:g} s", code="meter.silent", fix="raise the meter's timeout_s"
    )
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise late
            data = os.read(process.stdout.fileno(), 4096)
            output += data
            if len(output) > LIMIT_BYTES:
                raise garbled(f"{name} printed more than {LIMIT_BYTES} bytes")
            if not data:
                break
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise late from error
    return bytes(output)
