"""``farm bench --ab REF`` without a model: what REF measured against itself, device by device."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from farm.ab import Terms, confirm
from farm.errors import EXIT_INTERRUPTED, FarmError

if TYPE_CHECKING:
    from farm.benchmark import Outcome
    from farm.config import Config
    from farm.progress import Reporter
    from farm_results.comparison import Comparison
    from farm_results.model import Result

JOIN_S = 0.1


def again(
    config: Config,
    results: Sequence[Result],
    reporter: Reporter,
    *,
    pairs: int,
    terms: Terms,
    command: Sequence[str] = (),
) -> Outcome:
    """Each result's artifact against itself, under a run of its own, one after another. Ctrl-C ends the
    current one cleanly and keeps what was finished."""
    from farm.ab import unplayed
    from farm.benchmark import Outcome, new_run_id
    from farm.config import masked
    from farm.devices.holder import holder_text
    from farm.jobs import spooling
    from farm.version import __version__
    from farm_results.model import Run
    from farm_results.store import open_store
    from farm_results.view.versus import sentence

    run_id = new_run_id()
    store = open_store(config.store)
    run = Run(
        run_id=run_id,
        created_unix_s=time.time(),
        command=tuple(masked(word) for word in command),
        farm_version=__version__,
        host=socket.gethostname(),
        planned=len(results),
        driver=holder_text(f"run {run_id}"),
    )
    made: list[Comparison] = []
    stop = threading.Event()
    own = replace(terms, run_id=run_id)
    safe = spooling.Spooling.of(config.state_dir, store, run)

    def play(number: int, result: Result) -> None:
        what = f"{result.device}  {result.model} {result.runtime} {result.precision}"
        reporter.note(f"{what}: {result.job_id} against itself, {pairs} pairs")
        both = result.job_id, result.job_id
        try:
            found = confirm(
                config, result.device, *both, pairs=pairs, reporter=reporter, terms=own, stop=stop
            )
        except FarmError as error:
            lost = unplayed.of_result(result, f"{run_id}-{number:03}", run_id, error)
            spooling.keep_comparison(store, safe, lost, reporter.note)
            made.append(lost)
            reporter.note(f"{what}: FAILED {error.code}: {error.message}")
        else:
            made.append(found)
            reporter.note(f"{result.device}  {sentence(found)}")

    try:
        store.add_run(run)
        for number, result in enumerate(results):
            if stop.is_set():
                break
            _interruptible(partial(play, number, result), stop, reporter)
        spooling.drain(store, safe.spool, reporter.note)
        store.end_run(run_id, "interrupted" if stop.is_set() else "done")
    finally:
        store.close()
    return Outcome(run_id, (), stop.is_set(), tuple(made))


def _interruptible(action: Callable[[], None], stop: threading.Event, reporter: Reporter) -> None:
    """Do it in a thread, so that Ctrl-C can ask it to end what runs on the device before it returns."""
    with ThreadPoolExecutor(1, thread_name_prefix="ab") as pool:
        future = pool.submit(action)
        while not future.done():
            try:
                wait([future], timeout=JOIN_S)
            except KeyboardInterrupt:
                if stop.is_set():
                    os._exit(EXIT_INTERRUPTED)
                stop.set()
                reporter.note("stopping: what was finished is kept, the current comparison ends")
        future.result()
