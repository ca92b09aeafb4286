"""A result's document as it lies in the store: read when somebody looks into it, since most who read results
never do, and nine tenths of a result are its document."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from farm_agent import codec
from farm_agent.errors import UsageError
from farm_results.model import Result

_SMALL = ("artifact", "facts", "spec")
"""What many results are asked for at once: the job beside them is nine tenths of the text."""
_SPEC = ',"spec":'
_SCAN = json.JSONDecoder().raw_decode


class Document(Mapping[str, Any]):
    """What ``pack`` was given. What is damaged is refused at once, by its checksum.

    Looking into one that was never a document raises UsageError ``store.corrupt``.
    """

    def __init__(self, packed: bytes) -> None:
        """Raises DecodeError for what is not packed."""
        try:
            self.text = zlib.decompress(packed).decode()
        except (zlib.error, TypeError, UnicodeDecodeError) as error:  # SQLite may hand out text
            raise codec.DecodeError("document", "packed JSON", str(error)) from error
        self._values: dict[str, Any] | None = None
        self._parts: dict[str, Any] | None = None

    def values_read(self) -> dict[str, Any]:
        """All of it. Raises DecodeError for what is no document."""
        if self._values is None:
            try:
                found = json.loads(self.text)
            except (ValueError, RecursionError) as error:
                raise codec.DecodeError("document", "packed JSON", str(error)) from error
            if not isinstance(found, dict):
                raise codec.DecodeError("document", "an object", type(found).__name__)
            self._values = found
        return self._values

    def lacks(self, name: str) -> bool:
        """Whether surely no object of that name is anywhere in it; costs no reading."""
        return f'"{name}":{{' not in self.text

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - JSON
        if self._values is None and key in _SMALL:
            if self._parts is None:
                self._parts = _beside_job(self.text)
            if key in self._parts:
                return self._parts[key]
        return self._looked_into()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._looked_into())

    def __len__(self) -> int:
        return len(self._looked_into())

    def __repr__(self) -> str:
        return repr(self._values) if self._values is not None else f"Document({len(self.text)} characters)"

    def _looked_into(self) -> dict[str, Any]:
        try:
            return self.values_read()
        except codec.DecodeError as error:
            raise UsageError(
                f"a result's document cannot be read: {error}",
                code="store.corrupt",
                fix="farm results verify names it; restore the store from a backup",
            ) from error


def _beside_job(text: str) -> dict[str, Any]:
    """What stands before ``job`` and the ``spec`` behind it, in canonical JSON: keys in order, no spaces.
    What cannot be told apart for certain is left out."""
    found: dict[str, Any] = {}
    try:
        at = 1 if text[0] == "{" else len(text)
        while True:
            key, at = _SCAN(text, at)
            if key == "job" or text[at] != ":":
                break
            found[key], at = _SCAN(text, at + 1)
            if text[at] != ",":
                return found
            at += 1
        # The last key of that name; of the outermost object where only its end follows.
        spec, end = _SCAN(text, text.rindex(_SPEC) + len(_SPEC))
        if text[end:] == "}":
            found["spec"] = spec
    except (ValueError, IndexError, RecursionError):
        return {}
    return found


def result_of(record: str, packed: bytes | None, *, whole: bool = True) -> Result:
    """A result as it lies in its rows. Raises DecodeError or JSONDecodeError, which ``store_faults`` turns
    into ``store.corrupt``; where it need not be ``whole``, its document is read later."""
    values = json.loads(record)
    if packed is None:
        raise codec.DecodeError("document", "one beside the row", "none")
    if isinstance(values, dict):
        document = Document(packed)
        values["document"] = document.values_read() if whole else document
    return codec.decode(Result, values)
