"""The inside of a candidate's process: builds, waits for the device's word, trains, writes ONNX.

    worker.py IN_FD OUT_FD

Speaks JSON lines over two pipes of its own, so that the user's code may print what it likes. It runs under
the Python of the user's framework: only the standard library is imported here; farm's packages come in as
bare folders. It says

    {"suggest": {"kind", "name", ...}}   and gets {"value": ...}
    {"built": {"path"}}                  and gets {"go": true}, or {"go": false} when it is not to be trained
    {"done": {"path", "score"}}          or {"failed": {"code", "message", "fix"}}
"""

from __future__ import annotations

import importlib
import json
import math
import os
import resource
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

OPSET = 17


class Trial:
    """What ``build`` chooses with: Optuna's words, answered by the process that measures."""

    def __init__(self, ask: Callable[[Mapping[str, Any]], Any], number: int, seed: int) -> None:
        self.number = number
        self.seed = seed
        self.params: dict[str, Any] = {}
        self._ask = ask

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:  # noqa: ANN401 - one of the choices
        """One of ``choices``: numbers, texts, truth values or None."""
        kept = list(choices)
        index = self._value({"kind": "categorical", "name": name, "choices": [repr(one) for one in kept]})
        return self._keep(name, kept[int(index)])

    def suggest_int(self, name: str, low: int, high: int, step: int = 1, log: bool = False) -> int:  # noqa: FBT001, FBT002 - Optuna's signature
        """A whole number from ``low`` to ``high``."""
        words = {"kind": "int", "name": name, "low": int(low), "high": int(high), "step": step, "log": log}
        return int(self._keep(name, int(self._value(words))))

    def suggest_float(
        self,
        name: str,
        low: float,
        high: float,
        step: float | None = None,
        log: bool = False,  # noqa: FBT001, FBT002 - Optuna's signature
    ) -> float:
        """A number from ``low`` to ``high``."""
        words = {"kind": "float", "name": name, "low": low, "high": high, "step": step, "log": log}
        return float(self._keep(name, float(self._value(words))))

    def _value(self, words: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number
        return self._ask(words)

    def _keep(self, name: str, value: Any) -> Any:  # noqa: ANN401 - a number or a choice
        self.params[name] = value
        return value


class Link:
    """The two pipes."""

    def __init__(self, incoming: TextIO, outgoing: TextIO) -> None:
        self._in = incoming
        self._out = outgoing

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send one line."""
        self._out.write(json.dumps(message) + "\n")
        self._out.flush()

    def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send one line and wait for one."""
        self.tell(message)
        line = self._in.readline()
        if not line:
            os._exit(3)  # whoever measures has gone
        answer: dict[str, Any] = json.loads(line)
        return answer


def main(argv: Sequence[str]) -> int:
    """Entry point."""
    incoming = os.fdopen(int(argv[0]), "r", encoding="utf-8")
    outgoing = os.fdopen(int(argv[1]), "w", encoding="utf-8")
    link = Link(incoming, outgoing)
    request = json.loads(incoming.readline())
    bound = int(request["memory_bytes"])
    if bound:
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    for name, folder in request["packages"].items():
        module = types.ModuleType(name)
        module.__path__ = [folder]
        sys.modules[name] = module
    errors = importlib.import_module("farm_agent.errors")
    try:
        link.tell({"done": _candidate(request, link)})
    except errors.FarmError as error:
        link.tell({"failed": {"code": error.code, "message": error.message, "fix": error.fix}})
    except BaseException as error:  # noqa: BLE001 - whatever user code does is one failed candidate
        text = " ".join(str(error).split())[:300]
        link.tell(
            {"failed": {"code": "search.failed", "message": f"{type(error).__name__}: {text}", "fix": ""}}
        )
    return 0


def _candidate(request: Mapping[str, Any], link: Link) -> dict[str, Any]:
    contract = importlib.import_module("farm_converters.training.contract")
    folder, workdir = Path(request["folder"]), Path(request["workdir"])
    build = contract.load_entry(request["build"], folder, "build")
    train = contract.load_entry(request["train"], folder, "train") if request["train"] else None
    _seed(int(request["seed"]))

    def suggest(words: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a number
        answer = link.ask({"suggest": words})
        if "error" in answer:
            raise ValueError(str(answer["error"]))
        return answer["value"]

    trial = Trial(suggest, int(request["number"]), int(request["seed"]))
    with contract.user_code("build", folder):
        built = build(trial)
    network, second = built if isinstance(built, tuple) and len(built) == 2 else (built, None)
    if isinstance(network, (str, os.PathLike)):
        return _file(Path(folder, network), second, train, trial, link, folder)
    if second is None:
        raise _error("build must return (network, example inputs), or the path of an ONNX file")
    examples = second if isinstance(second, tuple) else (second,)
    path = workdir / "model.onnx"
    _write(network, examples, path)
    if not link.ask({"built": {"path": str(path)}})["go"]:
        return {"path": str(path), "score": None}
    if train is None:
        raise _error("a network needs --train FILE.py:FUNCTION, which trains it and returns its score")
    with contract.user_code("train", folder):
        score = _number(train(network, trial))
    _write(network, examples, path)
    return {"path": str(path), "score": score}


def _file(path: Path, score: Any, train: Any, trial: Trial, link: Link, folder: Path) -> dict[str, Any]:  # noqa: ANN401
    contract = importlib.import_module("farm_converters.training.contract")
    if not path.is_file():
        raise _error(f"build returned {path}, which is no file")
    if not link.ask({"built": {"path": str(path)}})["go"]:
        return {"path": str(path), "score": None}
    if train is not None:
        with contract.user_code("train", folder):
            found = train(path, trial)
        path, score = (Path(found[0]), found[1]) if isinstance(found, tuple) else (path, found)
    if score is None:
        raise _error("build must return (path, score), or --train must give the score")
    return {"path": str(path), "score": _number(score)}


def _write(network: Any, examples: tuple[Any, ...], path: Path) -> None:  # noqa: ANN401 - torch
    """The torch module as ONNX with a free batch dimension."""
    import inspect
    import warnings

    import torch

    network.eval()
    found = [name for name in inspect.signature(type(network).forward).parameters if name != "self"]
    names = (
        found[: len(examples)] if len(found) >= len(examples) else [f"in{i}" for i in range(len(examples))]
    )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            examples,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=names,
            output_names=["output"],
            dynamic_axes={name: {0: "batch"} for name in (*names, "output")},
        )


def _seed(seed: int) -> None:
    import random

    random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % (1 << 32))


def _number(score: Any) -> float:  # noqa: ANN401 - what the user's function returned
    value = float(score)
    if not math.isfinite(value):
        raise _error(f"the score is {value}: the training diverged")
    return value


def _error(message: str) -> Exception:
    errors = importlib.import_module("farm_agent.errors")
    made: Exception = errors.JobError(
        message, code="search.candidate", fix="see docs/tune.md for what build and train return"
    )
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
