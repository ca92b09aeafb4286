"""SQL that people ask: it reads, it is bounded, and it changes nothing whatever it says."""

from __future__ import annotations

import pytest

from farm_agent.errors import FarmError, UsageError
from farm_results.storage.query import ask, tables
from farm_results.store import Store, open_store
from tests.results.made import result, run

REFUSED = (
    "",
    "   ;",
    "selec 1",
    "DELETE FROM result",
    "DROP TABLE run",
    "SELECT 1; DROP TABLE run",
    "SELECT 1) AS x; DELETE FROM result; --",
    "SELECT 1) AS x; COMMIT; DELETE FROM result; SELECT * FROM (SELECT 1",
    "WITH x AS (DELETE FROM result RETURNING *) SELECT * FROM x",
    "SELECT * FROM nowhere",
    "SELECT 1 /*",
    "SELECT 'nul\x00'",
    "SELECT '\udc80'",
    "PRAGMA user_version",
    "SELECT * FROM pragma_table_info('run')",
    "ATTACH 'x.db' AS x",
    "COPY run TO PROGRAM 'id'",
    "SELECT load_extension('x')",
    "SELECT setval('audit_number_seq', 99)",
    "SELECT randomblob(500000000)",
    "VACUUM",
)
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


def test_queries(store_address: str) -> None:
    """Rows come back, bounded; what is no question is refused, and all is as it was."""
    store: Store = open_store(store_address)
    store.add_run(run())
    for number in range(3):
        store.add_result(result(f"job-{number}"))
    found = ask(store, "SELECT job_id, value FROM result ORDER BY job_id -- all;", limit=2)
    assert (found.columns, found.more) == (("job_id", "value"), True)
    assert found.rows == (("job-0", 4_910_000.0), ("job-1", 4_910_000.0))
    assert not ask(store, "with x as (select 1 as n) select n from x;").more
    assert ask(store, "VALUES (1, 'it''s %s :x %%')").rows == ((1, "it's %s :x %%"),)
    assert "job_id" in tables(store)["result"]
    for sql in REFUSED:
        with pytest.raises(UsageError) as caught:
            ask(store, sql)
        assert caught.value.code == "results.bad-query", sql
    with pytest.raises(FarmError) as late:
        ask(store, ENDLESS, timeout_s=0.2)
    assert late.value.code == "results.query-timeout"
    assert [one.job_id for one in store.results()] == ["job-0", "job-1", "job-2"]
    assert store.add_result(result("job-3"))  # the connection that was asked on is as good as before
    store.close()
