"""A long run: ``python -m tests.faults --count 1000 --seed 7``. Status 1 when anything is lost or left."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults import campaign, plan
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
    parser.add_argument("--json", action="store_true", help="the counts as JSON on stdout")
    options = parser.parse_args()
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
        print(line, outcome.counts.numbers(), file=sys.stderr)
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
    numbers = {"injected": len(latest.injected), "not met": len(latest.missed), **latest.counts.numbers()}
    numbers |= {"troubles": len(latest.troubles), "seconds": round(time.monotonic() - began_s)}
    if options.json:
        print(json.dumps({**numbers, "findings": latest.findings}, indent=1))
    else:
        print(latest.table() + "\n\n" + json.dumps(numbers))
    return 0 if latest.counts.clean() and not latest.troubles else 1


if __name__ == "__main__":
    sys.exit(main())
