"""The runtimes: which are there, and whether each computes the right thing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from farm.devices.finding import FAIL, OK, WARN, Finding
from farm_agent.messages.checkup import Trial
from farm_agent.wire import Facts, RuntimeFact

INSTALL = "install one in the Python that the agent uses, for instance: pip install onnxruntime numpy"


def check(
    name: str, facts: Facts, wanted: AbstractSet[str] | None, trials: Sequence[Trial] = ()
) -> Iterator[Finding]:
    """One finding per runtime; ``wanted`` None: all are. Without a trial, being there is all that is said."""
    tried = {trial.runtime: trial for trial in trials}
    for runtime in facts.runtimes:
        subject = f"runtime {runtime.name}"
        if runtime.unavailable and wanted is not None and runtime.name not in wanted:
            yield Finding(name, subject, OK, "not there, and not wanted by the profile")
        elif runtime.unavailable:
            yield Finding(name, subject, WARN, runtime.unavailable, runtime.fix)
        elif runtime.name in tried:
            yield _tried(name, subject, runtime, tried[runtime.name])
        else:
            yield Finding(name, subject, OK, runtime.version)
    if all(runtime.unavailable for runtime in facts.runtimes):
        yield Finding(name, "runtimes", FAIL, "none can be used: nothing can be measured here", INSTALL)


def _tried(name: str, subject: str, runtime: RuntimeFact, trial: Trial) -> Finding:
    if trial.code == "runtime.untried":
        return Finding(name, subject, OK, f"{runtime.version}; not tried: {trial.problem}")
    if trial.problem:
        return Finding(name, subject, FAIL, f"{runtime.version}: {trial.problem}", trial.fix, trial.code)
    text = f"{trial.version or runtime.version}: a real inference gave the right answer"
    if trial.fallback:
        fix = "none needed for models of 0.5 ms and more; shorter ones are an upper bound"
        return Finding(name, subject, WARN, f"{text}; timed by the Python loop: {trial.fallback}", fix)
    return Finding(name, subject, OK, f"{text}, timed by the {trial.harness} loop")
