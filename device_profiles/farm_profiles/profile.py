"""What a device kind is: its TOML file as frozen data."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """One way to run a model on this kind of device; a profile lists them in order of preference.

    ``options`` go to the runtime, ``convert`` to the converter. In a TOML file ``precisions`` may list
    several precisions for one table.
    """

    format: str
    runtime: str
    precision: str = "fp32"
    threads: int = 1
    options: dict[str, str] = field(default_factory=dict)
    convert: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """What a device of this kind can bear. None: no limit is known.

    ``memory_mb`` is what one job may use; ``start_temperature_c`` is where a measurement should start below;
    ``store_mb``: of converted models and data, what may stay there (None: 4096).
    """

    memory_mb: int | None = None
    start_temperature_c: float | None = None
    process_timeout_s: float = 600.0
    store_mb: int | None = None


@dataclass(frozen=True)
class Reach:
    """How devices of this kind are reached: transports in order, default user, Pythons to try."""

    transports: tuple[str, ...]
    user: str = ""
    pythons: tuple[str, ...] = ("python3",)


@dataclass(frozen=True)
class Support:
    """``state``: supported, planned (known, not reachable yet) or unsupported; ``note`` says why."""

    state: str
    note: str = ""


@dataclass(frozen=True)
class Profile:
    """A device kind. ``name`` is the file's stem; ``family`` groups kinds for selectors (jetson, rpi)."""

    name: str
    schema: int
    title: str
    family: str
    arch: str
    reach: Reach
    support: Support
    targets: tuple[Target, ...]
    sensors: tuple[str, ...] = ()
    limits: Limits = Limits()
