"""Tables of settings that name a kind, ``[SECTION.NAME]`` with ``kind = "..."``, strictly read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farm.errors import UsageError
from farm.kinds import Key

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_POSITIVE = (
    "interval_s",
    "update_s",
    "accuracy_pct",
    "window_s",
    "timeout_s",
    "quantum",
    "wraps_at",
    "off_s",
)
_WORDS = {str: "text", int: "whole number", float: "number", list: "list", bool: "true or false"}


def read_tables(
    tables: object,
    origin: str,
    section: str,
    kinds: Sequence[str],
    keys_of: Callable[[str], Mapping[str, Key]],
) -> dict[str, dict[str, Any]]:
    """Every table by name. Raises UsageError config.type, config.unknown-key."""
    if not isinstance(tables, dict):
        raise wrong(origin, section, tables, f"tables like [{section}.desk]")
    return {name: _table(name, table, origin, section, kinds, keys_of) for name, table in tables.items()}


def check(origin: str, place: str, rule: Key, key: str, value: Any) -> None:  # noqa: ANN401 - TOML
    """Refuse a value that its key does not take."""
    names = " or ".join(_WORDS[kind] for kind in rule.kinds)
    is_bool = isinstance(value, bool) and bool not in rule.kinds
    if is_bool or not isinstance(value, rule.kinds) or value in ("", []):
        raise wrong(origin, place, value, f"a {names}")
    if isinstance(value, list) and not all(isinstance(word, str) and word for word in value):
        raise wrong(origin, place, value, "a list of texts")
    if rule.choices and value not in rule.choices:
        raise wrong(origin, place, value, f"one of {', '.join(rule.choices)}")
    if key in _POSITIVE and not 0 < float(str(value)) < math.inf:
        raise wrong(origin, place, value, "a number above 0")


def wrong(origin: str, place: str, value: object, expected: str) -> UsageError:
    """The error for a value of another kind."""
    return UsageError(
        f"{origin}: {place} is {str(value)[:80]!r}, expected {expected}",
        code="config.type",
        fix=f"set {place} to {expected} in {origin}",
    )


def _table(
    name: str,
    table: object,
    origin: str,
    section: str,
    kinds: Sequence[str],
    keys_of: Callable[[str], Mapping[str, Key]],
) -> dict[str, Any]:
    place = f"{section}.{name}"
    if not NAME.fullmatch(name):
        raise wrong(origin, place, name, "a name of letters, digits, dots, dashes and underscores")
    if not isinstance(table, dict):
        raise wrong(origin, place, table, "a table")
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise wrong(origin, f"{place}.kind", kind, f"one of {', '.join(kinds)}")
    keys = keys_of(kind)
    for key, value in table.items():
        if key not in keys:
            what = "meter" if section == "meters" else "switch"
            raise UsageError(
                f"{origin}: a {what} of kind {kind} has no setting {key!r}",
                code="config.unknown-key",
                fix=f"use one of: {', '.join(sorted(keys))}",
            )
        check(origin, f"{place}.{key}", keys[key], key, value)
    for key, rule in keys.items():
        if rule.required and key not in table:
            raise wrong(origin, f"{place}.{key}", None, "a value")
    return dict(table)
