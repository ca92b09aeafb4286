"""The agent's command line: one verb, one or more Reply lines, exit status 0 once an answer was written."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Callable, Dict, Iterable, NoReturn, Sequence, Tuple

from farm_agent import faults, reply
from farm_agent.errors import FarmBug, FarmError, UsageError
from farm_agent.files import disk_error


class Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(
            f"the agent was asked something it does not know: {message}",
            code="agent.usage",
            fix="ship the agent of this farm again",
        )


def main(arguments: Sequence[str]) -> int:
    """Run one verb. Every error becomes a failure line; no trace leaves this process."""
    try:
        if arguments and arguments[0] in INTERNAL:
            count, run = INTERNAL[arguments[0]]
            if len(arguments) == count + 1:
                return run(*arguments[1:])
        from farm_agent.verbs import VERBS

        options = _parser(VERBS).parse_args(arguments)
        VERBS[options.verb](options)
    except FarmError as error:
        reply.fail(error)
    except BrokenPipeError:
        # The link is gone and nobody reads: nothing to say, and the interpreter must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        reply.fail(disk_error(error, Path("a file")))
    except Exception as error:  # noqa: BLE001 - the last line of defence
        text = faults.shorten(f"{type(error).__name__}: {error}")
        message = f"the agent failed at {_place(error)}: {text}"
        reply.fail(FarmBug(message, code="farm.bug", fix="please report this"))
    return 0


def _parser(verbs: Iterable[str]) -> Parser:
    parser = Parser(prog="agent", add_help=False, allow_abbrev=False)
    parser.add_argument("verb", choices=sorted(verbs))
    parser.add_argument("words", nargs="*", metavar="ARGUMENT")
    parser.add_argument("--root", default="")
    parser.add_argument("--from", dest="from_seq", type=int, default=0)
    parser.add_argument("--wait", dest="wait_s", type=float, default=0.0)
    parser.add_argument("--fence", type=int, default=0)
    parser.add_argument("--by", dest="sender", default="")
    parser.add_argument("--max-bytes", type=int, default=0)
    return parser


def _block(request: str) -> int:
    from farm_agent import block

    block.main(request)


def _build(request: str, response: str) -> int:
    from farm_agent import build

    build.main(request, response)


def _check(request: str, response: str) -> int:
    from farm_agent import check

    check.main(request, response)


def _energy(request: str) -> int:
    from farm_agent import energy_process

    energy_process.main(request)


def _evaluate(request: str, response: str) -> int:
    from farm_agent import evaluate

    evaluate.main(request, response)


def _layers(request: str, response: str) -> int:
    from farm_agent import layers

    layers.main(request, response)


def _probe(name: str) -> int:
    from farm_agent import facts

    facts.print_probe(name)


def _sense() -> int:
    from farm_agent.checkup import sensing

    sensing.print_readings()


def _supervise(folder: str) -> int:
    from farm_agent import supervisor

    return supervisor.main(folder)


def _tool(request: str) -> int:
    from farm_agent.tools import runner

    runner.become(request)


def _try(runtime: str) -> int:
    from farm_agent.checkup import trial

    trial.print_trial(runtime)


# Processes that the agent starts itself: the number of arguments, and what to run.
INTERNAL: Dict[str, Tuple[int, Callable[..., int]]] = {
    "_block": (1, _block),
    "_build": (2, _build),
    "_check": (2, _check),
    "_energy": (1, _energy),
    "_evaluate": (2, _evaluate),
    "_layers": (2, _layers),
    "_probe": (1, _probe),
    "_sense": (0, _sense),
    "_supervise": (1, _supervise),
    "_tool": (1, _tool),
    "_try": (1, _try),
}


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
