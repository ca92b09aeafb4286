"""``dataclass`` for messages: their methods are written when the first one of a class is made.

``dataclasses`` compiles six methods for every class. A verb makes instances of a handful of the sixty classes
that it imports; on a small board the others would take longer than all else that it does.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any, Callable, Type, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")
FIELDS = "__dataclass_fields__"
_writing = threading.RLock()


class _Fields:
    """Stands for the fields of a class until somebody asks for them."""

    def __init__(self, owner: Type[Any]) -> None:
        self.owner = owner

    def __get__(self, instance: object, owner: Type[Any]) -> Any:  # noqa: ANN401
        _write(self.owner)
        return getattr(owner, FIELDS)


def _write(owner: Type[Any]) -> None:
    with _writing:
        if isinstance(owner.__dict__.get(FIELDS), _Fields):
            dataclasses.dataclass(frozen=True)(owner)


def _late(owner: Type[T]) -> Type[T]:
    ready = False

    def new(kind: Type[T], /, *_values: object, **_named: object) -> T:
        nonlocal ready
        if not ready:  # whoever comes meanwhile waits: __init__ is looked up after this
            with _writing:
                _write(owner)
                ready = True
        return object.__new__(kind)

    owner.__new__ = staticmethod(new)  # type: ignore[method-assign,assignment]
    setattr(owner, FIELDS, _Fields(owner))
    return owner


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool) -> Callable[[Type[T]], Type[T]]:
        """``dataclasses.dataclass(frozen=True)``, later."""
        if not frozen:
            raise TypeError("messages are frozen")
        return _late
