"""Every step's network measured on devices, through ``farm.benchmark``."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farm.config import Config
from farm.optimize.folder import Folder, kept
from farm.plan import Request
from farm.progress import Reporter
from farm_agent import codec, runtimes
from farm_converters.training.contract import write_json
from farm_converters.training.recipe import TrainingRecipe
from farm_results.model import Result

TFLITE_RUNTIME = "litert"


@dataclass(frozen=True)
class Network:
    """One step of one seed as a file. ``tflite``: the framework's own TFLite file of a quantised network,
    which LiteRT then runs instead of one made from ``path``."""

    step: int
    seed: int
    path: Path
    quantised: bool
    tflite: Path | None = None


def measure(
    networks: Sequence[Network],
    folder: Folder,
    request: Request,
    config: Config,
    reporter: Reporter,
) -> list[Mapping[str, Any]]:
    """A row per network and target; the rows of an earlier call when nothing changed and none failed.

    Quantised networks are measured as int8, the others at the request's precisions, on the test split.
    """
    file = folder.root / "measured.json"
    key = _key(networks, request)
    rows = kept(file, key)
    if rows and all(row["status"] == "ok" for row in rows):
        return rows
    rows = []
    floats = [network for network in networks if not network.quantised]
    quantised = [network for network in networks if network.quantised]
    for group, asked in (
        (floats, request),
        (quantised, replace(request, precisions=("int8",))),
    ):
        own = [replace(network, path=network.tflite) for network in group if network.tflite]
        wanted = request.runtimes or runtimes.names()
        if own and TFLITE_RUNTIME in wanted:
            others = tuple(name for name in wanted if name != TFLITE_RUNTIME)
            only = replace(asked, runtimes=(TFLITE_RUNTIME,), data=_by_place(folder.test))
            rows += _run(own, only, config, reporter)
            rows += _run(group, replace(asked, runtimes=others), config, reporter) if others else []
        elif group:
            rows += _run(group, asked, config, reporter)
    write_json(file, {"key": key, "rows": rows})
    return rows


def request_of(recipe: TrainingRecipe, folder: Folder, devices: Sequence[str], base: Request) -> Request:
    """What is asked of ``farm.benchmark`` for every network of the recipe."""
    return replace(
        base,
        devices=tuple(devices) or recipe.bench.devices,
        runtimes=recipe.bench.runtimes,
        precisions=recipe.bench.precisions or ("fp32",),
        threads=recipe.bench.threads,
        batch=(1,),
        data=folder.test,
        metric=recipe.metric,
        preprocess="raw",
        calib=folder.calibration if "int8" in recipe.bench.precisions else None,
        labels={"optimize": recipe.name},
    )


def _by_place(test: Path) -> Path:
    """The test split for a network whose framework gave its only input another name."""
    with zipfile.ZipFile(test) as archive:
        names = {Path(info.filename).stem for info in archive.infolist()} - {"labels"}
    return Path(f"{test}:x={names.pop()}") if len(names) == 1 else test


def _run(
    group: Sequence[Network], request: Request, config: Config, reporter: Reporter
) -> list[Mapping[str, Any]]:
    from farm.benchmark import execute, plan_for

    plan = plan_for(replace(request, models=tuple(network.path for network in group)), config, reporter.note)
    outcome = execute(plan, config, reporter, command=("farm", "optimize"))
    by_name = {network.path.stem: network for network in group}
    if outcome.interrupted:
        raise KeyboardInterrupt
    return [_row(by_name[result.model], result) for result in outcome.results if result.status != "skipped"]


def _row(network: Network, result: Result) -> dict[str, Any]:
    latency = result.latency
    return {
        "step": network.step,
        "seed": network.seed,
        "device": result.device,
        "runtime": result.runtime,
        "precision": result.precision,
        "threads": result.threads,
        "status": result.status,
        "p50_ns": latency.p50_ns if latency else None,
        "p50_low_ns": latency.p50_low_ns if latency else None,
        "p50_high_ns": latency.p50_high_ns if latency else None,
        "verdict": result.verdict.word,
        "accuracy": result.accuracy,
        "precision_share": result.precision_share,
        "artifact_bytes": result.artifact_bytes,
        "error_code": result.error_code,
        "error_message": result.error_message,
        "run_id": result.run_id,
        "job_id": result.job_id,
    }


def _key(networks: Sequence[Network], request: Request) -> str:
    """Everything that is measured, by content, and everything that is asked for."""
    files = [(n.step, n.seed, n.quantised, _sha256(n.path), _sha256(n.tflite)) for n in networks]
    given = [_sha256(path) for path in (request.data, request.calib)]
    asked = codec.encode(replace(request, data=None, calib=None))
    return hashlib.sha256(codec.dumps([files, given, asked]).encode()).hexdigest()


def _sha256(path: Path | None) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""
