"""What the dashboard changes: sessions, and what people make of findings. Every change is a form of ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from farm_agent.errors import FarmError, UsageError
from farm_results.dashboard.access import BEARER, NAME_LIMIT, SESSION_S, actor
from farm_results.dashboard.guard import SESSION
from farm_results.dashboard.render import render_login
from farm_results.finding import ACCEPTED, NEW, STATES
from farm_results.history import findings, moves
from farm_results.text import printable

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from farm_results.dashboard.app import Dashboard
    from farm_results.store import Store

NOTE_LIMIT = 500
FIELDS = 20


def change_routes(dashboard: Dashboard) -> list[Route]:
    """The routes that accept a POST."""
    from starlette.responses import HTMLResponse, RedirectResponse
    from starlette.routing import Route

    access = dashboard.access

    async def ask(request: Request) -> Response:
        there = local_path(request.query_params.get("next", "/"))
        if request.scope.get(SESSION):
            return RedirectResponse(there, 303)
        lost = "Nothing was changed: your session has ended. Log in, then send it once more."
        problem = lost if request.query_params.get("lost") else ""
        return HTMLResponse(render_login(dashboard.shell(request), there, problem))

    async def log_in(request: Request) -> Response:
        form = await _form(request)
        there = local_path(form.get("next", "/"))
        name = printable(form.get("name", "").strip(), NAME_LIMIT)
        if not access.is_token(form.get("token", "").strip()) or not name:
            text = "That is not the token." if name else "Say who you are: it stands in the audit trail."
            return HTMLResponse(render_login(dashboard.shell(request), there, text, name), 403)
        answer = RedirectResponse(there, 303)
        answer.set_cookie(
            access.cookie,
            access.begin(dashboard.now(), name),
            max_age=int(SESSION_S),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    async def log_out(request: Request) -> Response:  # noqa: ARG001 - Starlette's
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(access.cookie, httponly=True, samesite="strict")
        return answer

    async def triage(request: Request) -> Response:
        form = await _form(request)
        try:
            session = str(request.scope.get(SESSION, ""))
            if session != BEARER and not access.is_form_secret(session, form.get("secret", "")):
                raise UsageError(
                    "this form is not of this session",
                    code="serve.form",
                    fix="open the page again and send it from there",
                )
        except FarmError as error:
            return dashboard.refused(request, error)
        finding_id, there = request.path_params["finding"], local_path(form.get("next", "/"))

        def work() -> Response:
            decide(
                dashboard.store,
                finding_id,
                form.get("state", ""),
                actor(session),
                printable(form.get("note", "").strip(), NOTE_LIMIT),
                was=form.get("was") or None,
            )
            return RedirectResponse(there, 303)

        return await dashboard.quietly(request, work)

    return [
        Route("/login", ask, methods=["GET"]),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/findings/{finding:whole}", triage, methods=["POST"]),
    ]


def decide(store: Store, finding_id: str, state: str, who: str, note: str, *, was: str | None = None) -> None:
    """Put a finding into a state; ``accepted`` also makes its result the series' baseline, and ``new`` undoes
    what was decided. The same decision once more, as of a button pressed twice, changes nothing.

    ``was``: the state that the person saw. Raises UsageError results.unknown-finding, results.finding-state,
    dashboard.note, dashboard.decided; and as ``moves.accept`` and ``Store`` do.
    """
    found = findings.get(store, finding_id)
    if state not in STATES:
        raise UsageError(
            f"{state!r} is nothing that a finding can become",
            code="results.finding-state",
            fix=f"one of: {', '.join(STATES)}",
        )
    if not note:
        raise UsageError(
            "say why: it is kept in the audit trail", code="dashboard.note", fix="fill in the note"
        )
    seen = found.state if was is None else was
    try:
        _put(store, found.finding_id, state, who, note, seen)
    except UsageError as error:
        if error.code not in ("dashboard.decided", "baseline.accepted"):
            raise
        now = findings.get(store, found.finding_id)
        if (now.state, now.note) != (state, note):
            raise


def _put(store: Store, finding_id: str, state: str, who: str, note: str, was: str) -> None:
    if state == ACCEPTED:
        moves.accept(store, finding_id, actor=who, reason=note, was=was)
    elif state == NEW:
        moves.reopen(store, finding_id, actor=who, reason=note, was=was)
    else:
        findings.triage(store, finding_id, state, who, note, was=was)


def local_path(text: str) -> str:
    """A path of this server, whatever a link asked for: nobody is sent elsewhere."""
    plain = text.startswith("/") and not text.startswith("//") and text.isprintable() and "\\" not in text
    return text[:2000] if plain else "/"


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a form that are text; files are left out."""
    async with request.form(max_files=0, max_fields=FIELDS) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
