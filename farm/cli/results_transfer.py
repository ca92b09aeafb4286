"""``farm results import`` and ``merge``: take in what another store remembers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import print_json, print_table, say, say_sentence
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_NOTHING, EXIT_OK, EXIT_PARTIAL, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from farm_results.model import Result
    from farm_results.store import Store
    from farm_results.transfer.cargo import Cargo
    from farm_results.transfer.merge import Merged

SHOWN = 10
MOST_AT_ONCE = 5000
"""So many results with their documents take half a gigabyte."""


@click.command(
    "import",
    epilog=examples(
        "farm results import lab-a.zip",
        "farm results import monday.zip tuesday.zip --json",
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@json_option
@pass_state
def import_bundles(state: State, files: tuple[Path, ...]) -> int:
    """Take in bundles that another farm exported.

    Write one with `farm results export --format bundle --out FILE.zip`. What is here already stays as it is,
    so a second time changes nothing. Exit code 3 when something could not be taken in.
    """
    from farm_results.store import open_store
    from farm_results.transfer.bundle import BundleCargo

    cargoes = [BundleCargo(file) for file in files]  # every file is looked at before anything is done
    store = open_store(state.config.store)
    try:
        return _take_in(state, store, cargoes)
    finally:
        store.close()
        for cargo in cargoes:
            cargo.close()


@click.command(
    epilog=examples(
        "farm results merge /mnt/lab-b/farm",
        "farm --store postgresql://farm@db/farm results merge ~/.local/share/farm",
    )
)
@click.argument("stores", nargs=-1, required=True, metavar="STORE...")
@json_option
@pass_state
def merge(state: State, stores: tuple[str, ...]) -> int:
    """Take in all that other stores remember.

    STORE is a folder, a .db file or a database's URL. Results, runs, comparisons, nights, findings, baselines
    and the audit trail come along, with their samples. What is here already stays as it is, so a second time
    changes nothing. Exit code 3 when something could not be taken in.
    """
    from farm_results.storage.engine import locate
    from farm_results.store import open_store
    from farm_results.transfer.cargo import StoreCargo

    for where in stores:
        location = locate(where)
        if location.url.startswith("sqlite") and not Path(location.name).is_file():
            raise UsageError(
                f"there is no store {location.name}",
                code="results.no-store",
                fix="name a store's folder, its .db file or its URL",
            )
    opened = []
    store = open_store(state.config.store)
    try:
        opened += [open_store(where) for where in stores]
        return _take_in(state, store, [StoreCargo(other, strict=False) for other in opened])
    finally:
        for each in (store, *opened):
            each.close()


def write_bundle(state: State, run: str | None, out: Path) -> int:
    """Write the whole store, or one run of it, as a bundle."""
    from farm.version import __version__
    from farm_results.store import open_store
    from farm_results.transfer.bundle import summary_of
    from farm_results.transfer.bundle import write_bundle as write
    from farm_results.transfer.cargo import StoreCargo

    store = open_store(state.config.store)
    try:
        runs = None if run is None else [store.find_run(run)]
        done = write(StoreCargo(store, runs), out, farm_version=__version__)
    finally:
        store.close()
    if state.json:
        print_json(
            {
                "schema": "farm.bundled/1",
                "file": str(out),
                "rows": done.rows,
                "objects": done.objects,
                "lost": list(done.lost),
            }
        )
    say(f"{summary_of(done.rows) or 'nothing'} and {_many(done.objects, 'file')} written to {out}")
    for sha256 in done.lost[:SHOWN]:
        say_sentence(
            f"warning: the store has lost the file {sha256}; what needs it cannot be taken in elsewhere"
        )
    return EXIT_PARTIAL if done.lost else EXIT_OK


def write_all(state: State, name: str, out: Path | None, wanted: dict[str, Any]) -> int:
    """Write every result that matches, however many there are, run by run."""
    from farm_results import report
    from farm_results.storage.many import Many
    from farm_results.store import open_store

    chosen = {key: value for key, value in wanted.items() if key != "limit"}
    count = 0

    def told() -> Iterator[list[Result]]:
        nonlocal count
        for results in found:
            count, before = count + len(results), count
            if count // 10_000 > before // 10_000:
                say(f"{count} results")
            yield results

    store = open_store(state.config.store)
    try:
        found = Many(store, **chosen)
        if next(iter(found), None) is None:
            say("no result matches")
            return EXIT_NOTHING
        if out is not None:
            report.write_many(name, told(), found.metrics(), out)
        else:
            module = report.load(name)
            if not hasattr(module, "parts"):
                report.render(name, [])  # which says that it needs a file
            sys.stdout.writelines(module.parts(told(), found.metrics()))
    finally:
        store.close()
    if out is not None:
        say(f"{count} result{'s' * (count != 1)} written to {out}")
    return EXIT_OK


def _take_in(state: State, store: Store, cargoes: Sequence[Cargo]) -> int:
    from farm_results.transfer.cargo import KINDS
    from farm_results.transfer.merge import merge as take_in

    done = [(cargo.name, take_in(store, cargo, tell=_progress(cargo.name))) for cargo in cargoes]
    if state.json:
        from farm_agent import codec

        merged = [{"from": name, **codec.encode(what)} for name, what in done]
        print_json({"schema": "farm.merged/1", "into": store.name, "merged": merged})
    else:
        rows = [
            (name, kind, str(what.added.get(kind, 0)), str(what.already.get(kind, 0)))
            for name, what in done
            for kind in KINDS
            if what.added.get(kind, 0) or what.already.get(kind, 0)
        ]
        print_table(
            ("from", "what", "added", "already here"),
            rows,
            align=dict.fromkeys(("added", "already here"), "right"),
        )
    for name, what in done:
        _say_doubts(name, what)
    return EXIT_PARTIAL if any(what.left_out for _, what in done) else EXIT_OK


def _say_doubts(name: str, what: Merged) -> None:
    replaced = f"; {_many(what.replaced, 'failure')} to reach a device replaced" if what.replaced else ""
    say(f"{name}: {_many(what.objects, 'file')} copied{replaced}")
    told = (
        ("not taken in", what.left_out),
        ("differs, ours stays", what.conflicts),
        ("baseline moved", what.moved),
    )
    for text, lines in told:
        for line in lines[:SHOWN]:
            say_sentence(f"{text}: {line}")
        if len(lines) > SHOWN:
            say(f"{text}: {len(lines) - SHOWN} more")


def _many(count: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def _progress(name: str) -> Callable[[str, int], None]:
    """A line for every ten thousand rows."""

    def tell(kind: str, count: int) -> None:
        if count and count % 10_000 == 0:
            say(f"{name}: {count} {kind}")

    return tell
