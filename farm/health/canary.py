"""The canary network: the bundled one, run on a device by the way that every job takes, short and not stored.

It tells whether the device still works: reached, leased, shipped to, its outputs right. How long it took is
compared with the device's own earlier canaries.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError, JobError
from farm.health.record import Canary

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.devices.session import Session
    from farm.drive import Fetched
    from farm_agent.wire import Facts, JobSpec
    from farm_converters.recipe import Artifact
    from farm_profiles import Profile, Target

PRECISION = "fp32"
PATIENCE_S = 15.0
PROCESS_TIMEOUT_S = 180.0
# Short, but with enough runs for a median: a tenth of a millisecond each on a PC, some ms on a board.
MIN_TIME_NS, MIN_RUNS, MAX_TIME_NS = 300_000_000, 100, 10_000_000_000
WARMUP_MIN_NS, WARMUP_MAX_NS = 100_000_000, 3_000_000_000
# What says nothing of the device: it is in use, we were stopped, or this machine is at fault.
OTHERS = ("lease.", "run.", "store.", "host.", "cache.")
IN_USE = ("device.busy", "lease.timeout", "lease.stopped", "lease.lost", "lease.fenced", "lease.reserved")


@dataclass(frozen=True)
class Sung:
    """A canary that ended right, and the device's facts then."""

    canary: Canary
    facts: Facts


def sing(
    engine: Engine,
    session: Session,
    *,
    cache_dir: Path,
    holder: str,
    wait_s: float,
    stop: threading.Event,
    now: float,
) -> Sung:
    """Run the canary under the device's lease. Raises the FarmError that it ended with, canary.wrong and
    canary.no-runtime among them; ``speaks_of_device`` tells whose fault that is."""
    import tempfile

    from farm import audit
    from farm.drive import Driver, Watcher, shipment_of

    session.hello(patience_s=PATIENCE_S)  # an open connection may be a dead one
    facts = session.facts(patience_s=PATIENCE_S)
    target = chosen(session.profile, facts)
    artifact = artifact_of(target, cache_dir)
    spec = job_of(artifact, target, session.profile)
    parts = list(zip(artifact.spec.files, artifact.paths, strict=True))
    if artifact.golden and artifact.golden_path:
        parts.append((artifact.golden.blob, artifact.golden_path))
    kept: list[float] = []
    version: list[str] = []

    def keep(fetched: Fetched) -> None:
        # Judged before it is acknowledged; what it raises is passed on by the driver.
        version.append(fetched.result.runtime_version)
        kept.append(_p50_ns(fetched))

    with tempfile.TemporaryDirectory(prefix="farm-canary-") as scratch:
        driver = Driver(session, engine, holder, stop, wait_s, Path(scratch), owner=audit.person())
        driver.drive(spec, shipment_of(parts), keep, Watcher())
    series = f"{target.runtime} {version[0]} {PRECISION} x{target.threads}"
    return Sung(Canary(now, series, kept[0]), facts)


def chosen(profile: Profile, facts: Facts) -> Target:
    """The profile's first target whose runtime the device has; those that take the file as it is go first.

    Raises InfrastructureError ``canary.no-runtime``.
    """
    from farm_converters.convert import where

    there = {fact.name for fact in facts.runtimes if not fact.unavailable}
    found = [target for target in profile.targets if target.precision == PRECISION]
    found = [target for target in found if where("onnx", target.format) == "host"]
    usable = [target for target in found if target.runtime in there]
    if not usable:
        wanted = ", ".join(dict.fromkeys(target.runtime for target in found)) or "nothing that can be checked"
        raise InfrastructureError(
            f"none of the profile's runtimes is on the device: {wanted}",
            code="canary.no-runtime",
            fix="install one there: farm enroll does; farm doctor --devices says why one cannot be used",
        )
    return min(usable, key=lambda target: target.format != "onnx")


def speaks_of_device(error: FarmError) -> bool:
    """Whether an error may be the device's fault: not this machine's, and not that it is in use."""
    from farm.errors import FarmBug, UsageError

    if isinstance(error, FarmBug) or error.code.startswith((*OTHERS, *IN_USE)):
        return False
    # A key that is no file here, an address of a scheme that is not there
    return not isinstance(error, UsageError)


def artifact_of(target: Target, cache_dir: Path) -> Artifact:
    """The bundled network as the target's runtime takes it. Raises InfrastructureError ``host.canary``."""
    from farm.sample import sample_model
    from farm_converters.convert import convert
    from farm_converters.inspect import inspect_model
    from farm_converters.recipe import Recipe
    from farm_converters.shapes import resolve_shapes

    try:
        model = inspect_model(sample_model())
        shapes = resolve_shapes(model, {}, None)
        recipe = Recipe(
            format=target.format, precision=PRECISION, shapes=shapes, seed=0, options=dict(target.convert)
        )
        return convert(model, recipe, cache_dir, report=lambda _text: None)
    except FarmError as error:  # it says nothing of the device
        raise InfrastructureError(
            f"the canary network could not be made here: {error.message}",
            code="host.canary",
            fix=error.fix or "farm doctor",
        ) from error


def job_of(artifact: Artifact, target: Target, profile: Profile) -> JobSpec:
    """A short job with a new id."""
    from farm.measure import PROTOCOL
    from farm_agent.wire import BlockPlan, JobSpec

    return JobSpec(
        job_id=f"canary-{uuid.uuid4().hex[:12]}",
        fence=0,
        artifact=artifact.spec,
        runtime=target.runtime,
        plan=BlockPlan(
            blocks=1,
            min_time_ns=MIN_TIME_NS,
            min_runs=MIN_RUNS,
            max_time_ns=MAX_TIME_NS,
            warmup_min_ns=WARMUP_MIN_NS,
            warmup_max_ns=WARMUP_MAX_NS,
        ),
        threads=target.threads,
        options=dict(target.options),
        golden=artifact.golden,
        process_timeout_s=min(PROCESS_TIMEOUT_S, profile.limits.process_timeout_s),
        memory_limit_bytes=(profile.limits.memory_mb or 0) * 1024 * 1024,
        protocol=PROTOCOL,
    )


def _p50_ns(fetched: Fetched) -> float:
    from farm_results.scenarios import summarise

    result = fetched.result
    if result.failure is not None:
        raise result.failure.to_error()
    if result.outcome != "ok":
        raise InfrastructureError(
            f"the canary was {result.outcome}", code="canary.cut-short", fix="farm health run checks it again"
        )
    if result.check is None or not result.check.passed:
        raise _wrong(fetched)
    latency, _ = summarise(fetched.spec, result, fetched.samples)
    if latency is None:
        raise JobError("the canary came back without samples", code="canary.wrong")
    return float(latency.p50_ns)


def _wrong(fetched: Fetched) -> JobError:
    check = fetched.result.check
    off = f": off by {check.max_abs_error:g} of {check.max_reference:g}" if check else ""
    return JobError(
        f"the device computes the canary network wrongly{off}",
        code="canary.wrong",
        fix="do not trust its numbers; check its memory, its clocks and its runtime's installation",
    )
