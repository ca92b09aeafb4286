"""What people decide about findings: each once, with who and why, and taken back again."""

from __future__ import annotations

from pathlib import Path

from farm.fleet_view import FleetView
from farm_results.finding import ACCEPTED, ACKNOWLEDGED, INVALID
from farm_results.history import baselines, findings
from tests.results.dashboard.scene import scene
from tests.results.dashboard.test_dashboard import client_of


def test_people_decide_findings(tmp_path: Path) -> None:
    """Acknowledged, accepted, and open again: the baseline moves and comes back, the audit has who and why; a
    stale form is told, one that was sent twice changes nothing."""
    made = scene(tmp_path)
    fleet = FleetView(made.store, tmp_path / "inventory.toml", alarm_after_s=3600.0)
    client = client_of(made, fleet=fleet).log_in("ann")
    page, address = f"/trend/{made.series}", f"/findings/{made.finding}"
    form = {"secret": client.secret(page), "was": "new", "next": page}
    assert client.post(address, form | {"state": ACKNOWLEDGED}).status_code == 400, "without a reason"
    for _ in range(2):  # a button pressed twice
        answer = client.post(address, form | {"state": ACKNOWLEDGED, "note": "looking"})
        assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert "looking" in client.get(page).text
    for stale in ({"state": INVALID, "note": "stale"}, {"state": ACCEPTED, "note": "stale"}):
        answer = client.post(address, form | stale)
        assert answer.status_code == 409
        assert f'<a href="{address}">As it is now</a>' in answer.text
    before = baselines.current(made.store, made.series)
    assert before is not None
    assert before.job_id == "night-m-000", "neither the finding nor the baseline, or both"
    form |= {"was": ACKNOWLEDGED, "note": "the new runtime is worth it"}
    assert client.post(address, form | {"state": "nonsense"}).status_code == 400
    assert client.post("/findings/never", form | {"state": INVALID}).status_code == 404
    for _ in range(2):
        assert client.post(address, form | {"state": ACCEPTED}).status_code == 303
    held = baselines.current(made.store, made.series)
    assert held is not None
    assert (held.job_id, held.actor) == ("night-m-039", "ann@dashboard")
    assert findings.get(made.store, made.finding).state == ACCEPTED
    assert client.post("/findings/finding-2", form | {"was": "new", "state": ACCEPTED}).status_code == 400
    assert len(baselines.history(made.store, made.series)) == 2
    assert f'id="finding-{made.finding}"' in client.get(page).text, "where the form leads back to"
    assert client.post(address, form | {"state": INVALID}).status_code == 409
    form |= {"was": ACCEPTED, "note": "too hasty"}
    assert client.post(address, form | {"state": "new"}).status_code == 303
    held = baselines.current(made.store, made.series)
    assert held is not None
    assert held.job_id == before.job_id
    assert findings.get(made.store, made.finding).state == "new"
    told = client.get(f"{address}?csv=audit").text.splitlines()
    for line, words in zip(
        told[1:],
        ("is open again: too hasty", "too hasty", "worth it", "worth it", "looking"),
        strict=True,
    ):
        assert "ann@dashboard" in line, line
        assert words in line, line
    for page in ("/queue", "/findings", "/"):
        assert f'href="{address}"' in client.get(page).text, page
    made.store.close()
