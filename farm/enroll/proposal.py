"""What would be installed on a device, and why that: its own facts, a profile, the wheels that fit."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.enroll import playbook
from farm.errors import InfrastructureError

if TYPE_CHECKING:
    from farm.enroll.login import Login
    from farm.enroll.survey import Survey
    from farm.wheels import WheelPlan
    from farm_agent.wire import Facts
    from farm_profiles import Profile

AUTO = "auto"
# Runs from its wheel on every Python from 3.8 on; a device need not have one.
PIP = "pip==25.0.1"
PIP_WHEEL = (
    "pip-25.0.1-py3-none-any.whl",
    "c46efd13b6aa8279f33f2864459c8ce587ea6a1a59ee20de055868d8f7688f7f",
)
CALL_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Proposal:
    """``python``: the device's program that the environment is made with."""

    profile: Profile
    facts: Facts
    survey: Survey
    python: str
    plan: WheelPlan

    @property
    def requirements(self) -> list[str]:
        """Lines of a requirements file, pinned and hashed."""
        return self.plan.locked().splitlines()

    @property
    def site_packages(self) -> bool:
        """Whether the environment must see the system's packages: Debian's numpy, a Jetson's TensorRT."""
        return bool(self.plan.system_packages) or bool(self.survey.l4t)

    def lines(self) -> list[tuple[str, str]]:
        """For people: (what, how)."""
        facts, seen = self.facts, self.survey
        memory = f"{facts.memory_bytes / 1e9:.1f} GB" if facts.memory_bytes else "unknown"
        rows = [
            ("board", f"{facts.model or 'does not tell its model'} ({facts.machine}, {facts.cores} cores)"),
            ("memory", memory),
            ("system", f"{facts.os}, kernel {facts.kernel}, {facts.libc or 'C library unknown'}"),
            ("accelerators", _accelerators(seen)),
            ("Python", f"{facts.python} ({self.python})"),
            ("profile", f"{self.profile.name} ({self.profile.title})"),
        ]
        if seen.l4t:
            rows.append(("JetPack", _l4t(seen.l4t)))
        rows += [(f"+ {name}", ", ".join(pins)) for name, pins in self.plan.requirements.items()]
        rows += [(f"- {each.runtime}", f"{each.why} ({each.fix})") for each in self.plan.refused]
        if self.plan.system_packages:
            rows.append(("system packages", ", ".join(self.plan.system_packages)))
        return rows


def facts_of(login: Login, python: str, cache_dir: Path) -> Facts:
    """Ask the agent, in a folder that goes again. Raises what the agent's client raises."""
    from farm import agent_client
    from farm_agent import pack

    root = f"{playbook.remote_folder(login)}/agent"
    done = login.link.run(["mkdir", "-p", "-m", "0700", f"{root}/agents"], timeout_s=CALL_TIMEOUT_S)
    if done.returncode:
        from farm.devices import faults

        raise faults.not_writable(login.device.name, root, done.stderr.decode("utf-8", "replace")[-200:])
    packed = pack.build(cache_dir / "agents")
    return agent_client.install(login.link, python, packed, root).facts()


def propose(
    facts: Facts,
    survey: Survey,
    *,
    profile: str,
    python: str,
    folder: Path | None,
    runtimes: Sequence[str],
    name: str,
) -> Proposal:
    """Choose profile and wheels.

    Raises UsageError device.profile-unclear, profile.unknown; InfrastructureError enroll.nothing-fits.
    """
    from farm import wheels
    from farm.devices import detect
    from farm_profiles.load import load_profile

    chosen = detect.detect_profile(facts, nvidia_driver=survey.nvidia) if profile == AUTO else profile
    loaded = load_profile(chosen)
    plan = wheels.plan(facts, loaded, folder=folder, runtimes=runtimes)
    if plan.refused and not plan.requirements:
        reasons = "; ".join(f"{each.runtime}: {each.why}" for each in plan.refused)
        raise InfrastructureError(
            f"device {name}: no runtime of profile {chosen} can be installed there: {reasons}",
            code="enroll.nothing-fits",
            fix=plan.refused[0].fix or "see which wheels fit: farm wheels",
        )
    return Proposal(loaded, facts, survey, python, plan)


def gather(plan: WheelPlan, cache_dir: Path, target: Path) -> None:
    """Put the plan's wheels and pip's into ``target``: from a site's own folder, else fetched.

    Raises InfrastructureError wheels.fetch-failed, UsageError wheels.offline.
    """
    from farm import wheels

    target.mkdir(mode=0o700)
    if plan.source is not None:
        wheels.fetch(plan, target)
        found = sorted(plan.source.glob("pip-*.whl"))[-1:]
    else:
        pip = replace(plan, requirements={"pip": (PIP,)}, wheels={PIP: wheels.Wheel(*PIP_WHEEL)}, refused=())
        cache = cache_dir / "wheels"
        found = [*wheels.fetch(plan, cache), *wheels.fetch(pip, cache)]
    for path in found:
        shutil.copyfile(path, target / path.name)


def _accelerators(seen: Survey) -> str:
    found = ["NVIDIA GPU with driver"] if seen.nvidia else []
    found += [f"Jetson ({_l4t(seen.l4t)})"] if seen.l4t else []
    return ", ".join(found) or "none seen"


def _l4t(text: str) -> str:
    """``# R35 (release), REVISION: 4.1, ...`` as ``L4T 35.4.1 (JetPack 5)``."""
    words = text.replace(",", " ").split()
    try:
        major = words[words.index("(release)") - 1].lstrip("#R")
        revision = words[words.index("REVISION:") + 1]
    except (ValueError, IndexError):
        return text[:80]
    jetpack = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7"}.get(major, "")
    return f"L4T {major}.{revision}" + (f" (JetPack {jetpack})" if jetpack else "")
