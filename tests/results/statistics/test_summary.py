"""From samples to a summary, and samples that no working clock gives."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import MeasurementError
from farm_results import samples as samples_module
from farm_results.statistics.summary import read_samples, summarise
from tests.results.made import packed, pairs_of, quiet_pairs


def test_the_headline_is_the_median_of_the_processes_medians() -> None:
    """A process with ten times the samples counts once."""
    many = pairs_of([300] * 1000)
    summary = summarise([pairs_of([100] * 100), pairs_of([200] * 100), many])
    assert summary.p50_ns == 200.0
    assert (summary.p50_low_ns, summary.p50_high_ns) == (100.0, 300.0)
    assert summary.between_block_spread == pytest.approx(1.0)
    assert (summary.count, summary.blocks) == (1200, 3)


def test_numbers_of_one_process_agree_with_numpy() -> None:
    pairs = quiet_pairs(1, count=1000)
    taken = pairs[:, 1] - pairs[:, 0]
    summary = summarise([pairs])
    assert summary.p50_ns == np.median(taken)
    assert summary.p99_ns == np.quantile(taken, 0.99, method="inverted_cdf")
    assert summary.p90_ns == np.quantile(taken, 0.90, method="inverted_cdf")
    assert summary.stdev_ns == pytest.approx(taken.std(ddof=1))
    assert summary.min_ns == taken.min()
    ordered = np.sort(taken)
    assert (summary.p50_low_ns, summary.p50_high_ns) == (ordered[468], ordered[531])
    assert summary.between_block_spread is None


@pytest.mark.parametrize(
    ("count", "known"),
    [(28, 0), (29, 1), (58, 1), (59, 3), (298, 3), (299, 4), (2994, 4), (2995, 5)],
)
def test_percentiles_appear_only_where_the_count_supports_them(count: int, known: int) -> None:
    """p5 from as many samples as p95: its minimum must be a bound."""
    summary = summarise([pairs_of(range(100, 100 + count))])
    values = (summary.p90_ns, summary.p95_ns, summary.p5_ns, summary.p99_ns, summary.p99_9_ns)
    assert [value is not None for value in values] == [True] * known + [False] * (5 - known)


def test_percentiles_keep_their_exact_intervals() -> None:
    """The ranks are those of the binomial distribution; too few samples for both sides give none."""
    summary = summarise([pairs_of(range(1, 1001))])
    assert summary.intervals_ns["p90"] == (881.0, 919.0)
    assert summary.intervals_ns["p99"] == (983.0, 997.0)
    assert "p99_9" not in summary.intervals_ns
    assert "p99" not in summarise([pairs_of(range(1, 368))]).intervals_ns
    assert "p99" in summarise([pairs_of(range(1, 369))]).intervals_ns


def test_the_spread_between_processes_is_their_medians_cv() -> None:
    summary = summarise([pairs_of([median] * 100) for median in (100, 110, 120)])
    assert summary.between_cv == pytest.approx(10 / 110)
    assert summary.cv == pytest.approx(np.std([100, 110, 120] * 100, ddof=1) / 110)
    assert summarise([pairs_of([100] * 100)]).between_cv is None


def test_a_trend_is_found_in_both_directions_of_time() -> None:
    slowing = summarise([pairs_of([10_000] * 400), pairs_of(np.linspace(10_000, 11_000, 400))])
    assert slowing.slope == pytest.approx(0.095, abs=0.01)
    assert slowing.slope_p is not None
    assert slowing.slope_p < 1e-6
    assert slowing.settling is not None
    assert slowing.settling <= 1.0
    settling = summarise([pairs_of(np.linspace(11_000, 10_000, 400))])
    assert settling.settling == pytest.approx(1.075, abs=0.02)
    assert settling.slope is not None
    assert settling.slope < 0


def test_too_few_samples_give_no_interval() -> None:
    assert summarise([pairs_of(range(6))]).p50_low_ns is not None
    short = summarise([pairs_of([1000] * 400), pairs_of([1000] * 5)])
    assert (short.p50_low_ns, short.p50_high_ns) == (None, None)
    assert summarise([pairs_of([7])]).stdev_ns is None


def test_drift_is_only_what_the_intervals_prove() -> None:
    """Jitter alone never looks like drift; a device that slows down by a tenth does."""
    rng = np.random.default_rng(3)
    jitter = summarise([pairs_of(rng.integers(1000, 3000, 400)) for _ in range(20)])
    assert jitter.drift is not None
    assert jitter.drift < 1.0
    slowing = summarise([pairs_of(np.linspace(10_000, 11_000, 400))])
    assert slowing.drift == pytest.approx(1.075, abs=0.02)


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([], "samples.empty"),
        (np.empty((0, 2), dtype=np.int64), "samples.empty"),
        ([[10, 9]], "samples.clock-stepped"),
        ([[10, 20], [5, 30]], "samples.clock-stepped"),
        ([[10, 20], [15, 30]], "samples.clock-stepped"),
        ([[2**62, -(2**63)]], "samples.clock-stepped"),
        ([[-(2**62) - 2**62, 2**62]], "samples.clock-stepped"),
        ([[1, 2, 3]], "samples.shape"),
        ([1, 2, 3, 4], "samples.shape"),
    ],
)
def test_impossible_samples_are_an_error(pairs: Any, code: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        summarise([pairs_of([100] * 10), pairs])
    assert caught.value.code == code
    assert caught.value.fix


def test_no_processes_is_an_error() -> None:
    with pytest.raises(MeasurementError, match="no process"):
        summarise([])


def test_samples_survive_the_file(tmp_path: Path) -> None:
    pairs = quiet_pairs(2)
    file = tmp_path / "block-0.samples.gz"
    file.write_bytes(packed(pairs))
    assert np.array_equal(read_samples(file), pairs)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "samples.truncated"),
        (b"not gzip at all", "samples.unreadable"),
        (packed(quiet_pairs(1))[:-9], "samples.truncated"),
        (gzip.compress(b"x" * 24, mtime=0), "samples.truncated"),
        (packed(quiet_pairs(1)) + packed(quiet_pairs(2)), "samples.unreadable"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 60, "samples.unreadable"),
    ],
)
def test_a_broken_sample_file_is_an_error(tmp_path: Path, content: bytes, code: str) -> None:
    file = tmp_path / "samples.gz"
    file.write_bytes(content)
    with pytest.raises(MeasurementError) as caught:
        read_samples(file)
    assert caught.value.code == code


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit holds while unpacking, before the memory is used."""
    monkeypatch.setattr(samples_module, "LIMIT_BYTES", 1_000_000)
    file = tmp_path / "bomb.gz"
    file.write_bytes(gzip.compress(b"\0" * 50_000_000))
    with pytest.raises(MeasurementError) as caught:
        read_samples(file)
    assert caught.value.code == "samples.too-large"
