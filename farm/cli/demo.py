"""``farm demo``: a simulated fleet to look around in."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.output import print_json, print_text, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.demo.story import LEAST_NIGHTS, NIGHTS
from farm.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from farm.demo.simulate import Demo

MOST_NIGHTS = 366


@click.command(
    epilog=examples(
        "farm demo",
        "farm demo --into /tmp/demo --nights 60",
        'farm serve --store "$(farm demo --quiet)"',
    )
)
@click.option(
    "--into",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The demo's own store; by default a folder beside farm's state.",
)
@click.option(
    "--nights",
    type=click.IntRange(LEAST_NIGHTS, MOST_NIGHTS),
    help=f"How many nights to simulate (default {NIGHTS}).",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of the random numbers (default 1).")
@click.option("--again", is_flag=True, help="Make it anew where it is there already.")
@json_option
@pass_state
def command(state: State, folder: Path | None, nights: int | None, seed: int | None, again: bool) -> int:
    """Make a store of simulated nights, to see every page.

    Six devices that do not exist, 30 nights, one model that becomes slower, one device that changes, one
    series that falls silent: random numbers through the real code, every result marked SIMULATED, in a store
    of their own. Prints the store's folder; it takes about a minute.
    """
    from farm.demo.simulate import demo

    began = time.monotonic()
    made = demo(
        (folder or _default_folder(state)).absolute(),
        nights=nights or NIGHTS,
        seed=1 if seed is None else seed,
        now_unix_s=time.time(),
        tell=_teller(),
        again=again or nights is not None or seed is not None,
    )
    _tell(made, time.monotonic() - began)
    if state.json:
        print_json({**asdict(made), "folder": str(made.folder), "origin": "simulated"})
    else:
        print_text(str(made.folder))
    return EXIT_OK


def _default_folder(state: State) -> Path:
    """What --store names, else a folder of the demo's own: never the store that the settings name."""
    if state.config.origin("store") != "flag":
        return state.config.state_dir / "demo"
    if "://" in state.config.store:
        raise UsageError(
            "a demo is made in a folder, not in a database",
            code="demo.not-a-folder",
            fix="name a folder of its own: farm demo --into DIR",
        )
    return Path(state.config.store)


def _teller() -> Callable[[int, int], None]:
    """Counts the nights on a terminal; elsewhere says when a third is done."""
    shown = sys.stderr.isatty()

    def tell(done: int, nights: int) -> None:
        if shown or done == nights or done % max(1, nights // 3) == 0:
            say(f"simulated {done} of {nights} nights")

    return tell


def _tell(made: Demo, seconds: float) -> None:
    how = "was there already; --again makes it anew" if made.reused else f"took {seconds:.0f} s"
    words = ", ".join(f"{count} {word}" for word, count in sorted(made.findings.items()))
    say(
        f"SIMULATED: {made.devices} devices, {made.nights} nights, {made.results} results ({how})\n"
        f"its nights found: {words or 'nothing'}"
    )
    store, address = shlex.quote(str(made.folder)), "http://127.0.0.1:8787"
    pages = [("", "what waits for somebody, the worst first")]
    if made.step_series:
        pages.append((f"trend/{made.step_series}", "the model that became slower: suspects, and what to do"))
    pages.append(("devices/demo-rpi4", "a device that became slower itself"))
    width = max(len(page) for page, _ in pages)
    say("look around:")
    say(f"  farm serve --store {store}")
    for page, what in pages:
        say(f"    {address}/{page:<{width}}  {what}")
    report = f"farm report {made.last_run} --html demo.html"
    for line in ("farm nightly status", report, "farm compare last~1 last"):
        say(f"  {line} --store {store}")
