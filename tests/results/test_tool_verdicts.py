"""A tool's numbers are judged by what was seen around the tool."""

from __future__ import annotations

from typing import Any

import pytest

from farm_agent.messages.tool import ToolReport
from farm_results.model import Verdict
from farm_results.verdicts import judge
from tests.results.made import job, observed, spec


def verdict(*, check: bool = True, watched: bool = True, **seen: Any) -> Verdict:
    report = ToolReport(
        "trtexec", "trtexec/10.16.1", median_ns=44e3, observed=observed(**seen) if watched else None
    )
    changes: dict[str, Any] = {} if check else {"check": None, "proof": None}
    return judge(spec(tool="trtexec"), job(blocks=(), tool=report, **changes), None)


def codes(found: Verdict) -> set[str]:
    return {caveat.code for caveat in found.caveats}


def test_a_quiet_tool_is_valid_under_its_own_protocol() -> None:
    found = verdict()
    assert (found.word, codes(found)) == ("valid", {"tool.protocol"})
    assert found.caveats[0].evidence == "trtexec measured, by its own protocol trtexec/10.16.1"


@pytest.mark.parametrize(
    ("seen", "code", "word"),
    [
        ({"other_cpu_pct": 90.0}, "cpu.shared", "noisy"),
        ({"flags": ("arm frequency capped",)}, "throttle.seen", "throttled"),
        ({"flags": ("under-voltage",)}, "throttle.undervoltage", "throttled"),
        ({"foreign_jobs": ("apt-get (12)",)}, "job.foreign", "noisy"),
        ({"governors": ("policy0: performance -> powersave",)}, "governor.changed", "noisy"),
        ({"swapped_in_pages": 5000}, "memory.swapping", "noisy"),
    ],
)
def test_a_disturbed_tool_is_flagged(seen: dict[str, Any], code: str, word: str) -> None:
    found = verdict(**seen)
    assert code in codes(found)
    assert found.word == word


def test_a_tool_that_nobody_watched_says_so() -> None:
    (caveat,) = verdict(watched=False).caveats
    assert "nothing watched the device" in caveat.evidence


def test_a_device_that_cannot_load_the_runtime_is_no_reason_to_call_the_number_invalid() -> None:
    """That nobody compared the outputs there stands among the report's own caveats."""
    found = verdict(check=False)
    assert found.word == "valid"
    assert "check.missing" not in codes(found)
