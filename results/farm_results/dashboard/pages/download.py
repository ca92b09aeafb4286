"""A run's results as a file of any report format."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from farm_agent.errors import UsageError
from farm_results import report
from farm_results.dashboard.blocks import Download
from farm_results.dashboard.pages import View

PATHS = ("/download/{kind}",)
MOST = 2000
MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


def page(view: View) -> Download:
    """The newest ``MOST`` results of a run; more come by ``farm results export``."""
    kind = view.parts["kind"]
    if kind not in MEDIA:
        raise UsageError(
            f"no download is called {kind[:40]!r}",
            code="dashboard.unknown-page",
            fix=f"one of: {', '.join(MEDIA)}",
        )
    run_id = view.store.find_run(view.query.text("run") or "last")
    results = view.store.results(run_id, limit=MOST + 1)
    if len(results) > MOST:
        raise UsageError(
            f"run {run_id} has more than {MOST} results",
            code="dashboard.too-many",
            fix=f"farm results export {run_id} --out results.{kind}",
        )
    module = report.load(kind)
    if hasattr(module, "render"):
        data = str(module.render(results)).encode("utf-8", "backslashreplace")
    else:
        with TemporaryDirectory(prefix="farm-") as folder:
            path = Path(folder) / f"results.{module.SUFFIX}"
            module.write(results, path)
            data = path.read_bytes()
    return Download(data, MEDIA[kind], f"farm-{run_id}.{module.SUFFIX}")
