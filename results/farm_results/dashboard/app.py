"""The application: routes of every page, static files, log-in, changes, and errors as pages."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import FarmBug, FarmError, UsageError
from farm_results.dashboard import whole
from farm_results.dashboard.access import Access
from farm_results.dashboard.blocks import Download, grids_of
from farm_results.dashboard.fleet import Fleet, NoFleet
from farm_results.dashboard.guard import SESSION, Guard, TooLargeError
from farm_results.dashboard.pages import Registered, View, registered
from farm_results.dashboard.query import Query, address_of
from farm_results.dashboard.render import Shell, file_name, preload, render_error, render_page

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from farm_results.store import Store

AT_ONCE = 8
DECIDED = ("dashboard.decided", "baseline.accepted")
NOT_FOUND = ("results.unknown-", "dashboard.unknown-", "device.unknown")


def _to_stderr(error: BaseException) -> None:
    sys.stderr.write("".join(traceback.format_exception(error)))


@dataclass(frozen=True)
class Dashboard:
    """What an application is made of. ``hosts``: names under which it may be asked for, beside addresses.
    ``metrics``: the body and media type of /metrics. ``complain``: hears of our own defects, while they are
    handled."""

    store: Store
    access: Access
    fleet: Fleet = field(default_factory=NoFleet)
    hosts: Iterable[str] = ()
    metrics: Callable[[], tuple[bytes, str]] | None = None
    now: Callable[[], float] = time.time
    complain: Callable[[BaseException], None] = _to_stderr

    def app(self) -> Starlette:
        """The application; it may run in any ASGI server. Raises ModuleNotFoundError without starlette."""
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from starlette.routing import Mount, Route
        from starlette.staticfiles import StaticFiles

        from farm_results.dashboard.changes import change_routes
        from farm_results.pages import STATIC

        whole.register()
        preload()  # what an update of farm puts in their place does not fit the code that runs
        pages = registered()
        shown = [Route(path, self._endpoint(page, pages)) for page in pages for path in page.paths]
        own = Path(__file__).resolve().parent / "static"
        return Starlette(
            routes=[
                *shown,
                *change_routes(self),
                Route("/metrics", self._metrics),
                Mount("/static/dashboard", StaticFiles(directory=own)),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[Middleware(Guard, access=self.access, hosts=tuple(self.hosts), now=self.now)],
            exception_handlers={
                404: self._nowhere,
                405: self._nowhere,
                TooLargeError: self._too_large,
                Exception: self._broken,
            },
        )

    def shell(self, request: Request, pages: tuple[Registered, ...] | None = None) -> Shell:
        """What stands around every page."""
        session = str(request.scope.get(SESSION, ""))
        nav = [
            (each.nav[1], each.paths[0], each.paths)
            for each in (registered() if pages is None else pages)
            if each.nav
        ]
        return Shell(
            path=address_of(request.scope),
            store=self.store.name,
            nav=tuple((name, path) for name, path, _ in nav),
            session=session,
            secret=self.access.form_secret(session) if session else "",
            read_only=self.access.read_only,
            now_unix_s=self.now(),
        )

    def _endpoint(self, page: Registered, pages: tuple[Registered, ...]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return await self.quietly(request, lambda: self._show(request, page, pages))

        return endpoint

    def _show(self, request: Request, page: Registered, pages: tuple[Registered, ...]) -> Response:
        """One page, one file of it, or its rows as CSV. Runs in a thread: all of it waits for a disk."""
        from starlette.responses import HTMLResponse
        from starlette.responses import Response as Plain

        from farm_results.pages.grid import csv_text

        query = Query(address_of(request.scope), _parameters(request))
        found = page.page(View(self.store, self.fleet, query, request.path_params, self.now()))
        if isinstance(found, Download):
            headers = {"content-disposition": f'attachment; filename="{file_name(found.file_name)}"'}
            return Plain(found.data, media_type=found.media_type, headers=headers)
        if wanted := query.text("csv", 100):
            grids = grids_of(found)
            if wanted not in grids:
                raise UsageError(
                    f"this page has no table called {wanted!r}",
                    code="dashboard.unknown-table",
                    fix=f"one of: {', '.join(grids) or 'it has none'}",
                )
            headers = {"content-disposition": f'attachment; filename="{file_name(wanted)}.csv"'}
            return Plain(csv_text(grids[wanted]), media_type="text/csv; charset=utf-8", headers=headers)
        return HTMLResponse(render_page(found, query, self.shell(request, pages)))

    async def quietly(self, request: Request, work: Callable[[], Response]) -> Response:
        """Do the work in a thread, a few at a time; what fails becomes a page that says so."""
        from anyio import to_thread

        try:
            return await to_thread.run_sync(work, limiter=self._limiter())
        except FarmError as error:
            return self.refused(request, error)
        except Exception as error:  # noqa: BLE001 - a page must neither end the server nor show a trace
            return self._defect(request, error)

    def refused(self, request: Request, error: FarmError) -> Response:
        """The page of an error."""
        from starlette.responses import HTMLResponse

        if isinstance(error, FarmBug):
            self.complain(error)
        headers = {"retry-after": "10"} if status_of(error) == 503 else None
        shell = self.shell(request)
        # What was decided meanwhile stands on the page of the same address.
        again = shell.path if request.method == "POST" and status_of(error) != 404 else ""
        return HTMLResponse(render_error(error, shell, again), status_of(error), headers=headers)

    def _limiter(self) -> Any:  # noqa: ANN401 - anyio's, which is made inside a running loop
        from anyio import CapacityLimiter

        found = self.__dict__.get("_made_limiter")
        if found is None:
            found = CapacityLimiter(AT_ONCE)
            object.__setattr__(self, "_made_limiter", found)
        return found

    async def _metrics(self, request: Request) -> Response:
        from starlette.responses import Response as Plain

        def made() -> Response:
            if self.metrics is None:
                raise UsageError("this server has no metrics", code="dashboard.unknown-page")
            body, media_type = self.metrics()
            return Plain(body, media_type=media_type)

        return await self.quietly(request, made)

    async def _nowhere(self, request: Request, error: Exception) -> Response:  # noqa: ARG002 - Starlette's
        missing = UsageError(
            f"there is no page {request.scope['path'][:200]}", code="dashboard.unknown-page", fix="begin at /"
        )
        return self.refused(request, missing)

    async def _too_large(self, request: Request, error: Exception) -> Response:  # noqa: ARG002
        large = UsageError("that is more than any form of ours holds", code="serve.too-large")
        return self.refused(request, large)

    async def _broken(self, request: Request, error: Exception) -> Response:
        return self._defect(request, error)

    def _defect(self, request: Request, error: Exception) -> Response:
        """The page of a defect of ours; what it was, only ``complain`` hears."""
        from starlette.responses import HTMLResponse

        self.complain(error)
        text = f"the page could not be made: {type(error).__name__}"
        told = FarmBug(text, code="farm.bug", fix="report it; the server says where the trace is")
        return HTMLResponse(render_error(told, self.shell(request)), 500)


def status_of(error: FarmError) -> int:
    """The HTTP status of an error: 404 for what is not there, 400 for what makes no sense, 503 else."""
    if error.code == "serve.too-large":
        return 413
    if error.code.startswith(NOT_FOUND):
        return 404
    if isinstance(error, FarmBug):
        return 500
    if isinstance(error, UsageError) and not error.code.startswith("store."):
        return 409 if error.code in DECIDED else 400
    return 503


def _parameters(request: Request) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in list(request.query_params.multi_items())[:200]:
        found.setdefault(name[:100], []).append(value)
    return found
