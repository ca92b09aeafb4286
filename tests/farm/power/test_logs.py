"""Meters that are files or programs: growing tables, PTDaemon, FNIRSI, commands."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm import power
from farm.errors import UsageError
from farm.power import MeterError, MeterSettings, command, csv
from farm.power.common import fnirsi, ptdaemon, table

# power-dev's unit test and its documentation.
PTDAEMON = "Time,%s 15:21:14.682,Watts,22.950000,Volts,228.570000,Amps,0.206430,PF,0.486400,Mark,a_testing"
FNIRSI = """timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As
1667765050.059 0 188.74370 170.39408 1.404 1.191 23.699 0.000000 0.000038
1667765050.069 1 188.74370 170.39408 1.404 1.191 23.699 0.000000 0.000038
1667765050.079 2 5.10000 0.50000 1.404 1.191 23.699 0.000000 0.000038
1667765050.089 3 5.10000 0.50000 1.404 1.191 23.699 0.000000 0.000038
1667765050.099 0 5.00000 0.40000 1.404 1.191 23.699 0.000000 0.000038
1667765050.109 1 5.00000 0.50000 1.404 1.191 23.699 0.000000 0.000038
1667765050.119 2 5.00000 0.60000 1.404 1.191 23.699 0.000000 0.000038
1667765050.129 3 5.00000 0.50000 1.404 1.191 23.699 0.000000 0.000038
1667765050.139 0 5.00000 1.00000 1.404 1.191 23.699 0.000000 0.000038
"""


def csv_meter(path: Path, **options: Any) -> power.Meter:
    values = {"kind": "csv", "path": path.name, "time": "unix", **options}
    return power.open_meter(MeterSettings("log", "csv", "", values, str(path.parent)))


def test_a_growing_file_gives_its_new_rows(tmp_path: Path) -> None:
    """Whole lines only; the header names the columns; unix time becomes our monotonic clock."""
    path = tmp_path / "log.csv"
    now = time.time()
    path.write_text(f"volts;t;watts\n5.0;{now:.3f};2.50\n5.0;{now + 0.5:.3f};3.")
    meter = csv_meter(path, time_column="t", value_column="watts", separator=";")
    ((first_ns, first),) = meter.read()
    with path.open("a") as file:
        file.write(f"25\n5.0;{now + 1:.3f};4.00\n")
    second, third = meter.read()

    assert (first, second[1], third[1]) == (2.5, 3.25, 4.0)
    assert abs(first_ns - (time.monotonic_ns() - (time.time_ns() - now * 1e9))) < 0.1e9
    assert third[0] - first_ns == pytest.approx(1e9, abs=5e6)
    assert meter.read() == ()


def test_a_process_that_is_held_up_moves_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a look at one clock and a look at the other; here the first time, for 50 ms."""
    held_up_ns = iter([50_000_000])
    clock = {"now": 7_000_000_000}

    def unix_ns() -> int:
        clock["now"] += next(held_up_ns, 0)
        return clock["now"] + 1_000_000_000_000_000_000

    monkeypatch.setattr(csv, "time", SimpleNamespace(monotonic_ns=lambda: clock["now"], time_ns=unix_ns))
    (tmp_path / "log.csv").write_text("1000000007,2.5\n")

    assert csv_meter(tmp_path / "log.csv").read() == ((7_000_000_000, 2.5),)


def test_milliwatts_and_counters_are_scaled(tmp_path: Path) -> None:
    """Units and steps of the settings."""
    path = tmp_path / "log.csv"
    path.write_text("1000,2500\n")
    meter = csv_meter(path, unit="mJ", time="monotonic", time_unit="ms", quantum=1.0)

    assert meter.read() == ((1_000_000_000, 2.5),)
    assert (meter.channel.kind, meter.channel.quantum) == ("energy_j", 0.001)


@pytest.mark.parametrize(
    "text", ["1.0,2.0\nnot a row\n", "1.0,2.0\n2.0\n", "1.0,2.0\n2.0,nan\n", "1.0,2.0\n1e300,1\n"]
)
def test_a_row_that_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    """After the first row nothing is a header any more."""
    path = tmp_path / "log.csv"
    path.write_text(text)

    with pytest.raises(MeterError) as caught:
        csv_meter(path).read()
    assert caught.value.code == "meter.garbled"


def test_a_file_that_vanishes_or_shrinks_is_silent(tmp_path: Path) -> None:
    """Not read again from the start as if it were new."""
    path = tmp_path / "log.csv"
    path.write_text("1.0,2.0\n2.0,2.0\n")
    meter = csv_meter(path)
    assert len(meter.read()) == 2
    path.write_text("1.0,2.0\n")
    with pytest.raises(MeterError, match="shorter"):
        meter.read()
    path.unlink()
    with pytest.raises(MeterError) as caught:
        meter.read()
    assert caught.value.code == "meter.silent"


def test_a_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """Before anything is measured."""
    with pytest.raises(MeterError) as caught:
        csv_meter(tmp_path / "no.csv")
    assert caught.value.code == "meter.missing"


@pytest.mark.parametrize(
    ("layout", "base"), [("table", "local"), ("ptdaemon", "unix"), ("fnirsi", "monotonic")]
)
def test_a_time_base_that_cannot_be_is_refused(tmp_path: Path, layout: str, base: str) -> None:
    """Each layout has its own."""
    with pytest.raises(UsageError) as caught:
        csv_meter(tmp_path / "x", format=layout, time=base)
    assert caught.value.code == "meter.time"


@pytest.mark.parametrize(
    ("date", "order", "month"),
    [
        ("28-12-2020", "", 12),
        ("01-22-2021", "", 1),
        ("05-05-2021", "", 5),
        ("03-04-2021", "day-first", 4),
        ("03-04-2021", "month-first", 3),
    ],
)
def test_dates_of_ptdaemon(date: str, order: str, month: int) -> None:
    """Without doubt, or as the settings say."""
    ((time_ns, watts),) = ptdaemon.Parser("utc", order).rows([PTDAEMON % date])

    assert watts == 22.95
    moment = dt.datetime.fromtimestamp(time_ns / 1e9, dt.UTC)
    assert (moment.month, moment.minute) == (month, 21)
    assert time_ns % 1_000_000_000 == 682_000_000


def test_a_date_that_can_be_read_both_ways_is_refused() -> None:
    """The third of April or the fourth of March."""
    with pytest.raises(MeterError) as caught:
        ptdaemon.Parser("utc", "").rows([PTDAEMON % "03-04-2021"])
    assert caught.value.code == "meter.date"


def test_fnirsi_counts_packets_and_drops_the_first() -> None:
    """188 V never shows; four samples make one."""
    ((time_ns, watts),) = fnirsi.Parser().rows(FNIRSI.splitlines())

    assert time_ns == pytest.approx(1667765050.119e9, abs=1e3)
    assert watts == pytest.approx(2.5)


def test_fnirsi_drops_the_first_packet_after_a_pause() -> None:
    """A new connection begins with garbage again; garbage in the middle is an error."""
    again = [
        "1667765060.059 0 188.74370 170.39408 0 0 0 0 0",
        *[f"1667765060.{100 + 10 * k} {k % 4} 5.0 0.2 0 0 0 0 0" for k in range(5)],
    ]
    parser = fnirsi.Parser()
    parser.rows(FNIRSI.splitlines())
    assert [watts for _, watts in parser.rows(again)] == [pytest.approx(1.0)]
    with pytest.raises(MeterError) as caught:
        parser.rows(["1667765060.200 1 188.74370 170.39408 0 0 0 0 0"])
    assert caught.value.code == "meter.absurd"


LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=60), max_size=6)


@pytest.mark.parametrize(
    "make",
    [
        fnirsi.Parser,
        lambda: ptdaemon.Parser("local", ""),
        lambda: table.Table(time_column=0, value_column=1, time_scale_ns=1e9, value_scale=1.0, separator=","),
        lambda: table.Table(
            time_column="t", value_column="w", time_scale_ns=1e9, value_scale=1.0, separator=","
        ),
    ],
)
@given(
    lines=LINES, numbers=st.lists(st.tuples(st.floats(), st.integers(), st.floats(), st.floats()), max_size=6)
)
@settings(max_examples=150, deadline=None)
def test_any_lines_are_rows_or_refused(
    make: Callable[[], table.Parser], lines: list[str], numbers: list[tuple[Any, ...]]
) -> None:
    """Text, and numbers of every size."""
    for more in (
        lines,
        [" ".join(map(str, row)) for row in numbers],
        [",".join(map(str, row)) for row in numbers],
    ):
        try:
            rows = make().rows(more)
        except MeterError:
            continue
        assert all(abs(time_ns) < 2**63 and value == value for time_ns, value in rows)  # noqa: PLR0124


def test_any_ptdaemon_time_is_a_time_or_refused() -> None:
    """Days and hours that no calendar has."""
    for date in ("99-99-9999", "31-02-2020", "00-00-0000", "28-12-0001"):
        for line in (PTDAEMON % date, (PTDAEMON % date).replace("15:21", "25:61")):
            with contextlib.suppress(MeterError):
                ptdaemon.Parser("local", "").rows([line])


def commanded(tmp_path: Path, program: str, **options: Any) -> power.Meter:
    argv = [sys.executable, "-c", program]
    values = {"kind": "command", "argv": argv, "timeout_s": 5.0, **options}
    return power.open_meter(MeterSettings("lab", "command", "", values, str(tmp_path)))


@pytest.mark.parametrize(
    ("program", "options", "value"),
    [
        ("print('warming up'); print(12.5)", {}, 12.5),
        ("print('{\"power\": 1250}')", {"field": "power", "unit": "mW"}, 1.25),
        ("print('a,b,7.5')", {"column": 2}, 7.5),
        ("print('0.5')", {"unit": "Wh"}, 1800.0),
    ],
)
def test_a_command_prints_its_value(tmp_path: Path, program: str, options: Any, value: float) -> None:
    """A number, a field, a column; in its unit."""
    ((_, read),) = commanded(tmp_path, program, **options).read()

    assert read == pytest.approx(value)


@pytest.mark.parametrize(
    ("program", "options", "code"),
    [
        ("print()", {}, "meter.garbled"),
        ("print('12 W')", {}, "meter.garbled"),
        ("print('nan')", {}, "meter.garbled"),
        ("print('[1]')", {"field": "power"}, "meter.garbled"),
        ("print('1,2')", {"column": 5}, "meter.garbled"),
        ("print('x' * 100_000)", {}, "meter.garbled"),
        ("raise SystemExit(3)", {}, "meter.command"),
        ("import time; time.sleep(60)", {"timeout_s": 0.3}, "meter.silent"),
        ("import os, time; os.close(1); time.sleep(60)", {"timeout_s": 0.3}, "meter.silent"),
    ],
)
def test_a_command_that_fails_says_how(tmp_path: Path, program: str, options: Any, code: str) -> None:
    """Its own code each; a program that hangs is killed."""
    with pytest.raises(MeterError) as caught:
        commanded(tmp_path, program, **options)
    assert caught.value.code == code


def test_a_command_knows_no_shell(tmp_path: Path) -> None:
    """Words reach the program as they are."""
    argv = ["echo", "1.0; touch", str(tmp_path / "made")]

    with pytest.raises(MeterError):
        power.open_meter(MeterSettings("lab", "command", "", {"argv": argv}, str(tmp_path)))
    assert not (tmp_path / "made").exists()


@given(st.text(max_size=80), st.sampled_from(["", "power"]), st.one_of(st.none(), st.integers(-3, 3)))
@settings(max_examples=200, deadline=None)
def test_any_output_is_a_value_or_refused(text: str, field: str, column: int | None) -> None:
    """Nothing but the meter's own error."""
    try:
        value = command.parse(text, field, column)
    except MeterError:
        return
    assert abs(value) <= 1e15
