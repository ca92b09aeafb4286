"""Texts of /proc as real kernels print them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import observe_proc

STAT = (
    "4242 (a (b) c) S 1 4242 4242 0 -1 4194560 3170 0 17 0 250 50 0 0 20 0 3 0 1340686 23552000 1500 "
    "18446744073709551615 1 1 0 0 0 0 0 16781312 134235650 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)
MACHINE = "cpu  100 20 30 4000 50 6 7 80 90 10\ncpu0 50 10 15 2000 25 3 3 40 45 5\nintr 1\n"


def test_a_name_with_parentheses_does_not_shift_the_fields() -> None:
    assert observe_proc.process_stat(STAT) == observe_proc.ProcessStat("S", 300, 17, "a (b) c", 1340686)


def test_busy_time_leaves_out_idle_waiting_and_guests() -> None:
    assert observe_proc.machine_ticks(MACHINE) == (100 + 20 + 30 + 6 + 7, 80)


def test_old_kernels_without_stolen_time_tell_nothing() -> None:
    assert observe_proc.machine_ticks("cpu 1 2 3 4 5 6 7\n") is None


def test_times_of_a_thread() -> None:
    assert observe_proc.thread_times("1250051 580 12\n") == (1250051, 580)


def test_pressure_is_the_line_of_some() -> None:
    text = "some avg10=97.31 avg60=72.78 avg300=32.66 total=191290105\nfull avg10=0.00 total=5\n"
    assert observe_proc.stalled_us(text) == 191290105
    assert observe_proc.stalled_us("full avg10=0.00 total=5\n") is None


def test_pages_of_swap_and_switches() -> None:
    assert observe_proc.swapped_pages("pgpgin 1\npswpin 12\npswpout 34\n") == (12, 34)
    assert observe_proc.swapped_pages("pgpgin 1\n") == (None, None)
    status = "voluntary_ctxt_switches:\t13\nnonvoluntary_ctxt_switches:\t4\n"
    assert observe_proc.involuntary_switches(status) == 4


def test_runnable_threads_stand_before_the_slash() -> None:
    assert observe_proc.runnable_threads("0.50 0.40 0.30 3/812 4242\n") == 3
    assert observe_proc.runnable_threads("0.50 0.40") is None


PARSERS = (
    observe_proc.process_stat,
    observe_proc.machine_ticks,
    observe_proc.thread_times,
    observe_proc.stalled_us,
    observe_proc.swapped_pages,
    observe_proc.involuntary_switches,
    observe_proc.runnable_threads,
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.none(), st.text(max_size=300)))
def test_any_text_gives_a_value_or_none(text: str | None) -> None:
    for parse in PARSERS:
        parse(text)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(STAT)), st.integers(0, len(MACHINE)))
def test_a_text_cut_anywhere_gives_a_value_or_none(at: int, elsewhere: int) -> None:
    observe_proc.process_stat(STAT[:at])
    observe_proc.machine_ticks(MACHINE[:elsewhere])
