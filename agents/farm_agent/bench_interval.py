"""The 95 % interval of the median while a block runs: bounded memory, whatever the number of rows.

Counts of durations in bins of 1/8192 of the expected median, so an interval is exact to some 0.02 % of the
median. Rows are counted between two calls of the loop, never inside, in slices that stay in the cache:
some 0.2 µs per row.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import List, Optional, Sequence, Tuple

BINS_TO_CENTRE = 8192
SLICE_ROWS = 4096
# The normal approximation of the binomial ranks is off by at most one rank from here on.
EXACT_UP_TO = 1000
Z_95 = 1.959963984540054


def median_ranks(count: int) -> Optional[Tuple[int, int]]:
    """Ranks (from 0) of the order statistics that enclose the median with 95 % confidence or more.

    The exact binomial interval, free of any distribution; None below 6 values, where there is none.
    """
    if count > EXACT_UP_TO:
        lower = math.floor((count - 1 - Z_95 * math.sqrt(count)) / 2)
        return lower, count - 1 - lower
    allowed = 0.025 * 2**count
    tail, term, lower = 0, 1, -1
    for rank in range(count // 2):
        tail += term
        if tail > allowed:
            break
        lower = rank
        term = term * (count - rank) // (rank + 1)
    return (lower, count - 1 - lower) if lower >= 0 else None


class Spread:
    """Durations counted in bins. ``centre``: about their median; one far off is found out and replaced."""

    def __init__(self, centre: int) -> None:
        self._width = max(1, centre // BINS_TO_CENTRE)
        self._last = max(2, 2 * centre // self._width)
        self._bins: Counter[int] = Counter()
        self.count = 0

    def add(self, rows: array[int], first: int, count: int, columns: int = 2) -> None:
        """Count rows [first, first + count): last time minus first time each."""
        width, last = self._width, self._last
        for begin in range(first, first + count, SLICE_ROWS):
            stop = min(begin + SLICE_ROWS, first + count)
            part = rows[begin * columns : stop * columns]
            starts, ends = part[0::columns], part[columns - 1 :: columns]
            self._bins.update([min((b - a) // width, last) for a, b in zip(starts, ends)])
        self.count += count

    @property
    def misplaced(self) -> bool:
        """Whether the median lies outside of the fine bins, so that another centre is needed."""
        if self.count == 0:
            return False
        middle = self._bin_at([self.count // 2])[0]
        return middle >= self._last or (self._width > 1 and middle < BINS_TO_CENTRE // 4)

    def half_width(self) -> Optional[float]:
        """The interval's larger side as a share of the median; None: too few values, or too long a tail."""
        ranks = median_ranks(self.count)
        if ranks is None:
            return None
        low, middle, high = self._bin_at([ranks[0], self.count // 2, ranks[1]])
        if high >= self._last:
            return None
        # Bins count from their lower edges; half a bin is the expected distance from it.
        centre = (middle + (0.5 if self._width > 1 else 0.0)) * self._width
        return max(middle - low, high - middle) * self._width / centre if centre > 0 else None

    def _bin_at(self, ranks: Sequence[int]) -> Sequence[int]:
        """The bins that hold these ranks, which ascend."""
        found = []
        wanted = iter(ranks)
        rank = next(wanted)
        seen = 0
        for number in sorted(self._bins):
            seen += self._bins[number]
            while seen > rank:
                found.append(number)
                following = next(wanted, None)
                if following is None:
                    return found
                rank = following
        return found


def spread_of(parts: Sequence[Tuple[array[int], int]], columns: int = 2) -> Spread:
    """All of (rows, how many of them), around the median of rows taken evenly from all of them."""
    step = max(1, sum(count for _, count in parts) // SLICE_ROWS)
    lengths: List[int] = []
    for rows, count in parts:
        picked = range(0, count * columns, step * columns)
        lengths.extend(rows[at + columns - 1] - rows[at] for at in picked)
    spread = Spread(max(1, sorted(lengths)[len(lengths) // 2] if lengths else 1))
    for rows, count in parts:
        spread.add(rows, 0, count, columns)
    return spread
