"""Runs in an environment of its own with apache-otava: change points of each prefix of each series, night by
night, as JSON from standard input to standard output."""

from __future__ import annotations

import json
import sys
from typing import Any


def reports(values: list[float], first: int, settings: dict[str, Any]) -> list[list[list[float]]]:
    """Per night from ``first`` on: [index, mean before, mean after, p] of every change point."""
    from otava.analysis import compute_change_points

    found = []
    for end in range(first + 1, len(values) + 1):
        points, _ = compute_change_points(values[:end], **settings)
        found.append([[int(p.index), p.stats.mean_1, p.stats.mean_2, float(p.stats.pvalue)] for p in points])
    return found


def main() -> None:
    """Read {settings, first, series}, write the reports of each series."""
    asked = json.load(sys.stdin)
    rows = [reports(row, asked["first"], asked["settings"]) for row in asked["series"]]
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
