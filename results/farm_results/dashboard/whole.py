"""A part of an address that may hold anything, as names in foreign stores do: slashes, line breaks."""

from __future__ import annotations

WHOLE = "whole"


def register() -> None:
    """Let routes say ``{name:whole}``; Starlette's own ``path`` ends at a line break."""
    from starlette.convertors import Convertor, register_url_convertor

    class Whole(Convertor[str]):
        """Everything up to the end."""

        regex = r"[\s\S]+"

        def convert(self, value: str) -> str:
            """As it is."""
            return value

        def to_string(self, value: str) -> str:
            """As it is."""
            return value

    register_url_convertor(WHOLE, Whole())
