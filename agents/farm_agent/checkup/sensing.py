"""Every sensor read once, in a process with a deadline: a driver or a command may hang."""

from __future__ import annotations

import os
from typing import List, NoReturn, Tuple

from farm_agent import child, codec, faults, sensors, task
from farm_agent.errors import FarmError
from farm_agent.identity import agent_argv
from farm_agent.messages.checkup import SensorReading

DEADLINE_S = 20.0


def survey(deadline_s: float = DEADLINE_S) -> Tuple[SensorReading, ...]:
    """One reading per sensor this agent knows; where the process stops short, the rest are problems."""
    found: List[SensorReading] = []

    def keep(_pid: int, line: bytes) -> bool:
        try:
            found.append(codec.loads(SensorReading, line))
        except codec.DecodeError:
            return False
        return False

    try:
        ended = child.run(agent_argv("_sense"), deadline_s, keep)
        why = f"no answer within {deadline_s:g} s" if ended.timed_out else "its process died"
    except FarmError as error:
        why = error.message
    told = {reading.sensor for reading in found}
    missing = [name for name in sensors.names() if name not in told]
    # The one that the process stopped at is the culprit; those behind it were never asked.
    for at, name in enumerate(missing):
        text = why if at == 0 else f"not read, because {missing[0]} was not: {why}"
        found.append(SensorReading(name, problem=text, fix="" if at else "leave it out of the profile"))
    return tuple(found)


def print_readings() -> NoReturn:
    """The process behind ``survey``: one line per sensor, as soon as it is known."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task.die_with_parent()
    for name in sensors.names():
        output.write(codec.dumps(read(name)) + "\n")
        output.flush()
    task.leave()


def read(name: str) -> SensorReading:
    """Open it, read it once, close it; whatever goes wrong is the reading's problem."""
    purpose = ""
    try:
        module = sensors.load(name)
        purpose = module.PURPOSE
        sensor = module.open()
        try:
            values = sensor.read()
            channels = tuple(sensor.channels)
            lacks = getattr(sensor, "lacks", None)
        finally:
            sensor.close()
    except FarmError as error:
        return SensorReading(name, purpose, code=error.code, problem=error.message, fix=error.fix)
    except Exception as error:  # noqa: BLE001 - no sensor may hide the others
        text = faults.shorten(f"{type(error).__name__}: {error}")
        return SensorReading(name, purpose, problem=text, fix="please report this")
    if isinstance(lacks, FarmError):
        return SensorReading(name, purpose, channels, values, lacks.code, lacks.message, lacks.fix)
    return SensorReading(name, purpose, channels, values)
