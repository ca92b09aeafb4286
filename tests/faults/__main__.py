"""A long run: ``python -m tests.faults --count 1000 --seed 7``. Status 1 when anything is lost or left."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.faults import campaign, plan
from tests.faults.count import Counts
from tests.faults.fault import Fault
from tests.faults.zygote import Drivers


def main() -> int:
    """Draw, inject, count, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="faults to inject (default: 100)")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed draws the same faults (default: 1)"
    )
    parser.add_argument(
        "--only", default="", help="only faults whose name contains this: fetch/, /kill, result"
    )
    parser.add_argument("--list", action="store_true", help="print the drawn faults and end")
    parser.add_argument("--keep", action="store_true", help="leave the folder with the drivers' logs")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, each with a seed of its own")
    parser.add_argument("--json", action="store_true", help="the counts as JSON on stdout")
    options = parser.parse_args()
    if options.jobs > 1 and not options.list:
        return _side_by_side(options)
    # Some do not happen: a driver that met another one before never gets there.
    faults = plan.mixed(options.count * 3 // 2, options.seed, options.only)
    if options.list:
        print("\n".join(" + ".join(fault.name for fault in group) for group in plan.volleys(faults)))
        return 0
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background ignores Ctrl-C otherwise
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="farm-faults-"))
    site = campaign.site_in(folder / "site", folder / "cache")
    began_s = time.monotonic()

    latest = campaign.Outcome()

    def tell(outcome: campaign.Outcome) -> None:
        nonlocal latest
        latest = outcome
        done = len(outcome.injected)
        left_s = (time.monotonic() - began_s) / max(1, done) * max(0, options.count - done)
        line = f"{done}/{options.count} faults, {outcome.drivers} drivers, {left_s / 60:.0f} min left"
        print(f"seed {options.seed}:", line, outcome.counts.numbers(), file=sys.stderr)
        while len(outcome.findings) > len(told):
            told.append(len(told))
            names, wrong = outcome.findings[told[-1]]
            print(json.dumps({"injected": names, **wrong}), file=sys.stderr)

    told: list[int] = []
    try:
        with Drivers() as drivers:
            campaign.run(site, drivers, faults, options.seed, enough=options.count, dense=True, tell=tell)
    except KeyboardInterrupt:
        print("interrupted: what was injected until now", file=sys.stderr)
    finally:
        if options.keep:
            print(f"logs: {site.folder}", file=sys.stderr)
        else:
            site.close()
            shutil.rmtree(folder, ignore_errors=True)
    return _print(latest, round(time.monotonic() - began_s), as_json=options.json)


def _print(outcome: campaign.Outcome, seconds: int, *, as_json: bool) -> int:
    """What was injected and counted; 1 when something is wrong."""
    numbers = {"injected": len(outcome.injected), "not met": len(outcome.missed), **outcome.counts.numbers()}
    numbers |= {"troubles": len(outcome.troubles), "drivers": outcome.drivers, "seconds": seconds}
    if as_json:
        print(json.dumps({**numbers, "outcome": asdict(outcome)}, indent=1))
    else:
        print(outcome.table() + "\n\n" + json.dumps(numbers))
    return 0 if outcome.counts.clean() and not outcome.troubles else 1


def _side_by_side(options: argparse.Namespace) -> int:
    """As many processes, each with a site, a share and a seed of its own; what they say is summed."""
    began_s, total = time.monotonic(), campaign.Outcome()
    command = [sys.executable, "-m", "tests.faults", "--json", f"--only={options.only}"]
    command += ["--keep"] if options.keep else []
    shares = [(options.count + number) // options.jobs for number in range(options.jobs)]
    words = [[f"--count={count}", f"--seed={options.seed * 1000 + n}"] for n, count in enumerate(shares)]
    running = [
        subprocess.Popen(command + each, stdout=subprocess.PIPE, text=True, process_group=0) for each in words
    ]

    def end(*_: object) -> None:
        for each in running:
            each.terminate()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    whole = True
    for each in running:
        said, _ = each.communicate()
        if each.returncode not in (0, 1) or not said:
            whole = False
            total.troubles.append(f"a run ended with {each.returncode}: what it counted is missing here")
        found = json.loads(said)["outcome"] if said else {}
        for name in ("missed", "injected"):
            getattr(total, name).extend(Fault(**fault) for fault in found.get(name, ()))
        total.counts.add(Counts(**found.get("counts", {})))
        total.troubles += found.get("troubles", [])
        total.findings += [(names, wrong) for names, wrong in found.get("findings", ())]
        total.drivers += found.get("drivers", 0)
    return max(_print(total, round(time.monotonic() - began_s), as_json=options.json), 0 if whole else 1)


if __name__ == "__main__":
    sys.exit(main())
