"""The dashboard as a browser sees it, over a fleet in which something of everything happens."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx

from farm_results.dashboard.app import Dashboard
from farm_results.dashboard.fleet import AuditEntry, Canary, DeviceView, JobView, NoFleet, Ticket
from tests.results.dashboard.scene import HOSTILE

TOKEN = "correct-horse-battery-staple-0"  # noqa: S105
HOST = "127.0.0.1:8787"


class Fleet(NoFleet):
    """A fleet in which something of everything happens."""

    def devices(self) -> tuple[DeviceView, ...]:
        """One busy, one quarantined, one with a hostile name."""
        canaries = tuple(Canary(1_791_000_000.0 + k * 86_400, 1e6 + k * 1e4, "ort", 0.0) for k in range(5))
        return (
            DeviceView(
                "pi",
                "rpi4",
                "ssh",
                ("lab",),
                health="good",
                holder="ann@desk",
                job_id="job-1",
                canaries=canaries,
                usual_ns=1e6,
                usual_spread_ns=2e4,
                drift=("kernel 6.1 → 6.6",),
                facts={"cpu": "Cortex-A72"},
            ),
            DeviceView("jetson", "jetson-orin", "ssh", health="quarantined", reason="fan", silent=True),
            DeviceView(HOSTILE, tags=(HOSTILE,), reason=HOSTILE, health="suspect"),
        )

    def device(self, name: str) -> DeviceView | None:
        """By name."""
        return next((one for one in self.devices() if one.name == name), None)

    def jobs(self) -> tuple[JobView, ...]:
        """One that runs."""
        return (JobView("job-9", "run-9", "pi", "started", 12.0, "ann@desk"),)

    def waiting(self) -> tuple[Ticket, ...]:
        """One that waits."""
        return (Ticket("pi", "job-10", HOSTILE, 1, 1_791_000_000.0),)

    def audit(self, device: str | None, limit: int) -> tuple[AuditEntry, ...]:
        """One entry."""
        return (AuditEntry(1_791_000_000.0, "pi", "ann@desk", "lock", HOSTILE),)[:limit]


class Attributes(HTMLParser):
    """Collects what a policy without unsafe-inline forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @classmethod
    def inline(cls, text: str) -> list[str]:
        """Every style and every handler that stands in an attribute."""
        parser = cls()
        parser.feed(text)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the names of one element's attributes."""
        self.found += [f"{tag} {name}" for name, _ in attrs if name == "style" or name.startswith("on")]


@dataclass
class Client:
    """Asks an application as a browser would; keeps its cookie."""

    dashboard: Dashboard
    cookie: str = ""

    def __post_init__(self) -> None:
        self.app = self.dashboard.app()

    def ask(self, method: str, url: str, **extra: Any) -> Any:
        """One request; redirects are not followed."""
        headers = {
            "host": HOST,
            **({"cookie": self.cookie} if self.cookie else {}),
            **extra.pop("headers", {}),
        }

        async def go() -> Any:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                return await client.request(method, url, headers=headers, **extra)

        return asyncio.run(go())

    def get(self, url: str, **extra: Any) -> Any:
        """Look."""
        return self.ask("GET", url, **extra)

    def post(self, url: str, data: dict[str, str], **headers: str) -> Any:
        """Send a form from a page of this server."""
        return self.ask("POST", url, data=data, headers={"origin": f"http://{HOST}", **headers})

    def log_in(self, name: str = "ann") -> Client:
        """Begin a session."""
        answer = self.post("/login", {"token": TOKEN, "name": name, "next": "/"})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        self.cookie = cookie.partition(";")[0]
        return self

    def secret(self, url: str) -> str:
        """Of the forms of a page."""
        found = re.search(r'name="secret" value="([0-9a-f]{64})"', self.get(url).text)
        assert found
        return found[1]
