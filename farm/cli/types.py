"""Option types that several commands share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """The epilog of a command's help."""
    return "\n".join(("\b", "Examples:", *(f"  {line}" for line in lines)))


class CommaList(click.ParamType[tuple[str, ...]]):
    """``a,b,c`` as a tuple of texts without blanks; with ``choices``, anything else is refused."""

    name = "list"

    def __init__(self, choices: Sequence[str] = ()) -> None:
        self.choices = tuple(choices)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Split ``value``; empty items are refused."""
        items = value if isinstance(value, tuple) else tuple(part.strip() for part in str(value).split(","))
        for item in items:
            if not item:
                self.fail(f"{value!r} has an empty item", param, ctx)
            if self.choices and item not in self.choices:
                near = difflib.get_close_matches(item, self.choices, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"use one of: {', '.join(self.choices)}"
                self.fail(f"{item!r} is not known; {hint}", param, ctx)
        return items


class CommaInts(click.ParamType[tuple[int, ...]]):
    """``1,4`` as a tuple of whole numbers of at least ``minimum``."""

    name = "numbers"

    def __init__(self, minimum: int = 1) -> None:
        self.minimum = minimum

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Split and check ``value``."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",")]
        for part in parts:
            if not (part.isascii() and part.isdigit() and int(part) >= self.minimum):
                self.fail(f"{part!r} is not a whole number of at least {self.minimum}", param, ctx)
        return tuple(int(part) for part in parts)


def list_option(
    *names: str, kind: CommaList | CommaInts | None = None, metavar: str = "A,B", text: str
) -> Callable[[F], F]:
    """Decorator for an axis of the matrix: ``-x a,b`` and ``-x a -x b`` give the same tuple, once each.

    ``text`` is the option's help.
    """
    return click.option(
        *names, type=kind or CommaList(), multiple=True, callback=_flatten, metavar=metavar, help=text
    )


def _flatten(
    _context: click.Context, _parameter: click.Parameter, value: tuple[tuple[str | int, ...], ...]
) -> tuple[str | int, ...]:
    return tuple(dict.fromkeys(item for items in value for item in items))


class KeyValue(click.ParamType[tuple[str, str]]):
    """``key=value`` as a pair; the value may hold further equal signs."""

    name = "pair"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first equal sign."""
        if isinstance(value, tuple):
            return value
        key, sign, text = str(value).partition("=")
        if not key.strip() or not sign:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key.strip(), text.strip()
