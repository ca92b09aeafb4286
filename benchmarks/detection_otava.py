"""Runs in an environment of its own with apache-otava: change points of each prefix of each series, night by
night, as JSON from standard input to standard output."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

Known = dict[tuple[bytes, Any, Any], Any]


def remember(known: Known) -> None:
    """Otava looks at the same windows again and again, night after night: what one of its functions said of a
    window and an interval is kept. Its answers are the same."""
    from otava.change_point_divisive.calculator import PairDistanceCalculator

    plain = PairDistanceCalculator.get_candidate_change_point

    def kept(self: Any, interval: slice) -> Any:  # noqa: ANN401 - another's types
        key = (self.series.tobytes(), interval.start, interval.stop)
        if key not in known:
            known[key] = plain(self, interval)
        return copy.copy(known[key])

    PairDistanceCalculator.get_candidate_change_point = kept


def reports(values: list[float], first: int, settings: dict[str, Any]) -> list[list[list[float]]]:
    """Per night from ``first`` on: [index, mean before, mean after, p] of every change point."""
    from otava.analysis import compute_change_points

    found = []
    for end in range(first + 1, len(values) + 1):
        points, _ = compute_change_points(values[:end], **settings)
        found.append([[int(p.index), p.stats.mean_1, p.stats.mean_2, float(p.stats.pvalue)] for p in points])
    return found


def main() -> None:
    """Read {settings, first, series}, write for each of the settings the reports of each series."""
    asked = json.load(sys.stdin)
    known: Known = {}
    remember(known)
    rows: list[list[Any]] = [[] for _ in asked["settings"]]
    for values in asked["series"]:
        known.clear()
        for found, settings in zip(rows, asked["settings"], strict=True):
            found.append(reports(values, asked["first"], settings))
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
