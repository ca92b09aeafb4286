"""``farm results query``: ask the store in SQL."""

from __future__ import annotations

import base64
import math
import sys
from typing import Any

import click

from farm.cli.duration import Duration
from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_NOTHING, EXIT_OK, UsageError

MOST_ROWS = 100_000


@click.command(
    epilog=examples(
        "farm results query",
        "farm results query 'SELECT device, count(*) FROM result GROUP BY device'",
        "farm results query - < slowest.sql",
    )
)
@click.argument("sql", required=False, metavar="[SQL|-]")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_ROWS),
    default=1000,
    show_default=True,
    help="At most so many rows.",
)
@click.option("--timeout", type=Duration(), default="30s", show_default=True, help="Give up after this long.")
@json_option
@pass_state
def query(state: State, sql: str | None, limit: int, timeout: float) -> int:
    """Ask the store in SQL; it can only be read.

    Without SQL: list the tables and their columns. With -, read the SQL from standard input. One SELECT, WITH
    or VALUES. Exit code 4 when there are no rows.
    """
    from farm_results.storage import query as asking
    from farm_results.store import open_store

    text = sys.stdin.read() if sql == "-" else sql
    if text is not None and not text.strip():
        raise UsageError("the SQL is empty", code="results.bad-query", fix="farm results query")
    store = open_store(state.config.store)
    try:
        if text is None:
            found = asking.tables(store)
            answer = None
        else:
            answer = asking.ask(store, text, limit=limit, timeout_s=timeout)
    finally:
        store.close()
    if answer is None:
        if state.json:
            print_json({"schema": "farm.tables/1", "tables": found})
        else:
            print_table(("table", "columns"), [(name, ", ".join(found[name])) for name in found])
        return EXIT_OK
    if state.json:
        rows = [[_plain(value) for value in row] for row in answer.rows]
        print_json(
            {"schema": "farm.query/1", "columns": list(answer.columns), "rows": rows, "more": answer.more}
        )
    else:
        print_table(answer.columns, asking.shown(answer.rows))
    if answer.more:
        say(f"only the first {limit} rows; --limit allows up to {MOST_ROWS}")
    return EXIT_OK if answer.rows else EXIT_NOTHING


def _plain(value: Any) -> Any:  # noqa: ANN401 - what a database holds
    """As JSON can hold it: bytes as base64, what is no number as null."""
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
