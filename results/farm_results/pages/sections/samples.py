"""The raw samples of a result for its charts, or why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm_agent.errors import FarmError
from farm_results.model import Result
from farm_results.view import raw

if TYPE_CHECKING:
    from farm_results.storage.objects import Objects


def samples_of(objects: Objects | None, result: Result) -> tuple[list[raw.Process], str]:
    """(processes, ""), or (nothing, the reason): a page must show what can be shown."""
    try:
        job = raw.job_of(result)
        if job is None or not result.sample_hashes:
            none_kept = result.status == "ok" and (job is None or job.tool is None)
            return [], "no raw samples were kept" if none_kept else ""
        if objects is None:
            return [], "the raw samples lie in the store that measured this"
        return raw.load(result, job, objects), ""
    except FarmError as error:
        return [], f"{error.message} [{error.code}]" + (f"; {error.fix}" if error.fix else "")
