"""``farm wheels``: which runtimes can be installed where, and wheels for a site without a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples, list_option
from farm.errors import EXIT_OK, EXIT_PARTIAL, FarmError, UsageError

if TYPE_CHECKING:
    from farm.config import Config
    from farm.wheels import Box, WheelPlan

USUAL = {"jetson": "cp310-glibc2.35"}
"""What a family's system has (JetPack 6); the others' is Debian 12."""
DEBIAN_12 = "cp311-glibc2.36"

for_help = "A device of the inventory, a profile (rpi4), or processor-Python-libc: aarch64-cp311-glibc2.36."


@click.group(
    "wheels",
    epilog=examples(
        "farm wheels list",
        "farm wheels list --for rpi4-a",
        "farm wheels fetch --for aarch64-cp311-glibc2.36 --out wheels",
    ),
)
def command() -> None:
    """Say which runtimes fit a device, and fetch them.

    A device without a network is given them as a folder: farm enroll --wheels.
    """


@command.command(
    "list",
    epilog=examples(
        "farm wheels list",
        "farm wheels list --for rpi4-a",
        "farm wheels list --for armv7l-cp311-glibc2.36 --from wheels",
    ),
)
@click.option("--for", "target", default="", metavar="TARGET", help=for_help)
@click.option(
    "--from",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Choose among the wheels of this folder alone.",
)
@json_option
@pass_state
def show(state: State, target: str, folder: Path | None) -> None:
    """Print which runtimes would be installed.

    On one device, or without --for what there is for which.

    The C library is the oldest that will do. What a runtime lacks somewhere is told with the way out.
    """
    from farm import wheels

    if not target:
        if folder is not None:
            raise UsageError("--from needs --for", code="cli.usage", fix="say for which device: --for TARGET")
        rows = _everything()
        if state.json:
            print_json({"schema": "farm.wheels-known/1", "sets": rows})
        else:
            columns = ("processor", "Python", "glibc", "onnxruntime", "litert", "openvino")
            print_table(columns, [[row[name] for name in columns] for row in rows])
        return
    box, runtimes = _box(state.config, target)
    plan = wheels.plan_box(box, runtimes, folder=folder)
    if state.json:
        print_json(_plain(box, plan))
        return
    rows_of = [(name, "yes", " ".join(pins)) for name, pins in plan.requirements.items()]
    rows_of += [(each.runtime, "no", f"{each.why} ({each.fix})") for each in plan.refused]
    print_table(("runtime", "fits", "wheels, or why not"), rows_of, title=box.word)
    if plan.system_packages:
        say(f"from the device's own distribution: {' '.join(plan.system_packages)}")


@command.command(
    epilog=examples(
        "farm wheels fetch --for rpi4-a --out wheels",
        "farm wheels fetch --for aarch64-cp310-glibc2.35 --out wheels",
    )
)
@click.option("--for", "target", required=True, metavar="TARGET", help=for_help)
@click.option(
    "--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to."
)
@list_option("--runtime", "runtimes", text="Only these runtimes.")
@json_option
@pass_state
def fetch(state: State, target: str, folder: Path, runtimes: tuple[str, ...]) -> int:
    """Download a device's wheels, pip's among them.

    On whatever machine this is.

    Several devices may share the folder. Give it to `farm enroll --wheels FOLDER` where there is no network.
    Exit code 3 when some runtime does not exist there.
    """
    from farm import wheels
    from farm.enroll.proposal import PIP, PIP_WHEEL

    if state.config.offline:
        raise UsageError("farm is offline", code="wheels.offline", fix="run it where there is a network")
    box, known = _box(state.config, target)
    plan = wheels.plan_box(box, runtimes or known)
    if not plan.requirements:
        plan.require(runtimes or known)
    say(f"{box.word}: fetching {len(plan.pins())} wheels for {', '.join(plan.requirements)}")
    pip = wheels.WheelPlan(box.python, plan.tags, {"pip": (PIP,)}, wheels={PIP: wheels.Wheel(*PIP_WHEEL)})
    paths = [*wheels.fetch(plan, folder), *wheels.fetch(pip, folder)]
    size = sum(path.stat().st_size for path in paths)
    for each in plan.refused:
        try:
            plan.require([each.runtime])
        except FarmError as error:
            print_error(error)
    if state.json:
        print_json({**_plain(box, plan), "folder": str(folder), "bytes": size})
    else:
        say(f"{len(paths)} wheels, {size / 1e6:.0f} MB, in {folder}")
    if plan.system_packages:
        say(f"the device's own distribution must have: {' '.join(plan.system_packages)}")
    return EXIT_PARTIAL if plan.refused else EXIT_OK


def _box(config: Config, target: str) -> tuple[Box, tuple[str, ...]]:
    """What a word means, and the runtimes that are wanted there."""
    from farm.devices import inventory
    from farm.wheels import box as boxes
    from farm.wheels import runtimes_of
    from farm.wheels.providers import PROVIDERS
    from farm_profiles.load import load_profile, profile_names

    devices = inventory.load(config.inventory_path)
    if target in devices:
        from farm.survey import ask
        from farm_agent import pack

        device = devices[target]
        profile = load_profile(device.profile)
        answer = ask(device, profile, pack.build(config.cache_dir / "agents"))
        if isinstance(answer, FarmError):
            raise answer
        return boxes.of_facts(answer), runtimes_of(profile)
    if target in profile_names():
        profile = load_profile(target)
        system = USUAL.get(profile.family, DEBIAN_12)
        word = f"{profile.arch}-{system}"
        say(f"taking Python and C library of its usual system: {word}; say --for {word} to be sure")
        return boxes.parse(word), runtimes_of(profile)
    return boxes.parse(target), tuple(PROVIDERS)


def _everything() -> Sequence[dict[str, str]]:
    """One row per processor, Python and glibc from which on something is new."""
    from farm.wheels import known
    from farm.wheels.box import OLDEST
    from farm.wheels.providers import PROVIDERS

    rows = []
    for machine in sorted(OLDEST):
        for python in known.pythons(machine):
            for level in known.levels(machine, python):
                row = {"processor": machine, "Python": python, "glibc": level["glibc"]}
                for name, providers in PROVIDERS.items():
                    packages = {words[0] for words in providers}
                    pins = level["requirements"].get(name, ())
                    row[name] = next((pin for pin in pins if pin.partition("==")[0] in packages), "–")
                rows.append(row)
    return rows


def _plain(box: Box, plan: WheelPlan) -> dict[str, object]:
    return {
        "schema": "farm.wheel-plan/1",
        "for": box.word,
        "requirements": {name: list(pins) for name, pins in plan.requirements.items()},
        "refused": [each._asdict() for each in plan.refused],
        "wheels": {pin: wheel._asdict() for pin, wheel in plan.wheels.items()},
        "system_packages": list(plan.system_packages),
    }
