"""Commands that tell a value: without a shell, in plain C locale, with a deadline and bounded output."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, Sequence

from farm_agent import faults
from farm_agent.sensors import SensorError

DEADLINE_S = 5.0
OUTPUT_LIMIT_BYTES = 1024 * 1024
WHERE = {
    "tegrastats": "only on a Jetson, where NVIDIA's Jetson Linux brings it; put it on the agent's PATH there",
    "vcgencmd": "only on a Raspberry Pi; there: sudo apt install raspi-utils",
    "dumpsys": "only on Android, whose shell has it",
}


def run(argv: Sequence[str], deadline_s: float = DEADLINE_S) -> str:
    """What the command printed.

    Raises SensorError: ``sensor.unavailable`` where the command is missing, ``sensor.timeout``, or
    ``sensor.silent`` when it failed, with what it said.
    """
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=plain_environment(),
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SensorError(
            "{} did not answer within {:g} s".format(" ".join(argv), deadline_s), code="sensor.timeout"
        ) from error
    except OSError as error:
        raise missing(argv[0], error) from error
    text = done.stdout[:OUTPUT_LIMIT_BYTES].decode("utf-8", "replace")
    if done.returncode != 0:
        said = faults.shorten((done.stderr or done.stdout)[-400:].decode("utf-8", "replace"))
        raise SensorError(
            "{} failed with status {}: {}".format(" ".join(argv), done.returncode, said),
            code="sensor.silent",
        )
    return text


def missing(name: str, error: OSError) -> SensorError:
    """A command that could not be started."""
    return SensorError(
        f"cannot run {name}: {error.strerror}",
        code="sensor.unavailable",
        fix=WHERE.get(Path(name).name, f"install {name}, or put it on the agent's PATH"),
    )


def plain_environment() -> Dict[str, str]:
    """The agent's environment with decimal points and English words."""
    return dict(os.environ, LC_ALL="C", LANG="C")
