"""Strict JSON codec for frozen dataclasses: the only one on the link, in profiles and in the store.

Decoding checks every type and names the path of what is wrong (``JobSpec.artifact.files[0].sha256:
expected str, got int``). Unknown fields are ignored on the wire, so that a newer coordinator may talk
to an older agent, and refused in files that people write (``unknown="refuse"``).
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import json
from typing import Any, Dict, Type, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class DecodeError(ValueError):
    """The data do not have the shape that the type asks for. The text starts with the path."""

    def __init__(self, path: str, expected: str, got: str) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}")
        self.path = path
        self.expected = expected
        self.got = got


def encode(value: object) -> Any:  # noqa: ANN401 - JSON
    """Turn a dataclass (nested, with tuples and dicts) into plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def dumps(value: object) -> str:
    """One line of canonical JSON: sorted keys, no spaces. Hashes are taken over this text."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"), allow_nan=True)


def decode(kind: Type[T], data: object, *, path: str = "", unknown: str = "ignore") -> T:
    """Build ``kind`` from JSON values. Raises DecodeError with the path of the first fault."""
    value: T = _decode(kind, data, path or kind.__name__, unknown)
    return value


def loads(kind: Type[T], text: Union[str, bytes]) -> T:
    """``decode`` after parsing ``text``. Raises DecodeError for text that is not JSON, too."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(kind.__name__, "JSON", str(error)) from error
    return decode(kind, data)


def _decode(kind: Any, data: Any, path: str, unknown: str) -> Any:  # noqa: ANN401 - any type
    if kind is Any or kind is object:
        return data
    origin = get_origin(kind)
    if origin is Union or type(kind).__name__ == "UnionType":  # X | None has a type of its own
        return _decode_union(kind, data, path, unknown)
    if origin in (list, tuple):
        return _decode_sequence(kind, origin, data, path, unknown)
    if origin in (dict, collections.abc.Mapping):
        if not isinstance(data, dict):
            raise DecodeError(path, "object", _name(data))
        value_kind = get_args(kind)[1]
        return {str(k): _decode(value_kind, v, f"{path}.{k}", unknown) for k, v in data.items()}
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, data, path, unknown)
    return _decode_scalar(kind, data, path)


def _decode_union(kind: Any, data: Any, path: str, unknown: str) -> Any:  # noqa: ANN401
    members = [member for member in get_args(kind) if member is not type(None)]
    if data is None and len(members) < len(get_args(kind)):
        return None
    last = DecodeError(path, "one of {}".format(", ".join(_type_name(m) for m in members)), _name(data))
    for member in members:
        try:
            return _decode(member, data, path, unknown)
        except DecodeError as error:
            last = error if len(members) == 1 else last
    raise last


def _decode_sequence(kind: Any, origin: Any, data: Any, path: str, unknown: str) -> Any:  # noqa: ANN401
    if not isinstance(data, (list, tuple)):
        raise DecodeError(path, "list", _name(data))
    item_kind = get_args(kind)[0]
    items = [_decode(item_kind, item, f"{path}[{i}]", unknown) for i, item in enumerate(data)]
    return tuple(items) if origin is tuple else items


def _decode_dataclass(kind: Any, data: Any, path: str, unknown: str) -> Any:  # noqa: ANN401
    if not isinstance(data, dict):
        raise DecodeError(path, "object", _name(data))
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown == "refuse":
        for key in data:
            if key not in fields:
                raise DecodeError(
                    f"{path}.{key}", "one of the keys {}".format(", ".join(fields)), "unknown key"
                )
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _decode(hints[name], data[name], f"{path}.{name}", unknown)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DecodeError(f"{path}.{name}", _type_name(hints[name]), "nothing")
    return kind(**values)


@functools.lru_cache(maxsize=None)
def _hints(kind: Any) -> Dict[str, Any]:  # noqa: ANN401
    """The types of a dataclass's fields; evaluated once, for it costs more than the decoding."""
    return get_type_hints(kind)


def _decode_scalar(kind: Any, data: Any, path: str) -> Any:  # noqa: ANN401
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError:
            raise DecodeError(path, "float", f"int of {data.bit_length()} bits") from None
    if not isinstance(data, kind) or (kind in (int, float) and isinstance(data, bool)):
        raise DecodeError(path, _type_name(kind), _name(data))
    return data


def _type_name(kind: Any) -> str:  # noqa: ANN401
    return getattr(kind, "__name__", str(kind).replace("typing.", ""))


def _name(data: object) -> str:
    if isinstance(data, int) and data.bit_length() > 256:  # Python refuses to spell the largest
        return f"int of {data.bit_length()} bits"
    try:
        text = repr(data)
    except (ValueError, RecursionError):
        text = "..."
    return "{} {}".format(type(data).__name__, text if len(text) <= 60 else text[:57] + "...")
