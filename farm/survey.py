"""Ask every device of a plan what it has, without measuring anything: for ``--dry-run``."""

from __future__ import annotations

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from farm import parallel
from farm.devices.device import Device
from farm.devices.session import Session
from farm.errors import FarmError
from farm.plan import Cell, Plan
from farm.worker import runtime_problem
from farm_agent import pack
from farm_agent.wire import Facts
from farm_profiles import Profile


def surveyed(plan: Plan, cache_dir: Path) -> Plan:
    """The plan with what the devices themselves say: unreachable ones fail, missing runtimes are skipped.

    Devices are asked in parallel; the agent is put where it is not yet, nothing else is.
    """
    packed = pack.build(cache_dir / "agents")
    asked = {cell.device.name: (cell.device, cell.profile) for cell in plan.cells if cell.runs}
    if not asked:
        return plan
    # Devices that are this very machine would all load every runtime at once.
    here = threading.Semaphore(os.cpu_count() or 1)

    def asked_in_turn(pair: tuple[Device, Profile]) -> Facts | FarmError:
        with here if pair[0].transport == "local" else contextlib.nullcontext():
            return ask(*pair, packed)

    count, _ = parallel.at_once(len(asked), plan.request.parallel)
    with ThreadPoolExecutor(count) as pool:
        answers = dict(zip(asked, pool.map(asked_in_turn, asked.values()), strict=True))
    cells = tuple(_settled(plan, cell, answers.get(cell.device.name)) for cell in plan.cells)
    return replace(plan, cells=cells)


def ask(device: Device, profile: Profile, packed: pack.Packed) -> Facts | FarmError:
    """What a device says it is, or why it does not answer."""
    session = Session(device, profile, packed, stop=threading.Event())
    try:
        return session.facts(patience_s=0.0)
    except FarmError as error:
        return error
    finally:
        session.close()


def _settled(plan: Plan, cell: Cell, answer: Facts | FarmError | None) -> Cell:
    if not cell.runs or answer is None:
        return cell
    if isinstance(answer, FarmError):
        return replace(cell, error=answer)
    try:
        return replace(cell, skip=runtime_problem(plan.request, cell, answer))
    except FarmError as error:
        return replace(cell, error=error)
