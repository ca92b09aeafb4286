"""What Android tells its shell's user about the phone: properties, battery, battery saver, screen."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.sensors import SensorError
from farm_agent.sensors.common import battery_text, command, getprop

FOLDER = "system/bin"
STATES = {number: word for word, number in battery_text.STATES.items()}
WAKEFULNESS = re.compile(r"^\s{0,8}mWakefulness=(Asleep|Awake|Dreaming|Dozing)\s*$", re.MULTILINE)
SCREEN = {"Asleep": "off", "Awake": "on", "Dreaming": "screen saver", "Dozing": "dozing"}
KEEP_S = 1.0  # each question starts a process on the phone
KEEP_SELDOM_S = 10.0
_kept: Dict[Tuple[str, ...], Tuple[float, str]] = {}


@dataclass(frozen=True)
class Charge:
    """As ``dumpsys battery`` has it; None or "": not told. ``saving``: the battery saver is on."""

    level_pct: Optional[int]
    status: str
    plugged: Optional[bool]
    saving: Optional[bool]


def present(root: Path = Path("/")) -> bool:
    """Whether this is Android."""
    return (root / FOLDER / "getprop").exists()


def charge(root: Path = Path("/")) -> Optional[Charge]:
    """None where this is no Android, or its battery service says nothing."""
    text = ask(root, "dumpsys", "battery")
    saver = ask(root, "cmd", "settings", "get", "global", "low_power", keep_s=KEEP_SELDOM_S)
    return parse_charge(text, saver)


def parse_charge(text: str, saver: str) -> Optional[Charge]:
    """From the texts of ``dumpsys battery`` and of the setting ``low_power``."""
    try:
        told = battery_text.parse_dumpsys(text)
    except SensorError:
        return None
    level = None if told.level_pct is None else int(told.level_pct)
    status = STATES.get(told.state, "") if told.state is not None else ""
    known = {"0": False, "1": True}
    return Charge(level, "" if status == "unknown" else status, told.plugged, known.get(saver.strip()))


def screen(root: Path = Path("/")) -> str:
    """on, off, dozing, screen saver; "" where nothing tells."""
    return parse_screen(ask(root, "dumpsys", "power"))


def parse_screen(text: str) -> str:
    """From the text of ``dumpsys power``."""
    found = WAKEFULNESS.search(text)
    return SCREEN[found.group(1)] if found else ""


def state(root: Path = Path("/")) -> Optional[Dict[str, Any]]:
    """What belongs beside every measurement on a phone; None where this is none."""
    if not present(root):
        return None
    found = charge(root)
    return {
        "screen": screen(root),
        "battery": None if found is None else vars(found),
        "thermal_status": thermal_status(ask(root, "dumpsys", "thermalservice")),
    }


def thermal_status(text: str) -> Optional[int]:
    """0 (none) to 6 (shutdown); None where the service tells none."""
    from farm_agent.sensors import thermalservice

    with contextlib.suppress(SensorError):
        return thermalservice.parse(text).status
    return None


def properties(root: Path = Path("/")) -> Dict[str, str]:
    """Every property; none where this is no Android."""
    with contextlib.suppress(SensorError):
        return getprop.parse(ask(root, "getprop", keep_s=KEEP_SELDOM_S))
    return {}


def names(found: Mapping[str, str]) -> Tuple[str, str]:
    """(maker and model, "Android N") out of the properties; "" for what they do not tell."""
    maker = found.get("ro.product.manufacturer", "") or found.get("ro.product.brand", "")
    model = found.get("ro.product.model", "")
    release = found.get("ro.build.version.release", "")
    whole = model if model.lower().startswith(maker.lower()) else f"{maker} {model}"
    return whole.strip()[:80], f"Android {release}"[:40] if release else ""


def details(found: Mapping[str, str]) -> Optional[Dict[str, str]]:
    """What else identifies a phone and its software; None where there are no properties."""
    wanted = {
        "soc": ("ro.soc.model", "ro.board.platform"),
        "sdk": ("ro.build.version.sdk",),
        "abi": ("ro.product.cpu.abi",),
        "build": ("ro.build.fingerprint", "ro.build.id"),
        "security_patch": ("ro.build.version.security_patch",),
    }
    told = {key: next((found[name] for name in many if found.get(name)), "") for key, many in wanted.items()}
    return {key: value[:200] for key, value in told.items() if value} if found else None


def ask(root: Path, program: str, *words: str, keep_s: float = KEEP_S) -> str:
    """What one of Android's commands prints; "" where it fails. Asked anew after ``keep_s``."""
    path = root / FOLDER / program
    if not path.exists():
        return ""
    argv = (str(path), *words)
    now = time.monotonic()
    known = _kept.get(argv)
    if known is not None and now - known[0] < keep_s:
        return known[1]
    text = ""
    with contextlib.suppress(SensorError):
        text = command.run(argv)
    _kept[argv] = (now, text)
    return text


def forget() -> None:
    """Ask anew, whatever was asked before."""
    _kept.clear()
