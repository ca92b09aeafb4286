"""Configurations and what each of them costs: which is at least as good as which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from farm_results.energy.place import by_place, width
from farm_results.model import Result
from farm_results.pages.marks import Marks, marks_of

LOWER, HIGHER = "lower", "higher"
ENERGY, ACCURACY = "energy_j", "accuracy"
# Numbers that may not be believed are shown, and cannot be a best choice.
BELIEVED = ("valid", "noisy")
# Metrics whose value is a share; errors and metrics of the users' own have another scale.
SHARES = ("top-1", "top-5", "f1")


@dataclass(frozen=True)
class Axis:
    """``scale``: one of the axis' unit in the base unit; ``kind``: of a column of a grid."""

    name: str
    unit: str
    scale: float
    kind: str
    better: str = LOWER


AXES = {
    "p50_ns": Axis("latency p50", "ms", 1e6, "ns"),
    "throughput_best_per_s": Axis("throughput", "1/s", 1.0, "number", HIGHER),
    ENERGY: Axis("energy", "mJ", 1e-3, "j"),
    "artifact_bytes": Axis("size", "MB", 1e6, "bytes"),
    "peak_memory_bytes": Axis("peak memory", "MB", 1e6, "bytes"),
    ACCURACY: Axis("accuracy", "%", 0.01, "share", HIGHER),
}


@dataclass(frozen=True)
class Item:
    """One configuration. ``values`` by the names of ``AXES``; what was not measured is absent. ``place``:
    where its energy was measured; ``energies``: what was measured at each place, the widest first;
    ``metric``: which one its accuracy is of."""

    label: str
    group: str
    values: Mapping[str, float]
    marks: Marks
    word: str = "valid"
    job_id: str = ""
    place: str = ""
    energies: Mapping[str, float] = field(default_factory=dict)
    metric: str = ""

    def kind(self, axis: str) -> str:
        """What its number on an axis is of: numbers of two kinds cannot be held against each other."""
        return self.place if axis == ENERGY else self.metric if axis == ACCURACY else ""

    def at(self, place: str) -> Item:
        """With its energy at this place, if that was measured."""
        if place not in self.energies:
            return self
        return replace(self, values={**self.values, ENERGY: self.energies[place]}, place=place)


def item(  # noqa: PLR0913 - keyword-only: all that is known of it
    label: str,
    group: str,
    *,
    numbers: Mapping[str, float | None],
    energies: Mapping[str, float],
    metric: str,
    scenario: str,
    marks: Marks,
    word: str,
    job_id: str,
) -> Item:
    """Of its numbers those that have an axis, without an accuracy that is no share of right answers; its
    energy is that of the widest place."""
    place = next(iter(energies), "")
    values = {
        name: float(value)
        for name, value in {**numbers, ENERGY: energies.get(place)}.items()
        if value is not None
        and name in AXES
        and comparable(name, scenario)
        and (name != ACCURACY or metric in SHARES)
    }
    return Item(label, group, values, marks, word, job_id, place, energies, metric)


def item_of(result: Result, name: str) -> Item:
    """A result as a configuration, called ``name``; an accuracy that is no share is left out, and so is the
    time of another scenario than the closed loop."""
    from farm_results.series import number_of

    number = number_of(result)
    numbers = {
        number.metric: number.value,
        "artifact_bytes": result.artifact_bytes,
        "peak_memory_bytes": result.peak_memory_bytes,
        ACCURACY: result.accuracy,
    }
    return item(
        name,
        result.device,
        numbers=numbers,
        energies=by_place(result.energy, result.profile),
        metric=result.accuracy_metric,
        scenario=result.scenario,
        marks=marks_of(result),
        word=result.verdict.word if result.status == "ok" else result.status,
        job_id=result.job_id,
    )


def comparable(metric: str, scenario: str) -> bool:
    """Whether a series' number belongs on an axis: a paced p50 is another time than a closed loop's."""
    return metric != "p50_ns" or scenario == "latency"


def places(items: Sequence[Item]) -> list[str]:
    """Where the energies of these stand for them, that with the most numbers first, then the widest: no two
    of them can be held against each other."""
    own = {one.place for one in items if ENERGY in one.values}
    known = Counter(place for one in items for place in one.energies)
    return sorted(own, key=lambda place: (-known[place], width(place), place))


def kinds_of(items: Sequence[Item], place: str = "") -> dict[str, str]:
    """By axis what most numbers on it are of: only those are held against each other there. ``place``: of
    energies, where another one is wanted."""
    metrics = Counter(one.metric for one in items if ACCURACY in one.values)
    most = min(metrics, key=lambda metric: (-metrics[metric], metric), default="")
    return {ENERGY: place or next(iter(places(items)), ""), ACCURACY: most}


def front(items: Sequence[Item], names: Sequence[str]) -> list[bool]:
    """For each item whether no other believed one is at least as good in all of ``names`` and better in one.

    An item that lacks one of the numbers, or may not be believed, is never on the front. Items whose energies
    were measured at different places, or whose accuracies are of different metrics, do not beat each other.
    """
    able = np.array([i.word in BELIEVED and all(name in i.values for name in names) for i in items], bool)
    signs = [-1.0 if AXES[name].better == HIGHER else 1.0 for name in names]
    costs = np.array(
        [[s * i.values.get(n, 0.0) for s, n in zip(signs, names, strict=True)] for i in items], np.float64
    ).reshape(len(items), len(names))
    apart = [tuple(one.kind(name) for name in names) for one in items]
    best = np.zeros(len(items), bool)
    for kinds in set(apart):
        own = np.flatnonzero(able & np.array([one == kinds for one in apart], bool))
        best[own] = ~_beaten(costs[own])
    return [bool(one) for one in best]


def _beaten(costs: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """For each row whether another one is at most as large everywhere, and smaller somewhere."""
    found = np.ones((len(costs), len(costs)), bool)
    smaller = np.zeros((len(costs), len(costs)), bool)
    for column in costs.T:
        found &= column[:, None] <= column[None, :]
        smaller |= column[:, None] < column[None, :]
    return np.logical_or.reduce(found & smaller, axis=0)  # type: ignore[no-any-return]
