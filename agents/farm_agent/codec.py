"""Strict JSON codec for frozen dataclasses: the only one on the link, in profiles and in the store.

Decoding checks every type and names the path of what is wrong (``JobSpec.artifact.files[0].sha256:
expected str, got int``). Unknown fields are ignored on the wire, so that a newer coordinator may talk
to an older agent, and refused in files that people write (``unknown="refuse"``). What each type asks for is
worked out once: a page may show hundreds of results, each of a hundred fields.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import json
from typing import (
    Any,
    Callable,
    Dict,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

T = TypeVar("T")
_Decoder = Callable[[Any], Any]
_PLAIN = (str, int, float, bool)


class DecodeError(ValueError):
    """The data do not have the shape that the type asks for. The text starts with the path."""

    def __init__(self, path: str, expected: str, got: str) -> None:
        super().__init__(f"{path}: expected {expected}, got {got}")
        self.path = path
        self.expected = expected
        self.got = got


class _Wrong(Exception):
    """What is wrong; its path grows from the inside out, so that it costs nothing where nothing is."""

    def __init__(self, expected: str, got: str, path: str = "") -> None:
        super().__init__(expected)
        self.expected, self.got, self.path = expected, got, path

    def inside(self, part: str) -> _Wrong:
        self.path = part + self.path
        return self


def encode(value: object) -> Any:  # noqa: ANN401 - JSON
    """Turn a dataclass (nested, with tuples and dicts) into plain JSON values."""
    kind: Any = type(value)
    if kind in _PLAIN or value is None:
        return value
    names = _names(kind)
    if names is not None:
        return {name: encode(getattr(value, name)) for name in names}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, collections.abc.Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    return value


def dumps(value: object) -> str:
    """One line of canonical JSON: sorted keys, no spaces. Hashes are taken over this text."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"), allow_nan=True)


def decode(kind: Type[T], data: object, *, path: str = "", unknown: str = "ignore") -> T:
    """Build ``kind`` from JSON values. Raises DecodeError with the path of the first fault."""
    wanted: Any = kind
    try:
        value: T = _decoder(wanted, unknown)(data)
    except _Wrong as wrong:
        raise DecodeError((path or kind.__name__) + wrong.path, wrong.expected, wrong.got) from None
    return value


def loads(kind: Type[T], text: Union[str, bytes]) -> T:
    """``decode`` after parsing ``text``. Raises DecodeError for text that is not JSON, too."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DecodeError(kind.__name__, "JSON", str(error)) from error
    return decode(kind, data)


@functools.lru_cache(maxsize=None)
def _names(kind: type) -> Optional[Tuple[str, ...]]:
    """The fields of a dataclass; None for what is none."""
    if not dataclasses.is_dataclass(kind):
        return None
    return tuple(field.name for field in dataclasses.fields(kind))


@functools.lru_cache(maxsize=None)
def _decoder(kind: Any, unknown: str) -> _Decoder:  # noqa: ANN401 - any type
    if kind is Any or kind is object:
        return _as_it_is
    origin = get_origin(kind)
    if _is_union(kind):
        return _union(kind, unknown)
    if origin in (list, tuple):
        return _sequence(_decoder(get_args(kind)[0], unknown), origin is tuple)
    if origin in (dict, collections.abc.Mapping):
        return _mapping(_decoder(get_args(kind)[1], unknown))
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, unknown)
    return functools.partial(_scalar, kind)


def _is_union(kind: Any) -> bool:  # noqa: ANN401
    return get_origin(kind) is Union or type(kind).__name__ == "UnionType"  # X | None has a type of its own


def _as_it_is(data: Any) -> Any:  # noqa: ANN401
    return data


def _union(kind: Any, unknown: str) -> _Decoder:  # noqa: ANN401
    members = [member for member in get_args(kind) if member is not type(None)]
    optional = len(members) < len(get_args(kind))
    decoders = [_decoder(member, unknown) for member in members]
    expected = "one of {}".format(", ".join(_type_name(member) for member in members))

    def one_of(data: Any) -> Any:  # noqa: ANN401
        if data is None and optional:
            return None
        if len(decoders) == 1:
            return decoders[0](data)
        for decoder in decoders:
            try:
                return decoder(data)
            except _Wrong:
                continue
        raise _Wrong(expected, _name(data))

    return one_of


def _sequence(item: _Decoder, as_tuple: bool) -> _Decoder:  # noqa: FBT001 - of this file alone
    def sequence(data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, (list, tuple)):
            raise _Wrong("list", _name(data))
        items = []
        try:
            for value in data:
                items.append(item(value))  # noqa: PERF401 - how far it came is told
        except _Wrong as wrong:
            raise wrong.inside(f"[{len(items)}]") from None
        return tuple(items) if as_tuple else items

    return sequence


def _mapping(item: _Decoder) -> _Decoder:
    def mapping(data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            if item is _as_it_is and isinstance(data, collections.abc.Mapping):
                return data  # one of our own, which is read when somebody looks into it
            raise _Wrong("object", _name(data))
        if item is _as_it_is:
            return {str(key): value for key, value in data.items()}
        values, key = {}, ""
        try:
            for key, value in data.items():
                values[str(key)] = item(value)
        except _Wrong as wrong:
            raise wrong.inside(f".{key}") from None
        return values

    return mapping


def _dataclass(kind: Any, unknown: str) -> _Decoder:  # noqa: ANN401
    def built(data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            raise _Wrong("object", _name(data))
        if unknown == "refuse":
            known = _names(kind) or ()
            for key in data:
                if key not in known:
                    raise _Wrong("one of the keys {}".format(", ".join(known)), "unknown key", f".{key}")
        values, name = [], ""
        try:
            for name, exact, nothing, decoder, default in _fields(kind, unknown):
                value = data.get(name, _ABSENT)
                if type(value) is exact or (value is None and nothing):
                    values.append(value)
                else:
                    values.append(default() if value is _ABSENT else decoder(value))
        except _Wrong as wrong:
            raise wrong.inside(f".{name}") from None
        return kind(*values)  # a third faster than by name; no message of ours has fields by name alone

    return built


_ABSENT = object()


@functools.lru_cache(maxsize=None)
def _fields(kind: Any, unknown: str) -> Tuple[Tuple[str, Any, bool, _Decoder, Callable[[], Any]], ...]:  # noqa: ANN401
    """Of each field: its name, the type whose values need no look, whether None does not either, its decoder,
    and what stands there where it is absent."""
    hints: Dict[str, Any] = get_type_hints(kind)
    found = []
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        members = [member for member in get_args(hint) if member is not type(None)]
        alone = members[0] if _is_union(hint) and len(members) == 1 else hint
        exact = alone if alone in _PLAIN else None
        found.append((field.name, exact, alone is not hint, _decoder(hint, unknown), _default(field, hint)))
    return tuple(found)


def _default(field: Any, hint: Any) -> Callable[[], Any]:  # noqa: ANN401
    if field.default_factory is not dataclasses.MISSING:
        factory: Callable[[], Any] = field.default_factory
        return factory
    if field.default is not dataclasses.MISSING:
        return lambda: field.default
    return functools.partial(_refuse, _type_name(hint))


def _refuse(needed: str) -> None:
    raise _Wrong(needed, "nothing")


def _scalar(kind: Any, data: Any) -> Any:  # noqa: ANN401
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        try:
            return float(data)
        except OverflowError:
            raise _Wrong("float", f"int of {data.bit_length()} bits") from None
    if not isinstance(data, kind) or (kind in (int, float) and isinstance(data, bool)):
        raise _Wrong(_type_name(kind), _name(data))
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
