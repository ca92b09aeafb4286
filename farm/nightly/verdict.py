"""What a number that stands out means: the model, the device, or nothing at all.

Only the A/B on the device says that a model became slower. Where it says that both are the same and the
reference, measured tonight, is not where it was either, then what lies around the model moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from farm_results.comparison import FASTER, INCONCLUSIVE, SAME, SLOWER, Comparison
from farm_results.detect.many import one_artifact
from farm_results.detect.trigger import Trigger
from farm_results.environment import SURROUNDINGS, Difference
from farm_results.finding import CANARY, ENVIRONMENT, IMPROVEMENT, REGRESSION, Cause
from farm_results.finding import INCONCLUSIVE as UNCLEAR
from farm_results.view.versus import percent

MOVED_Z, SURE_Z, LEANING_Z = 3.0, 5.0, 1.5
TELLING_Z = 3.0
"""From here on, what could not be looked into is told all the same."""
MOST_CAUSES = 12
ITSELF = "both ran the same file, so it is a false alarm, or two builds of one artifact"


@dataclass(frozen=True)
class Shift:
    """How far tonight's level lies from what is usual, and in units of the series' own noise."""

    change: float
    z: float

    @property
    def moved(self) -> bool:
        """Beyond what nights do by themselves and what an A/B calls the same."""
        return abs(self.z) > MOVED_Z and abs(self.change) > 0.01


@dataclass(frozen=True)
class CanaryWord:
    """What the device's canary says tonight; ``shift`` None: nothing was heard of it."""

    shift: Shift | None = None
    moved: bool = False

    def cause(self) -> Cause | None:
        """As one of a finding's causes."""
        if self.shift is None:
            return None
        by = f"{percent(self.shift.change)}"
        if self.moved:
            return Cause("canary", f"the canary network moved as well ({by}): the device changed")
        if abs(self.shift.z) > LEANING_Z:
            return Cause("canary", f"the canary network stood out as well ({by}), too little to be sure")
        return Cause("canary", f"the canary network did not move ({by}): it is not the device")


@dataclass(frozen=True)
class Case:
    """One series tonight. ``comparison`` None: there was none, ``trouble`` says why. ``reference``: where the
    reference's own level lies tonight; ``last_z``: the night before. ``layers``: which layers grew;
    ``commits``: of the project that the nights run in. ``doubt``: why the A/B's slower or faster may not be
    believed, "" where it may; ``trust``: what its own A/As say of a device that is not trusted."""

    trigger: Trigger
    change: float
    differences: tuple[Difference, ...] = ()
    comparison: Comparison | None = None
    trouble: str = ""
    reference: Shift | None = None
    last_z: float | None = None
    canary: CanaryWord = field(default_factory=CanaryWord)
    is_canary: bool = False
    layers: tuple[Cause, ...] = ()
    commits: tuple[Cause, ...] = ()
    doubt: str = ""
    trust: str = ""


@dataclass(frozen=True)
class Judgement:
    """``word``: of ``finding``; "" for nothing to tell."""

    word: str
    text: str
    causes: tuple[Cause, ...] = ()


def judge(case: Case) -> Judgement:
    """The verdict on a series whose number stood out, or whose model changed."""
    comparison = case.comparison
    if comparison is None:
        text = f"{case.trigger.reason}; no A/B on the device: {case.trouble}"
        word = UNCLEAR if abs(case.trigger.z or 0.0) > TELLING_Z else ""
        return Judgement(word, text, _causes(case, around=True))
    if comparison.word in (SLOWER, FASTER):
        slower = comparison.word == SLOWER
        text = f"{comparison.word} by {effect_text(comparison)} in an A/B of {comparison.pairs} pairs"
        doubt = ITSELF if one_artifact(comparison) else case.doubt
        if not doubt:
            return Judgement(REGRESSION if slower else IMPROVEMENT, text, _causes(case, around=False))
        told = not one_artifact(comparison) or abs(case.trigger.z or 0.0) > TELLING_Z
        return Judgement(
            UNCLEAR if told else "", f"{text}, not believed: {doubt}", _causes(case, around=True)
        )
    if comparison.word == INCONCLUSIVE:
        text = f"{case.trigger.reason}; the A/B is inconclusive: {effect_text(comparison)}"
        # One artifact against itself has no regression to hide.
        told = not one_artifact(comparison) or abs(case.trigger.z or 0.0) > TELLING_Z
        return Judgement(UNCLEAR if told else "", text, _causes(case, around=True))
    if comparison.word == SAME and _environment(case):
        shift = case.reference
        moved = (
            f"the reference moved too, by {percent(shift.change)}" if shift else "its surroundings changed"
        )
        text = f"{case.trigger.reason}; the A/B says the same, and {moved}"
        return Judgement(CANARY if case.is_canary else ENVIRONMENT, text, _causes(case, around=True))
    return Judgement("", f"the A/B says the same: {effect_text(comparison)}")


def effect_text(comparison: Comparison) -> str:
    """``+5.1 % [+4.8 %, +5.4 %]``."""
    effect = comparison.effect
    if effect is None:
        return "no effect could be told"
    return f"{percent(effect.ratio)} [{percent(effect.low)}, {percent(effect.high)}]"


def shift_of(level: float, centre: float, sigma: float) -> Shift | None:
    """Where a level lies against a usual one; None for numbers that have no logarithm."""
    if not (level > 0 and centre > 0 and sigma > 0 and math.isfinite(level) and math.isfinite(centre)):
        return None
    return Shift(level / centre - 1.0, math.log(level / centre) / sigma)


def _environment(case: Case) -> bool:
    """Whether the reference's own level moved: at once where it is explained, else on a second night."""
    around = any(each.kind == SURROUNDINGS for each in case.differences)
    if case.reference is None:
        return around and case.trigger.fired and abs(case.trigger.z or 0.0) > MOVED_Z
    if not case.reference.moved:
        return False
    canary = case.canary.shift
    with_it = canary is not None and canary.moved and canary.change * case.reference.change > 0
    explained = bool(case.differences) or with_it or abs(case.reference.z) > SURE_Z
    last = case.last_z
    again = last is not None and abs(last) > LEANING_Z and last * case.reference.z > 0
    return explained or again


def _causes(case: Case, *, around: bool) -> tuple[Cause, ...]:
    """Suspects. An A/B runs both sides tonight, on the same device and runtime: those cannot explain it."""
    runtime = case.comparison.candidate.runtime if case.comparison else ""
    found: list[Cause] = list(case.layers)
    for each in _sorted(case.differences, around=around):
        if not around and (each.kind == SURROUNDINGS or each.name == runtime):
            continue
        found.append(Cause(each.kind, str(each)))
    if not around:
        found += case.commits
    canary = None if case.is_canary else case.canary.cause()
    first = [Cause("trust", case.trust)] if case.trust else []
    return tuple([*first, *found][: MOST_CAUSES - 1] + ([canary] if canary else []))


def _sorted(differences: Sequence[Difference], *, around: bool) -> list[Difference]:
    return sorted(differences, key=lambda each: (each.kind == SURROUNDINGS) != around)
