"""Tune against an exhaustive sweep of the same space: how good is what it finds, at which share of the time?

For each network: first ``farm tune``, then every configuration measured whole by the same protocol, through
the same library. The best of the sweep has the lowest p50; tune's loss is what its configuration takes longer
*in the sweep's own numbers*, so that noise between the two measurements of one configuration does not count
for or against it. Run it on a quiet machine:

    python benchmarks/tune_vs_sweep.py                                  three networks, the whole protocol
    python benchmarks/tune_vs_sweep.py model.onnx --smoke --runtimes onnxruntime --no-gate
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from farm.benchmark import calibrated_in, inspect_in
from farm.config import Config, load_config
from farm.measure import Measure, plan_of
from farm.plan import Request
from farm.progress import Lines, Silent
from farm.sample import sample_model
from farm.tune import engine, goals
from farm.tune.rounds import Bench
from farm.tune.score import STAGES, Score
from farm.tune.space import Axes, Point
from farm_agent.wire import GatePlan

AIM_LOSS, AIM_SHARE = 0.02, 0.25


@dataclass(frozen=True)
class Row:
    """One network. ``loss``: tune's configuration against the sweep's best, by the sweep's numbers;
    ``share``: device time of tune over that of the sweep."""

    model: str
    configurations: int
    tuned: str
    best: str
    tuned_ns: float
    best_ns: float
    loss: float
    tune_s: float
    sweep_s: float
    share: float


def main() -> int:
    """Entry point; 1 when an aim is missed."""
    options = _options()
    rows = []
    with tempfile.TemporaryDirectory(prefix="farm-sweep-") as scratch:
        folder = Path(scratch)
        config = replace(load_config(), store=str(folder / "store"), state_dir=folder / "state")
        models = options.models or _networks(folder)
        for model in models:
            rows.append(_compare(model, config, options))
            _print(rows[-1], as_json=options.json)
    return int(any(row.loss > AIM_LOSS or row.share > AIM_SHARE for row in rows))


def _compare(model: Path, config: Config, options: argparse.Namespace) -> Row:
    blocks = plan_of(smoke=options.smoke, blocks=options.blocks, min_time_s=options.min_time)
    request = Request(
        models=(model,),
        devices=(options.device,),
        batch=(1,) if options.batch else (),
        blocks=blocks,
        measure=Measure(gate=GatePlan() if options.gate else None),
        calib_random=8,  # quantised configurations are a part of the space; only their speed is compared
    )
    axes = Axes(runtimes=tuple(options.runtimes), precisions=tuple(options.precisions))
    latency = goals.objectives(("latency",))
    wish = engine.Wish(request=request, axes=axes, objectives=latency, trials=options.trials)
    make = Silent if options.quiet else Lines
    outcome = engine.tune(wish, config, make, lambda text: print(text, file=sys.stderr))
    (report,) = outcome.reports
    if report.best is None:
        sys.exit(f"{model}: tune found nothing: {report.rows[0].why}")
    swept: dict[str, Score] = {}

    def told(_device: str, point: Point, score: Score) -> None:
        swept[point.key] = score

    bench = Bench(request, config, inspect_in(config), make, "sweep", calibrated_in(config, request))
    bench.measure(STAGES[2], {report.space.device.name: (report.space, report.space.points)}, told)
    usable = {key: one.values["latency"].value for key, one in swept.items() if one.usable}
    if not usable:
        sys.exit(f"{model}: the sweep measured nothing: {next(iter(swept.values())).why}")
    best = min(usable, key=lambda key: usable[key])
    tuned_ns = usable.get(report.best.key, float("inf"))
    sweep_s = sum(one.device_s for one in swept.values())
    return Row(
        model=outcome.model.name,
        configurations=len(report.space.points),
        tuned=report.best.key,
        best=best,
        tuned_ns=tuned_ns,
        best_ns=usable[best],
        loss=tuned_ns / usable[best] - 1,
        tune_s=report.used_s,
        sweep_s=sweep_s,
        share=report.used_s / sweep_s,
    )


def _print(row: Row, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(row)), flush=True)
        return
    print(
        f"{row.model}: {row.configurations} configurations; tune: {row.tuned} ({row.tuned_ns / 1e3:.4g} us), "
        f"sweep: {row.best} ({row.best_ns / 1e3:.4g} us); {row.loss:+.1%} at {row.share:.0%} of the device "
        f"time ({row.tune_s:.0f} of {row.sweep_s:.0f} s)",
        flush=True,
    )


def _networks(folder: Path) -> list[Path]:
    """The bundled network, a convolution net and a stack of matrix products."""
    from tests.farm.networks import conv_net, heavy_net

    return [
        sample_model(),
        conv_net(folder / "convolutions.onnx", width=64),
        heavy_net(folder / "matrices.onnx", size=256, layers=4),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", type=Path, help="default: three small networks")
    parser.add_argument("--device", default="local")
    parser.add_argument("--runtimes", nargs="*", default=[])
    parser.add_argument("--precisions", nargs="*", default=["fp32", "fp16", "int8"])
    parser.add_argument("--trials", type=int, default=0, help="default: the whole space is screened")
    parser.add_argument("--batch", action="store_true", help="the models leave their first dimension free")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--min-time", type=float, metavar="SECONDS")
    parser.add_argument("--no-gate", dest="gate", action="store_false")
    parser.add_argument("--json", action="store_true", help="a line of JSON per network")
    parser.add_argument("--quiet", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
