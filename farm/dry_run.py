"""The plan as people and programs read it, without running any of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farm.config import Config
from farm.outline import outline
from farm.plan import Cell, Plan

COLUMNS = ("job", "model", "device", "runtime", "prec", "format", "threads", "what happens")


def plan_rows(plan: Plan, config: Config) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """A row per cell: what would be converted, what is cached, what would be skipped or fail and why. The
    batch has a column where one was asked for."""
    batched = any(cell.batch is not None for cell in plan.cells)
    rows = [
        (
            cell.job_id.rsplit("-", 1)[1],
            cell.model_name,
            cell.device.name,
            cell.target.runtime,
            cell.target.precision,
            cell.target.format,
            str(cell.target.threads),
            *((str(cell.batch),) if batched else ()),
            _fate(cell, config)[1],
        )
        for cell in plan.cells
    ]
    return (*COLUMNS[:-1], "batch", COLUMNS[-1]) if batched else COLUMNS, rows


def plan_document(plan: Plan, config: Config) -> dict[str, Any]:
    """The same as one JSON document, schema ``farm.plan/1``."""
    return {
        "schema": "farm.plan/1",
        "run_id": plan.run_id,
        "selected": [{"selector": token, "devices": list(names)} for token, names in plan.matched],
        "measure": _measure(plan),
        "jobs": [
            {
                "job_id": cell.job_id,
                "model": cell.model_name,
                "device": cell.device.name,
                "address": cell.device.address,
                "profile": cell.profile.name,
                "format": cell.target.format,
                "runtime": cell.target.runtime,
                "precision": cell.target.precision,
                "threads": cell.target.threads,
                "batch": cell.batch,
                "calibration": cell.recipe.calibration.text
                if cell.recipe and cell.recipe.calibration
                else "",
                "exclude": list(cell.recipe.exclude) if cell.recipe else [],
                "shapes": {name: list(shape) for name, shape in cell.recipe.shapes.items()}
                if cell.recipe
                else {},
                "fate": _fate(cell, config)[0],
                "why": _fate(cell, config)[1],
            }
            for cell in plan.cells
        ],
    }


def _measure(plan: Plan) -> dict[str, Any]:
    """What each job does and about how long it takes, without conversion, shipping and waiting."""
    planned = outline(plan.request.blocks, plan.request.measure)
    return {
        "scenario": plan.request.measure.scenario,
        "options": dict(plan.request.measure.scenario_options),
        "processes": plan.request.blocks.blocks,
        "text": planned.text,
        "least_s_per_job": planned.least_s,
        "most_s_per_job": planned.most_s,
    }


def _fate(cell: Cell, config: Config) -> tuple[str, str]:
    from farm_converters.convert import is_cached, where

    if cell.error is not None:
        fix = f" → {cell.error.fix}" if cell.error.fix else ""
        return "fails", f"fails: {cell.error.code}: {cell.error.message}{fix}"
    if cell.skip or cell.model is None or cell.recipe is None:
        return "skipped", f"skipped: {cell.skip}"
    if where(cell.model.format, cell.target.format) == "device":
        return "runs", "built on the device, then measured"
    if is_cached(cell.model, cell.recipe, config.cache_dir):
        return "runs", "cached artifact, then measured"
    return "runs", "converted and checked, then measured"
