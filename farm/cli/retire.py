"""``farm retire``: undo an enrolment."""

from __future__ import annotations

from pathlib import Path

import click

from farm.cli.enroll_options import Terminal, end_in_order, login_options, secret
from farm.cli.output import print_json, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK


@click.command(
    "retire",
    epilog=examples(
        "farm retire rpi4-a",
        "farm retire rpi4-a --check --diff",
        "farm retire rpi4-a --login root@192.0.2.7 --yes",
        "farm retire rpi4-a --forget --reason 'its card died'",
    ),
)
@click.argument("name")
@click.option(
    "--login", default="", metavar="USER@HOST[:PORT]", help="Who becomes root; default: as enrolled."
)
@click.option("--forget", is_flag=True, help="Leave the device as it is: it is gone, or somebody else's.")
@click.option("--reason", default="", help="Why, for the device's history.")
@login_options
@json_option
@pass_state
def command(
    state: State,
    name: str,
    login: str,
    forget: bool,
    reason: str,
    identity: str,
    ask_password: bool,
    password_file: Path | None,
    ask_become_password: bool,
    become_password_file: Path | None,
    check: bool,
    diff: bool,
    yes: bool,
) -> int:
    """Undo what `farm enroll` did on a device.

    User, files, helper, permissions, runtimes, and what runs at boot.

    Then its entry and its pinned host key leave the inventory, and its health becomes retired. Results stay.
    Packages of the system that were installed for it (python3) stay as well.
    """
    from farm.enroll import retirement

    request = retirement.Request(
        name=name,
        login=login,
        identity=str(Path(identity).expanduser().absolute()) if identity else "",
        password=secret("password", password_file, ask_password, "Password to log in with"),
        become_password=secret(
            "become_password", become_password_file, ask_become_password, "Password of sudo there"
        ),
        check=check,
        forget=forget,
        reason=reason,
    )
    end_in_order()
    counts = retirement.retire(request, state.config, Terminal(yes=yes or check, diff=diff))
    tasks = dict(counts.devices.get(name, {})) if counts else {}
    if state.json:
        print_json({"schema": "farm.retired/1", "device": name, "check": check, "tasks": tasks})
    if tasks:
        told = ", ".join(f"{word}={tasks.get(word, 0)}" for word in ("ok", "changed", "failures"))
        say(f"{name}: {'would be' if check else 'tasks'} {told}")
    if not check:
        say(f"{name} is retired and out of the inventory; its results stay")
    return EXIT_OK
