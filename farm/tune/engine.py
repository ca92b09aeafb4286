"""``farm tune`` as a library: screen, look again at the promising, measure the front, say what is best."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from farm import benchmark, datasets, outline
from farm.config import Config
from farm.devices.device import Device
from farm.errors import FarmError, UsageError
from farm.hashing import inputs_sha256
from farm.plan import Request
from farm.progress import Reporter
from farm.tune import goals as wanted
from farm.tune import study as studies
from farm.tune import trials
from farm.tune.front import Entry
from farm.tune.goals import Metric, Question
from farm.tune.halving import limit_of, survivors
from farm.tune.report import Report, report_of
from farm.tune.rounds import Bench
from farm.tune.score import STAGES, Score, broken
from farm.tune.space import Axes, Point, Space, space_of
from farm.tune.study import Study
from farm_agent import codec
from farm_converters.model import Model
from farm_profiles import Profile

SCREEN, SECOND, WHOLE = STAGES
CHUNK = 6  # points per run of the screen: what conversions may overlap with measuring
MOST_TRIALS = 48  # where neither trials nor a time were asked for
SCREEN_SHARE = 0.5  # of a time budget
EXTRA_ROUNDS = 3  # of whole measurements, while none of the measured meets the constraints


@dataclass(frozen=True, kw_only=True)
class Wish(Question):
    """``request``: one model, its data and calibration. ``trials``: points screened per device; 0: all, or as
    many as fit in ``time_s``."""

    axes: Axes


@dataclass(frozen=True)
class Outcome:
    """A report per device, in the order of selection."""

    model: Model
    study: Path
    reports: tuple[Report, ...]
    interrupted: bool = False


def tune(
    wish: Wish, config: Config, make_reporter: Callable[[], Reporter], say: Callable[[str], None]
) -> Outcome:
    """Run or resume the study. Ctrl-C keeps everything that was measured.

    Raises UsageError tune.* (no-data, no-energy, empty-space, other-study, ...), those of the model and of
    the selection, and the FarmError of a device that does not answer when it is the only one.
    """
    trials.import_optuna()
    datasets.refuse_unknown(datasets.Wish(wish.request.data, wish.request.metric, wish.request.preprocess))
    model = benchmark.inspect_in(config)(wish.request.models[0])
    devices = _devices(wish.request, config)
    wish = _equipped(wish, devices)
    spaces = _spaces(model, devices, wish, config, say)
    identity = _identity(model, spaces, wish)
    path = studies.file_of(config.state_dir, wish.study, identity)
    calibrated = benchmark.calibrated_in(config, wish.request)
    bench = Bench(wish.request, config, lambda _path: model, make_reporter, path.stem, calibrated)
    with ExitStack() as stack:
        stack.enter_context(studies.held(path))
        found = {
            space.device.name: Study(
                path,
                space,
                identity=identity,
                goals=wish.objectives,
                constraints=wish.constraints,
                seed=wish.request.seed,
            )
            for space in spaces
        }
        run = _Run(wish, bench, found, say)
        interrupted = run.screen() or run.look_again() or run.measure()
        reports = tuple(
            report_of(one, wish.objectives, wish.constraints, run.whole_s) for one in found.values()
        )
    return Outcome(model, path, reports, interrupted)


class _Run:
    """The stages of one call; each returns True when a person interrupted."""

    def __init__(
        self, wish: Wish, bench: Bench, found: Mapping[str, Study], say: Callable[[str], None]
    ) -> None:
        self._wish = wish
        self._bench = bench
        self._studies = found
        self._say = say
        self._began = time.monotonic()
        self.whole_s = self._least_s(WHOLE)

    def screen(self) -> bool:
        """Look at every point, or at those that Optuna advises, for a moment."""
        while True:
            work = {name: (study.space, self._next(study)) for name, study in self._studies.items()}
            work = {name: pair for name, pair in work.items() if pair[1]}
            if not work:
                return False
            if self._bench.measure(SCREEN, work, self._tell):
                return True

    def look_again(self) -> bool:
        """Measure the promising ones more carefully."""
        return self._closer(SECOND, (SECOND, WHOLE))

    def measure(self) -> bool:
        """Measure those that may win as honestly as was asked for: the most promising alone, then those that
        it does not surely beat; more, while none is feasible."""
        if self._closer(WHOLE, (WHOLE,), most=1):
            return True
        for _ in range(1 + EXTRA_ROUNDS):
            if self._closer(WHOLE, (WHOLE,)):
                return True
            if all(self._settled(study) for study in self._studies.values()):
                return False
        return False

    def _closer(self, stage: str, done: Sequence[str], most: int | None = None) -> bool:
        """``done``: stages of points that need this one no more; ``most``: points per device."""
        work: dict[str, tuple[Space, Sequence[Point]]] = {}
        for name, study in self._studies.items():
            points = self._promising(study, stage, done)[:most]
            if points:
                work[name] = (study.space, points)
        if not work:
            return False
        self._say(f"{stage}: {sum(len(points) for _, points in work.values())} of the configurations")
        return self._bench.measure(stage, work, self._look)

    def _promising(self, study: Study, stage: str, done: Sequence[str]) -> list[Point]:
        """Those that deserve the stage, the most promising first; none when as many as may have had it."""
        ran = [Entry(key, score) for key, score in study.scores().items() if score.status == "ok"]
        screened = len(ran)
        if stage == WHOLE:
            closer = [one for one in ran if one.score.stage != SCREEN]
            if not any(one.score.stage == SECOND for one in ran) or self._rejected(closer):
                closer = ran  # none of those looked at twice will do: what else may?
            ran = [one for one in closer if one.score.stage != WHOLE or not self._broken(one.score)]
        chosen = survivors(ran, self._wish.objectives, self._wish.constraints, stage=stage, screened=screened)
        if stage == SECOND and len(chosen) <= limit_of(WHOLE, screened, self._wish.objectives):
            return []  # so few that they are measured whole at once
        points = [study.by_key[one.key] for one in chosen if one.score.stage not in done]
        had = sum(one.score.stage in done for one in ran)
        room = max(0, limit_of(stage, screened, self._wish.objectives) - had)
        return points[: min(room, self._affordable(stage))]

    def _rejected(self, entries: Sequence[Entry]) -> bool:
        whole = [one for one in entries if one.score.stage == WHOLE]
        return bool(whole) and len(whole) == len(entries) and all(self._broken(one.score) for one in whole)

    def _settled(self, study: Study) -> bool:
        whole = [score for score in study.scores().values() if score.stage == WHOLE]
        return any(not self._broken(score) for score in whole)

    def _broken(self, score: Score) -> bool:
        return not score.usable or bool(broken(score, self._wish.constraints))

    def _affordable(self, stage: str) -> int:
        """How many points of a stage fit in the time that is left; one always does."""
        if not self._wish.time_s:
            return len(max(self._studies.values(), key=lambda one: len(one.space.points)).space.points)
        left_s = self._wish.time_s - (time.monotonic() - self._began)
        return max(1, int(left_s / self._least_s(stage)))

    def _next(self, study: Study) -> list[Point]:
        size = len(study.space.points)
        limit = min(size, self._wish.trials or (size if self._wish.time_s else MOST_TRIALS))
        count = min(CHUNK, limit - len(study.scores()))
        if self._wish.time_s:
            left_s = self._wish.time_s * SCREEN_SHARE - (time.monotonic() - self._began)
            count = min(count, max(1 if not study.scores() else 0, int(left_s / self._least_s(SCREEN))))
        in_order = limit == size and not self._wish.time_s
        return study.ask(count, in_order=in_order) if count > 0 else []

    def _least_s(self, stage: str) -> float:
        request = self._bench.request_of(stage)
        return outline.outline(request.blocks, request.measure).least_s

    def _tell(self, device: str, point: Point, score: Score) -> None:
        self._studies[device].tell(point, score)

    def _look(self, device: str, point: Point, score: Score) -> None:
        self._studies[device].look(point, score)


def _devices(request: Request, config: Config) -> list[tuple[Device, Profile]]:
    from farm.devices import inventory
    from farm.devices.select import select
    from farm_profiles.load import load_profile, profile_names

    profiles = {name: load_profile(name) for name in profile_names()}
    selection = select(inventory.load(config.inventory_path), profiles, request.devices)
    return [(one, profiles.get(one.profile) or load_profile(one.profile)) for one in selection.matches]


def _equipped(wish: Wish, devices: Sequence[tuple[Device, Profile]]) -> Wish:
    """The wish with what its objectives need. Raises UsageError tune.no-data, tune.no-energy."""
    from farm_agent.messages.energy import EnergyPlan

    asked = [*wish.objectives, *(wanted.METRICS[one.metric] for one in wish.constraints)]
    for metric in asked:
        if metric.needs == "data" and wish.request.data is None:
            raise UsageError(
                f"{metric.name} needs labelled samples",
                code="tune.no-data",
                fix="give --data FILE (docs/accuracy.md), or leave it out",
            )
    measure = wish.request.measure
    if any(metric.needs == "energy" for metric in asked):
        for device, profile in devices:
            if not measure.meters and not any(_is_power(name) for name in profile.sensors):
                raise UsageError(
                    f"energy needs a power sensor, and {device.name} ({profile.name}) has none",
                    code="tune.no-energy",
                    fix="give an external meter with --meter NAME (docs/power.md), or leave energy out",
                )
        measure = replace(measure, energy=measure.energy or EnergyPlan(signature=bool(measure.meters)))
    goals = tuple(_oriented(goal, wish.request.metric) for goal in wish.objectives)
    return replace(wish, request=replace(wish.request, measure=measure), objectives=goals)


def _oriented(goal: Metric, metric: str) -> Metric:
    """An accuracy that is an error is to be low."""
    from farm_results import metrics

    if goal.name != "accuracy" or not metric or metrics.is_custom(metric):
        return goal
    return replace(goal, better="low" if metrics.load(metric).LOWER_IS_BETTER else "high")


def _is_power(sensor: str) -> bool:
    from farm_agent import sensors

    return sensor in sensors.names() and sensors.load(sensor).PURPOSE == "power"


def _spaces(
    model: Model,
    devices: Sequence[tuple[Device, Profile]],
    wish: Wish,
    config: Config,
    say: Callable[[str], None],
) -> list[Space]:
    from farm.survey import ask
    from farm_agent import pack

    packed = pack.build(config.cache_dir / "agents")
    calibrated = wish.request.calib is not None or wish.request.calib_random > 0
    with ThreadPoolExecutor(max(1, len(devices))) as pool:
        answers = list(pool.map(lambda pair: ask(pair[0], pair[1], packed), devices))
    spaces: list[Space] = []
    for (device, profile), facts in zip(devices, answers, strict=True):
        if isinstance(facts, FarmError):
            if len(devices) == 1:
                raise facts
            say(f"{device.name} is left out: {facts.message}")
            continue
        space = space_of(model, device, profile, facts, wish.axes, calibrated=calibrated)
        spaces.append(space)
        say(f"{device.name}: {len(space.points)} configurations")
        for line in space.left_out:
            say(f"  not tried: {line}")
    if not spaces:
        raise UsageError(
            "no device answers", code="device.unreachable", fix="check them with farm doctor NAME"
        )
    return spaces


def _identity(model: Model, spaces: Sequence[Space], wish: Wish) -> str:
    """What makes two studies the same question; constraints may change, they are judged anew."""
    request = wish.request
    parts = (
        model.sha256,
        [space.fingerprint for space in spaces],
        [goal.name for goal in wish.objectives],
        [str(shape) for shape in request.shapes],
        *(_content(path) for path in (request.data, request.calib)),
        (request.metric, request.preprocess, request.calib_random, request.seed),
        inputs_sha256(request.inputs),
        list(request.exclude),
        codec.encode(request.blocks),
        (request.measure.harness, codec.encode(request.measure.pins)),
    )
    return hashlib.sha256(codec.dumps(list(parts)).encode()).hexdigest()


def _content(path: Path | None) -> str:
    """A file by its bytes, a folder by names and sizes."""
    from farm_converters import readers

    if path is None:
        return ""
    words, path = str(path), readers.located(path)[0]
    if path.is_file():
        return words.rpartition("/")[2] + hashlib.sha256(path.read_bytes()).hexdigest()
    listed = [
        (str(one.relative_to(path)), one.stat().st_size) for one in sorted(path.rglob("*")) if one.is_file()
    ]
    return hashlib.sha256(codec.dumps(listed).encode()).hexdigest()
