"""What a device is made of, as short texts, and what changed since it was accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm_agent.wire import Facts

NONE = "none"
LONGEST = 120


def traits(facts: Facts) -> dict[str, str]:
    """The facts that change a measurement when they change, without those that the device does not tell."""
    details = facts.details
    found: dict[str, object] = {
        "machine": facts.machine,
        "model": facts.model,
        "cpu": facts.cpu,
        "cores": facts.cores,
        "memory": f"{facts.memory_bytes / 2**30:.1f} GiB" if facts.memory_bytes else "",
        "kernel": facts.kernel,
        "os": facts.os,
        "libc": facts.libc,
        "python": facts.python,
        "jetpack": details.get("l4t"),
        "firmware": details.get("firmware"),
        "governor": _governors(details.get("clocks")),
        "numpy": details.get("numpy"),
    }
    for runtime in facts.runtimes:
        if not runtime.unavailable:
            found[f"runtime {runtime.name}"] = runtime.version
    return {key: str(value)[:LONGEST] for key, value in found.items() if value not in (None, "")}


def differences(accepted: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """A line per trait that differs: ``kernel 6.1.0 -> 6.6.2``. Nothing accepted yet: nothing differs."""
    if not accepted or not now:
        return ()
    keys = [*accepted, *(key for key in now if key not in accepted)]
    return tuple(
        f"{key} {accepted.get(key, NONE)} -> {now.get(key, NONE)}"
        for key in keys
        if accepted.get(key, NONE) != now.get(key, NONE)
    )


def _governors(clocks: Any) -> str:  # noqa: ANN401 - what a device sent
    if not isinstance(clocks, list):
        return ""
    words = {str(entry.get("governor") or "") for entry in clocks if isinstance(entry, dict)}
    return ",".join(sorted(word for word in words if word))
