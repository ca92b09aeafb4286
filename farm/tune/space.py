"""What there is to try on one device: its profile's targets that its agent can run, times the axes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from farm.devices.device import Device
from farm.errors import FarmError, UsageError
from farm_agent import codec, precisions, runtimes
from farm_agent.wire import Facts, RuntimeFact
from farm_converters.model import Model
from farm_profiles import Profile, Target
from farm_results.text import threads_text

QUANTISED = tuple(name for name in precisions.NAMES if name not in ("fp32", "fp16"))


@dataclass(frozen=True)
class Axes:
    """What a user wants tried. Empty: all that the profile lists; threads 1, 2, 4 … up to the cores.

    ``options``: per runtime, option and its values (``{"onnxruntime": {"allow_spinning": ("0", "1")}}``).
    """

    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    batch: tuple[int, ...] = ()
    options: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """One configuration: everything but the model and the device."""

    target: Target
    batch: int | None = None

    @property
    def way(self) -> str:
        """Runtime with format, options and conversion: what the other axes are tried on."""
        target = self.target
        extra = {**{f"convert.{k}": v for k, v in target.convert.items()}, **target.options}
        words = " ".join(f"{name}={value}" for name, value in sorted(extra.items()))
        return f"{target.runtime} {words}".strip()

    @property
    def key(self) -> str:
        """Identity within a study, and its name for people."""
        batch = "" if self.batch is None else f", batch {self.batch}"
        return f"{self.way} {self.target.precision}, {threads_text(self.target.threads)}{batch}"

    @property
    def params(self) -> dict[str, str]:
        """By Optuna's parameter names, all of them categories."""
        return {
            "way": self.way,
            f"precision of {self.way}": self.target.precision,
            "threads": str(self.target.threads),
            "batch": str(self.batch),
        }


@dataclass(frozen=True)
class Space:
    """All points of one device in the order of its profile's preference; ``left_out``: what and why;
    ``versions``: of the runtimes that it tries, as its agent tells them."""

    device: Device
    profile: Profile
    points: tuple[Point, ...]
    left_out: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """For the identity of a study: numbers of another version of a runtime answer another question."""
        points = [codec.encode(point) for point in self.points]
        return json.dumps([self.device.name, self.profile.name, points, sorted(self.versions.items())])

    def choices(self) -> dict[str, list[str]]:
        """The values of every parameter, each once, in order."""
        found: dict[str, list[str]] = {}
        for point in self.points:
            for name, value in point.params.items():
                if value not in found.setdefault(name, []):
                    found[name].append(value)
        return found


def space_of(
    model: Model, device: Device, profile: Profile, facts: Facts, axes: Axes, *, calibrated: bool
) -> Space:
    """The space of a device. Raises UsageError tune.empty-space with what was left out and why."""
    installed = {fact.name: fact for fact in facts.runtimes}
    left_out: list[str] = []
    points: list[Point] = []
    for target in profile.targets:
        if axes.runtimes and target.runtime not in axes.runtimes:
            continue
        if axes.precisions and target.precision not in axes.precisions:
            continue
        why = _why_not(model, target, installed, calibrated=calibrated)
        if why:
            left_out.append(f"{target.runtime} {target.precision}: {why}")
            continue
        for one in _varied(target, axes, facts.cores):
            points += [Point(one, batch) for batch in axes.batch or (None,)]
    kept = tuple({point.key: point for point in points}.values())
    if not kept:
        raise UsageError(
            f"there is nothing to try on {device.name}: {'; '.join(left_out) or 'no target was selected'}",
            code="tune.empty-space",
            fix=f"install a runtime there (farm doctor {device.name}), or ask for other ones",
        )
    versions = {point.target.runtime: installed[point.target.runtime].version for point in kept}
    return Space(device, profile, kept, tuple(left_out), versions)


def _why_not(model: Model, target: Target, installed: Mapping[str, RuntimeFact], *, calibrated: bool) -> str:
    from farm_converters import edges

    fact = installed.get(target.runtime)
    unavailable = f"its agent knows no runtime {target.runtime}" if fact is None else fact.unavailable
    if unavailable:
        return unavailable
    try:
        edge = edges.load(model.format, target.format)
        edges.rungs(edge, target.precision)
    except FarmError as error:
        return error.message
    if precisions.of(target.precision).calibrated and not calibrated and model.native_precision != "int8":
        return "needs --calib (or --calib-random)"
    if target.precision in QUANTISED and model.native_precision == "int8":
        return "the model is quantised already"
    return ""


def _varied(target: Target, axes: Axes, cores: int) -> list[Target]:
    """The target with every number of threads and every combination of options asked for."""
    found = [replace(target, threads=count) for count in axes.threads or thread_counts(cores)]
    for name, values in axes.options.get(target.runtime, {}).items():
        found = [replace(one, options={**one.options, name: value}) for one in found for value in values]
    return found


def thread_counts(cores: int) -> tuple[int, ...]:
    """1, 2, 4 … below the number of cores, and that number itself."""
    cores = max(1, cores)
    return tuple(sorted({1 << k for k in range(cores.bit_length()) if 1 << k < cores} | {cores}))


def parse_options(words: Sequence[str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """``RUNTIME.OPTION=A,B`` per word. Raises UsageError tune.option."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for word in words:
        name, mark, values = word.partition("=")
        runtime, dot, option = name.partition(".")
        parts = tuple(dict.fromkeys(part.strip() for part in values.split(",")))
        if not mark or not dot or not option or runtime not in runtimes.names() or "" in parts:
            raise UsageError(
                f"--option {word!r}: expected RUNTIME.OPTION=A,B",
                code="tune.option",
                fix="write for example --option onnxruntime.allow_spinning=0,1; runtimes: "
                + ", ".join(runtimes.names()),
            )
        found.setdefault(runtime, {})[option] = parts
    return found
