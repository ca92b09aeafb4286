"""Find one id among many by what a person typed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from farm_agent.errors import UsageError


def resolve(typed: str, ids: Sequence[str], what: str) -> str:
    """The one id that is ``typed`` or starts with it. ``what`` is "run" or "job", for messages and codes.

    Raises UsageError ``results.unknown-<what>`` with the nearest ids, ``results.ambiguous-<what>``.
    """
    if typed in ids:
        return typed
    hits = [one for one in ids if typed and one.startswith(typed)]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise UsageError(
            f"{len(hits)} {what}s start with {typed!r}",
            code=f"results.ambiguous-{what}",
            fix=f"write more of the id: {', '.join(hits[:3])}",
        )
    near = difflib.get_close_matches(typed, ids, n=2, cutoff=0.5) or list(ids[:1])
    raise UsageError(
        f"no {what} is called {typed!r}" if ids else f"the store holds no {what} yet",
        code=f"results.unknown-{what}",
        fix=f"did you mean {' or '.join(near)}? (farm results list)" if near else "farm bench",
    )
