"""``farm serve``: the dashboard."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.output import print_json, print_problem, printable, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from farm_results.dashboard.server import Bound

TOKEN_FILE = "dashboard-token"  # noqa: S105 - a file's name


@click.command(
    "serve",
    epilog=examples(
        "farm serve                                   for this machine alone",
        "farm serve --open",
        "farm serve --host 0.0.0.0 --allow-host farm.lan",
        "farm --store postgresql://farm@db/farm serve --read-only",
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0: a free one.")
@click.option("--read-only", is_flag=True, help="Nobody may change anything, with the token neither.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Holds the token, made on first use; default: in the state folder.",
)
@click.option(
    "--allow-host",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="A name under which browsers reach it (repeatable); addresses always may.",
)
@click.option("--open", "in_browser", is_flag=True, help="Open it in this machine's browser.")
@json_option
@pass_state
def command(
    state: State,
    host: str,
    port: int,
    read_only: bool,
    token_file: Path | None,
    allowed: tuple[str, ...],
    in_browser: bool,
) -> int:
    """Serve the dashboard: nights, devices, runs, trends.

    On this machine alone everybody may look; any other address, and every change, needs the token. It is
    made on first use in a file that only you may read, which is named here. Ctrl-C ends it; a page that is
    being made is ended first.
    """
    _needs()
    from farm.fleet_view import fleet_of
    from farm_results import exporter
    from farm_results.dashboard.access import Access, read_token
    from farm_results.dashboard.app import Dashboard
    from farm_results.dashboard.server import bind, is_loopback, serve
    from farm_results.store import open_store

    file = token_file or state.config.state_dir / TOKEN_FILE
    token = read_token(file)
    bound = bind(host, port)
    try:
        store = open_store(state.config.store)
        try:
            access = Access(token, open_reading=is_loopback(host), read_only=read_only, port=bound.port)
            dashboard = Dashboard(
                store,
                access,
                fleet_of(store, state.config),
                hosts=(*allowed, *_own_names(host)),
                metrics=lambda: (exporter.metrics_of(store).encode(), exporter.CONTENT_TYPE),
                complain=_complain,
            )
            serve(dashboard.app(), bound, started=lambda: _announce(state, bound, file, in_browser))
        finally:
            store.close()
    finally:
        bound.listener.close()
    say("the dashboard has ended")
    return EXIT_OK


def _announce(state: State, bound: Bound, file: Path, in_browser: bool) -> None:
    from farm_results.dashboard.server import is_loopback

    if state.json:
        print_json({"schema": "farm.serve/1", "url": bound.url, "port": bound.port, "token_file": str(file)})
        sys.stdout.flush()
    say(f"farm's dashboard: {bound.url}")
    say(f"the token, for changes and for other machines: {file}")
    if not is_loopback(bound.host):
        say("this is plain HTTP: whoever reads along on the network reads the token, too (docs/dashboard.md)")
    if in_browser:
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(bound.url,), daemon=True).start()


def _own_names(host: str) -> tuple[str, ...]:
    """What this machine calls itself, and the name that was asked for."""
    own = socket.gethostname()
    return (host, own, own.partition(".")[0])


def _complain(error: BaseException) -> None:
    from farm.cli.crash import write_crash_log

    text = f"{type(error).__name__}: {error}; the trace is in {write_crash_log()}"
    print_problem("farm.bug", printable(text))


def _needs() -> None:
    """Raises UsageError serve.needs-extra."""
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the dashboard needs {error.name}, which is not installed",
            code="serve.needs-extra",
            fix="pip install 'edgefarm[serve]'",
        ) from error
