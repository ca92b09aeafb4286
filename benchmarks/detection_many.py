"""Nights of many A/Bs: false and true regressions, before and after the night's correction; devices that call
themselves different.

    python benchmarks/detection_many.py --nights 200

Every cell's A/B is drawn as 20 pairs of process medians, one process in twenty 8 to 30 % slower, and goes
through the farm's own bootstrap and correction. No clock is read: the same seed prints the same table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from detection_nights import OUTLIER_HIGH, OUTLIER_LOW, OUTLIER_SHARE, PAIRS, Floats

from farm_results.comparison import FASTER, SLOWER, Comparison, Effect, Side
from farm_results.detect.false_alarms import WINDOW, of_device
from farm_results.detect.many import among, chance_of
from farm_results.statistics.paired import LEVEL, ZONE, effect_of, word_of

COUNTS, CHANGED, STEP = (20, 100), 5, 0.05
WORLDS = (
    ("1 %", 0.01, 0.0),
    ("3 %", 0.03, 0.0),
    ("6 %", 0.06, 0.0),
    ("1 %, all others 1 % slower", 0.01, float(np.log1p(ZONE))),
    ("6 %, all others 1 % slower", 0.06, float(np.log1p(ZONE))),
)
NO_EFFECT = Effect(0.0, -ZONE, 2 * ZONE, LEVEL, ZONE)
BIASES = (0.0, 0.005, 0.01, 0.02, 0.04)


@dataclass(frozen=True)
class Row:
    """Of one kind of world: false and true regressions per night by the interval alone, and corrected.
    ``share_false``: of all that was called slower, what was not."""

    world: str
    count: int
    changed: int
    false_before: float
    false_after: float
    share_false: float
    true_before: float
    true_after: float


def compared(truth: float, noise: float, rng: np.random.Generator, number: int, pairs: int) -> Comparison:
    """One A/B of two artifacts; ``truth``: by how much (log) the candidate is slower. No bootstrap is drawn
    where more than a third of the pairs lie on the wrong side: its interval then holds the zone's edge."""
    sides = [rng.normal(middle, noise, pairs) + _outliers(rng, pairs) for middle in (0.0, truth)]
    before, after = ([float(each) for each in 5e6 * np.exp(side)] for side in sides)
    beyond = np.abs(np.sum(np.sign(sides[1] - sides[0]) * (np.abs(sides[1] - sides[0]) > np.log1p(ZONE))))
    effect = effect_of(before, after, seed=number) if beyond > pairs / 3 else NO_EFFECT
    reference, candidate = (
        Side("", "", "", name, "", "", medians_ns=tuple(medians))
        for name, medians in (("a", before), ("b", after))
    )
    return Comparison(
        str(number), 0.0, "ab", "", "pi", "", reference, candidate, word_of(effect), pairs, effect
    )


def row(world: tuple[str, float, float], count: int, changed: int, nights: int, seed: int) -> Row:
    """So many nights of ``count`` A/Bs, of which ``changed`` are 5 % slower."""
    name, noise, quiet = world
    rng = np.random.default_rng((seed, round(noise * 1e4), round(quiet * 1e4), count, changed))
    counts: list[tuple[int, int, int, int]] = []
    for _ in range(nights):
        truths = [float(np.log1p(STEP))] * changed + [quiet] * (count - changed)
        taken = [compared(truth, noise, rng, number, PAIRS) for number, truth in enumerate(truths)]
        chances = among({each.comparison_id: chance_of(each, ZONE) for each in taken})
        before = [each.word == SLOWER for each in taken]
        after = [each.word == SLOWER and chances[each.comparison_id].holds for each in taken]
        counts.append(
            (sum(before[changed:]), sum(after[changed:]), sum(before[:changed]), sum(after[:changed]))
        )
    sums = np.array(counts, dtype=np.float64)
    means = sums.mean(axis=0)
    wrong = float((sums[:, 1] / np.maximum(1.0, sums[:, 1] + sums[:, 3])).mean())
    share = [float(means[2 + k]) / changed if changed else float("nan") for k in (0, 1)]
    return Row(name, count, changed, float(means[0]), float(means[1]), wrong, share[0], share[1])


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    names: tuple[str, ...] = (
        "noise of a process",
        "A/Bs",
        "changed",
        "false a night, by the interval alone",
        "corrected",
    )
    names += ("false among those called, corrected", "changed ones found", "corrected")
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    for each in rows:
        found = [f"{100 * share:.0f} %" for share in (each.true_before, each.true_after)]
        found = found if each.changed else ["–", "–"]
        values = [f"{each.false_before:.3f}", f"{each.false_after:.3f}", f"{100 * each.share_false:.1f} %"]
        cells = [each.world, str(each.count), str(each.changed), *values, *found]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def trust_table(devices: int, seed: int) -> str:
    """Devices on which the processes of one A/A share a bias: how many are not trusted after so many A/As,
    and how often the next one would be a false alarm, with the zone of 1 % and with the device's own."""
    names: tuple[str, ...] = (
        "bias of an A/A",
        "A/As",
        "devices not trusted",
        "next A/A a false alarm, zone of 1 %",
    )
    names += ("zone of the device", "median zone where not trusted")
    lines = [f"| {' | '.join(names)} |", "|" + "---:|" * len(names)]
    for bias in BIASES:
        rng = np.random.default_rng((seed, round(bias * 1e4)))
        histories = [_itself(bias, rng) for _ in range(devices)]
        for count in (4, 8, 12, 26, WINDOW):
            rates = [of_device("pi", history[:count]) for history in histories]
            last = [history[-1] for history in histories]
            alarms = [each.word in (SLOWER, FASTER) for each in last]
            own = [_beyond(each, rate.zone) for each, rate in zip(last, rates, strict=True)]
            zones = [100 * rate.zone for rate in rates if not rate.trusted]
            zone = f"{float(np.median(zones)):.1f} %" if zones else "–"
            shares = [len(zones) / devices, float(np.mean(alarms)), float(np.mean(own))]
            text = " | ".join(f"{100 * share:.1f} %" for share in shares)
            lines.append(f"| {100 * bias:g} % | {count} | {text} | {zone} |")
    return "\n".join(lines)


def _itself(bias: float, rng: np.random.Generator) -> list[Comparison]:
    """A/As of one device, one more than are looked at."""
    found = []
    for number in range(WINDOW + 1):
        one = compared(rng.normal(0.0, bias), 0.01, rng, number, PAIRS)
        found.append(replace(one, kind="aa", created_unix_s=float(number)))
    return found


def _beyond(one: Comparison, zone: float) -> bool:
    effect = one.effect
    return effect is not None and word_of(replace(effect, zone=max(effect.zone, zone))) in (SLOWER, FASTER)


def _outliers(rng: np.random.Generator, count: int) -> Floats:
    hit = rng.random(count) < OUTLIER_SHARE
    sizes: Floats = np.where(hit, np.log1p(rng.uniform(OUTLIER_LOW, OUTLIER_HIGH, count)), 0.0)
    return sizes


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nights", type=int, default=200, help="of each kind")
    parser.add_argument("--devices", type=int, default=200, help="for the table of A/As; 0: without it")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rows = [
        row(world, count, changed, asked.nights, asked.seed)
        for world in WORLDS
        for count in COUNTS
        for changed in (0, CHANGED)
    ]
    print(table(rows))
    if asked.devices:
        print()
        print(trust_table(asked.devices, asked.seed))


if __name__ == "__main__":
    main()
