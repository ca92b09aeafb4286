"""One coordinator and many devices at once: played by the record of a real job, all else is real."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_results.storage.schema import LEASE
from farm_results.store import open_store
from tests import fleet
from tests.farm.runs import Farm, finish
from tests.support import need

COUNT = 30
QUICK = ("-r", "onnxruntime", "--blocks", "1", "--min-time", "50ms", "--min-runs", "10")


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[fleet.Site, str]]:
    """A user, and the "Python" of devices that play a job."""
    need(Path("/usr/bin/python3").exists(), "the played agents run under /usr/bin/python3")
    with fleet.site() as site:
        yield site, fleet.recorded(site, 0.2, QUICK)


def test_memory_threads_and_files_stay_small_however_many_devices_there_are(
    place: tuple[fleet.Site, str],
) -> None:
    site, python = place
    with fleet.local(site, 1, python):
        one = site.bench(*QUICK)
    with fleet.local(site, COUNT, python):
        many = site.bench(*QUICK)
    assert (one.ok, many.ok) == (1, COUNT), many.err
    assert len(many.times()) == COUNT
    assert many.peak_rss_mib - one.peak_rss_mib < 2 * COUNT
    assert many.threads <= one.threads + COUNT
    assert many.files <= one.files + 8 * COUNT
    assert many.err.count("was never checked") == 2, many.err  # once, and the count of the others
    assert "converting to" not in many.err, "one conversion serves every run"


def test_fewer_at_once_are_all_done_in_the_end(place: tuple[fleet.Site, str]) -> None:
    site, python = place
    with fleet.local(site, 8, python):
        found = site.bench(*QUICK, "--parallel", "2")
    times = sorted(found.times(), key=lambda job: job[1])
    assert found.ok == 8, found.err
    for _, begin, _ in times:
        assert sum(other <= begin < end for _, other, end in times) <= 2


def test_an_interrupt_ends_every_job_and_gives_every_device_back(
    place: tuple[fleet.Site, str], tmp_path: Path
) -> None:
    """All leases are held and all jobs run when Ctrl-C comes; each leaves a result."""
    site, python = place
    record = Path(python).parents[1] / "record.json"
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "seconds": 3600.0}))
    user = Farm(tmp_path / "user", site.folder / "cache" / "farm")
    user.folder.mkdir()
    with fleet.local(site, COUNT, python) as roots:
        user.inventory.write_text(site.inventory.read_text())
        running = user.start("--json", "bench", *site.models(), "--devices", "d-*", "--no-gate", *QUICK)
        try:
            while len(list(roots.glob("*/jobs/*/standin"))) < COUNT:
                assert running.poll() is None
                time.sleep(0.05)
            running.send_signal(signal.SIGINT)
        finally:
            done = finish(running)
    record.write_text(json.dumps(document))
    assert done.code == 130, done.err
    assert len(done.rows()) == COUNT
    store = open_store(user.store)
    with store.engine.connect() as connection:
        expiries = [row.expires_unix_s for row in connection.execute(LEASE.select())]
    store.close()
    assert expiries == [0.0] * COUNT
