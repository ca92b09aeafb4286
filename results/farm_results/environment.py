"""What may have changed between two results: the device's surroundings, toolchain, artifact and model.

Only stable facts, so that a fingerprint does not split histories: no clock in MHz, no free memory, no
temperature. ``surroundings`` decide whether two numbers may be compared at all; the rest are suspects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farm_results.conditions import conditions
from farm_results.model import Result

GIB = 1 << 30
SURROUNDINGS, TOOLCHAIN, ARTIFACT, MODEL = "surroundings", "toolchain", "artifact", "model"


@dataclass(frozen=True)
class Difference:
    """One fact that is not the same. ``kind``: surroundings, toolchain, artifact or model."""

    kind: str
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before or 'unknown'} → {self.after or 'unknown'}"


def surroundings(result: Result) -> dict[str, str]:
    """What the device was, apart from the model, the toolchain and the moment."""
    facts = _mapping(result.document.get("facts"))
    details = _mapping(facts.get("details"))
    spec = _mapping(result.document.get("spec"))
    found = {name: _word(facts.get(name)) for name in ("cpu", "cores", "machine", "model", "os", "kernel")}
    memory = facts.get("memory_bytes")
    found["memory"] = f"{round(memory / GIB)} GiB" if isinstance(memory, int) else ""
    found |= {
        name: _word(details.get(name)) for name in ("l4t", "emulator", "virtual_machine", "clocksource")
    }
    found |= {f"pin {name}": _word(value) for name, value in _mapping(spec.get("pins")).items()}
    found |= {"protocol": result.protocol, "harness": result.harness}
    return {name: value for name, value in found.items() if value}


def asked(result: Result) -> dict[str, str]:
    """What its scenario was asked for. No part of ``segment_id``: what is not usual is part of the series."""
    options = _mapping(_mapping(result.document.get("spec")).get("scenario_options"))
    return conditions(result.scenario, {str(name): _word(value) for name, value in options.items()})


def toolchain(result: Result) -> dict[str, str]:
    """What made the artifact and what ran it."""
    artifact = _mapping(result.document.get("artifact"))
    made = {f"converter {k}": _word(v) for k, v in _mapping(artifact.get("toolchain")).items()}
    return {k: v for k, v in {result.runtime: result.runtime_version, **made}.items() if v}


def segment_id(result: Result) -> str:
    """The same for results that may stand in one line: 12 hexadecimal digits; "" where nothing is known."""
    if not result.document.get("facts"):
        return ""
    text = json.dumps(sorted(surroundings(result).items()), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def differences(before: Result, after: Result) -> tuple[Difference, ...]:
    """Everything that changed from one result to the other, surroundings first."""
    found = _changed(SURROUNDINGS, surroundings(before), surroundings(after))
    found += _changed(SURROUNDINGS, asked(before), asked(after))
    found += _changed(TOOLCHAIN, toolchain(before), toolchain(after))
    ran = ({"executed precision": one.executed_precision} for one in (before, after))
    found += _changed(TOOLCHAIN, *ran)
    artifacts = {"artifact": before.artifact_sha256[:12]}, {"artifact": after.artifact_sha256[:12]}
    models = {"model file": before.model_sha256[:12]}, {"model file": after.model_sha256[:12]}
    found += _changed(ARTIFACT, *artifacts)
    found += _changed(MODEL, *models)
    return tuple(found)


def _changed(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    names: Sequence[str] = list(dict.fromkeys([*before, *after]))
    return [
        Difference(kind, name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a part of a document
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str:
    return "" if value is None or value is False else str(value)
