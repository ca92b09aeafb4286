"""A failed task of a playbook as one of our errors: what, where and what to do."""

from __future__ import annotations

import re

from farm.enroll.events import Ended
from farm.errors import FarmError, InfrastructureError

AGAIN = "run the same command again: what is done stays done, and it goes on from there"
# What our own roles say when they refuse: "[code] message"
_OURS = re.compile(r"\[((?:enroll|device)\.[a-z-]+)\] *(.*)", re.DOTALL)
FIXES = {
    "enroll.clock": "set its clock (timedatectl set-ntp true, or date -s), then run the command again",
    "enroll.user-taken": "name another user: --user NAME, or remove or rename that one there",
    "enroll.no-python": "install Python 3.8 or newer there by hand, then run the command again",
    "device.disk-full": "free space there (df -h), then run the command again",
}
# Reasons of modules and programs, in the order in which they are looked for.
_SIGNS = (
    (r"No space left on device|Disk quota exceeded", "device.disk-full", ""),
    (
        r"Read-only file system",
        "enroll.read-only",
        "make its file system writable while it is enrolled (mount -o remount,rw /)",
    ),
    (
        r"(Missing|Incorrect) sudo password|sudo: a password is required|Timeout .* privilege escalation",
        "enroll.sudo",
        "give sudo's password: --ask-become-password or --become-password-file FILE",
    ),
    (
        r"No matching distribution found|Could not find a version that satisfies",
        "enroll.wheels",
        "see which wheels fit: farm wheels; or name a folder that has them: --wheels FOLDER",
    ),
    (
        r"THESE PACKAGES DO NOT MATCH THE HASHES",
        "enroll.wheels",
        "the wheel differs from the pinned one: fetch it anew (remove it from the folder)",
    ),
    (
        r"is not a supported wheel on this platform",
        "enroll.wheels",
        "this wheel does not fit the device's Python; leave it out of the folder",
    ),
    (r"No module named '?(ensurepip|venv|pip)", "enroll.no-pip", "install python3-venv there"),
    (
        r"Temporary failure resolving|Could not resolve|Network is unreachable|Failed to fetch",
        "enroll.no-network",
        "the device has no network for its package manager: install what the message names by hand",
    ),
)


def failed(ended: Ended) -> FarmError:
    """The error for a failed or unreachable task."""
    where = f"device {ended.device}: task '{ended.task}'" + (f" of role {ended.role}" if ended.role else "")
    ours = _OURS.search(ended.reason)
    if ours:
        code, text = ours[1], _short(ours[2])
        return InfrastructureError(f"device {ended.device}: {text}", code=code, fix=FIXES.get(code, AGAIN))
    reason = _short(ended.reason) or "no reason given"
    if ended.status == "unreachable":
        return InfrastructureError(
            f"{where}: the link broke: {reason}", code="link.lost", fix=f"check the link, then {AGAIN}"
        )
    for pattern, code, fix in _SIGNS:
        if re.search(pattern, ended.reason):
            told = fix or FIXES[code]
            return InfrastructureError(f"{where} failed: {reason}", code=code, fix=told)
    return InfrastructureError(
        f"{where} failed: {reason}", code="enroll.task", fix=f"correct it, then {AGAIN}"
    )


def clock_is_off(name: str, off_s: float) -> InfrastructureError:
    """The device lives in another time."""
    years = off_s / (365.25 * 86400)
    far = f"{years:.0f} years" if years >= 1 else f"{off_s:.0f} s"
    return InfrastructureError(
        f"device {name}: its clock is {far} away from this machine's", code="enroll.clock",
        fix=FIXES["enroll.clock"],
    )  # fmt: skip


def _short(text: str) -> str:
    """The telling lines: the first and the last ones."""
    lines = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(lines) > 5:
        lines = [*lines[:2], "...", *lines[-3:]]
    told = "; ".join(lines)
    return told if len(told) <= 600 else f"{told[:300]} ... {told[-280:]}"
