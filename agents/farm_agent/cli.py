"""The agent's command line: one verb, one or more Reply lines, exit status 0 once an answer was written."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Callable, Dict, List, NoReturn, Sequence

from farm_agent import check, codec, facts, faults, reply
from farm_agent.errors import FarmBug, FarmError, UsageError
from farm_agent.files import disk_error

Verb = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing usage and exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(
            message, code="agent.usage", fix="ship the agent again: both sides must be of one version"
        )


def main(arguments: Sequence[str]) -> int:
    """Run one verb. Every error becomes a failure line; no trace leaves this process."""
    try:
        if arguments[:1] == ["_check"] and len(arguments) == 3:
            return check.main(arguments[1], arguments[2])
        if arguments[:1] == ["_probe"] and len(arguments) == 2:
            return facts.print_probe(arguments[1])
        options = _parser().parse_args(arguments)
        VERBS[options.verb](options)
    except FarmError as error:
        reply.fail(error)
    except BrokenPipeError:
        # The link is gone and nobody reads: nothing to say, and the interpreter must not try at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        reply.fail(disk_error(error, "?"))
    except Exception as error:  # noqa: BLE001 - the last line of defence
        text = faults.shorten(f"{type(error).__name__}: {error}")
        reply.fail(
            FarmBug(f"the agent failed at {_place(error)}: {text}", code="farm.bug", fix="please report this")
        )
    return 0


def _parser() -> Parser:
    parser = Parser(prog="agent", add_help=False, allow_abbrev=False)
    parser.add_argument("verb", choices=sorted(VERBS))
    parser.add_argument("words", nargs="*", metavar="ARGUMENT")
    parser.add_argument("--root", default="")
    parser.add_argument("--from", dest="from_seq", type=int, default=0)
    parser.add_argument("--wait", dest="wait_s", type=float, default=0.0)
    parser.add_argument("--fence", type=int, default=0)
    parser.add_argument("--max-bytes", type=int, default=0)
    return parser


def _facts(options: argparse.Namespace) -> None:
    reply.send(codec.encode(facts.facts()))


VERBS: Dict[str, Verb] = {"facts": _facts}


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"


def words(options: argparse.Namespace, count: int) -> List[str]:
    """Exactly ``count`` words after the verb. Raises UsageError ``agent.usage``."""
    if len(options.words) != count:
        raise UsageError(
            f"{options.verb} takes {count} arguments, got {len(options.words)}", code="agent.usage", fix=""
        )
    return list(options.words)


def stdin_text(limit_bytes: int) -> bytes:
    """All of stdin. Raises UsageError ``agent.message-too-large``."""
    data = sys.stdin.buffer.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise UsageError(
            f"the message is larger than {limit_bytes} bytes", code="agent.message-too-large", fix=""
        )
    return data
