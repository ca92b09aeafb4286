"""The same findings about a phone: no root, no kernel of one's own, so other fixes; and what Android never
shows is nothing to warn of."""

from __future__ import annotations

from dataclasses import replace

from farm.devices.checks.load import SHARED_PCT
from farm.devices.finding import OK, Finding
from farm_agent.messages.checkup import Surroundings

_APPS = "close its apps (adb shell am kill-all)"
_TIME = "switch on automatic date and time: adb shell settings put global auto_time 1"
FIXES = {
    "clock": _TIME,
    "time service": _TIME,
    "load": f"{_APPS} and let it settle; see adb shell top",
    "other jobs": "wait until they have ended; see adb shell ps -ef",
    "memory": f"{_APPS}, or restart it: adb reboot",
    "swap": f"{_APPS}; adb reboot empties it",
    "disk": "free space there: adb shell df -h /data; farm keeps its own below /data/local/tmp/farm",
    "governor": "only root may set it; clocks that it can hold: farm bench --pin fixed-performance=on",
}
UNSEEN = {
    "load": "Android shows no pressure (PSI); what runs is seen, and nobody else uses a CPU much",
    "governor": "Android shows none; clocks that it can hold: farm bench --pin fixed-performance=on",
    "clock source": "Android does not show it",
}


def worded(finding: Finding, seen: Surroundings | None = None) -> Finding:
    """The finding as it is for a phone; ``seen``: what it was made of, where it was."""
    if finding.state == OK:
        return finding
    if seen is not None and finding.check in _hidden(seen):
        return replace(finding, state=OK, text=UNSEEN[finding.check], fix="")
    return replace(finding, fix=FIXES.get(finding.check, finding.fix))


def _hidden(seen: Surroundings) -> set[str]:
    """Checks that could not be made because Android keeps what they need to itself."""
    quiet = sum(other.cpu_pct for other in seen.neighbours) < SHARED_PCT
    hidden = {"load"} if seen.cpu_pressure_pct is None and quiet else set()
    hidden |= set() if seen.governors else {"governor"}
    return hidden | (set() if seen.clocksource else {"clock source"})
