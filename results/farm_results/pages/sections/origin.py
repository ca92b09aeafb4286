"""Where a number comes from: the device, the toolchain, the conversion, and the commands to repeat it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farm_results import text
from farm_results.environment import surroundings, toolchain
from farm_results.model import Result, Run

Pairs = list[tuple[str, str]]
MOST_WORDS = 200
MOST_DEVICES = 30


def masked(words: str) -> str:
    """Without the passwords of URLs: a report is passed around."""
    return re.sub(r"(://[^/\s:@]*:)[^/\s]*@", r"\1***@", words)


def command_of(run: Run) -> str:
    """What was typed, as ``farm ...``; "" where the run does not say."""
    if not run.command:
        return ""
    return masked(shlex.join(["farm", *(_word(word) for word in run.command[1:MOST_WORDS])]))


def commands_of(result: Result) -> list[str]:
    """What measures this cell again, and what shows it in full."""
    words = ["farm", "bench", *([] if _is_bundled(result) else [f"{result.model}.onnx"])]
    words += ["-d", result.device, "-r", result.runtime]
    words += ["-p", result.precision, "--threads", str(result.threads)]
    if "batch" in result.options:
        words += ["--batch", result.options["batch"]]
    if result.scenario != "latency":
        words += ["--scenario", result.scenario]
    for name, value in result.conditions.items():
        words += _asked(name.rpartition(".")[2], value)
    return [masked(shlex.join(map(_word, words))), shlex.join(["farm", "show", _word(result.job_id)])]


def _is_bundled(result: Result) -> bool:
    """The network that comes with farm, on its own samples: `farm bench` alone, without a file, takes it."""
    dataset = _mapping(_mapping(result.document.get("spec")).get("dataset"))
    return (result.model, dataset.get("name")) == ("digits", "digits_test.npz")


def _asked(name: str, value: str) -> list[str]:
    """An option of ``farm bench`` out of what the scenario was asked for: ``duration_ns`` as --duration."""
    option, ns = "--" + name.removesuffix("_ns").replace("_", "-"), name.endswith("_ns")
    return [option, f"{int(value) / 1e9:g}s" if ns and value.isascii() and value.isdigit() else value]


def run_pairs(run: Run) -> Pairs:
    """Who measured when, with which farm, and the labels."""
    found = [("run", run.run_id), ("state", run.state + (f" ({run.cause})" if run.cause else ""))]
    found += [("host", run.host), ("farm", run.farm_version)]
    return found + [(f"label {key}", value) for key, value in sorted(run.labels.items())]


def environment(result: Result) -> Pairs:
    """What the device was, what made the artifact and what ran it."""
    facts = _mapping(result.document.get("facts"))
    found = list(surroundings(result).items())
    if python := facts.get("python"):
        found.append(("python on the device", str(python)))
    return found + list(toolchain(result).items())


def conversion(result: Result) -> Pairs:
    """How the artifact came to be, and how it was checked on the host and on the device."""
    artifact = _mapping(result.document.get("artifact"))
    found: Pairs = [("model", f"{result.model}, sha256 {result.model_sha256[:16]}")]
    if result.artifact_sha256:
        size = "" if result.artifact_bytes is None else f", {text.size(result.artifact_bytes)}"
        found.append(
            ("artifact", f"{result.format} {result.precision}{size}, sha256 {result.artifact_sha256[:16]}")
        )
    seconds = artifact.get("seconds")
    if isinstance(seconds, (int, float)):
        cached = ", from the cache" if artifact.get("cached") else ""
        found.append(("converted in", f"{text.duration(seconds * 1e9)}{cached}"))
    if result.calibration:
        found.append(("calibration", result.calibration))
    found += [(f"check {where}", told) for where, told in _checks(result, artifact) if told]
    caveats = artifact.get("caveats")
    if isinstance(caveats, list):
        found += [("remark", _caveat(one)) for one in caveats[:20]]
    return found


def _checks(result: Result, artifact: Mapping[str, Any]) -> list[tuple[str, str]]:
    host = _mapping(artifact.get("check"))
    own = _mapping(_mapping(result.document.get("job")).get("check"))
    return [("on the host", _check(host)), ("on the device", _check(own))]


def _check(check: Mapping[str, Any]) -> str:
    if not check:
        return ""
    words = ["passed" if check.get("passed") else "FAILED"]
    for name, called in (
        ("max_abs_error", "largest difference"),
        ("cosine", "cosine"),
        ("samples", "samples"),
    ):
        value = check.get(name)
        if isinstance(value, (int, float)):
            words.append(f"{called} {value:.6g}")
    if check.get("runtime"):
        words.append(f"{check.get('runtime')} {check.get('runtime_version', '')}".strip())
    return ", ".join(words)


def _caveat(one: Any) -> str:  # noqa: ANN401 - a part of a document
    return str(one.get("evidence", one)) if isinstance(one, Mapping) else str(one)


def _word(word: str) -> str:
    return text.printable(word, 400)


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - a part of a document
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True)
class Part:
    """A heading with its pairs."""

    heading: str
    pairs: Pairs


def devices(results: Sequence[Result]) -> list[Part]:
    """What each device was when its newest result was taken; of many devices, the first."""
    newest: dict[str, Result] = {}
    for result in results:
        if result.document.get("facts") and (
            result.device not in newest or result.created_unix_s >= newest[result.device].created_unix_s
        ):
            newest[result.device] = result
    return [
        Part(f"{name} ({one.profile})", list(surroundings(one).items()))
        for name, one in list(newest.items())[:MOST_DEVICES]
    ]
