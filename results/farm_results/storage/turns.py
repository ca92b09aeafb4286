"""One writer at a time in this process, for databases that let in one only.

SQLite lets the losers of a race sleep and try again, without an order: with hundreds of devices some would
give up while others come first again and again. A lock hands the turn on at once, and costs nothing where
nobody waits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


class Turns:
    """Who writes through an engine now."""

    def __init__(self, engine: Engine, longest_wait_s: float) -> None:
        from sqlalchemy import event

        self._lock = threading.Lock()
        self._writers: set[int] = set()
        self._longest_wait_s = longest_wait_s
        event.listen(engine.pool, "checkin", self._over)
        event.listen(engine.pool, "invalidate", self._over)

    def take(self, connection: Connection) -> None:
        """Wait until nobody else of this process writes; the database itself then keeps out other processes.

        Goes on without the turn after the longest wait, so that the database tells what holds it up.
        """
        if self._lock.acquire(timeout=self._longest_wait_s):
            self._writers.add(id(connection.connection.dbapi_connection))

    def _over(self, connection: Any, *_more: object) -> None:  # noqa: ANN401 - DBAPI
        if id(connection) in self._writers:
            self._writers.discard(id(connection))
            self._lock.release()
