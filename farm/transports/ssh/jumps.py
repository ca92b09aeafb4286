"""ProxyJump and ProxyCommand of ~/.ssh/config, in OpenSSH's order: the first one named is reached first."""

from __future__ import annotations

from typing import Any

from farm.errors import UsageError

_DEPTH = 8


def gateway_of(connection: Any, config: Any, depth: int = 0) -> Any:  # noqa: ANN401 - fabric has no types
    """The fabric connection (with its own gateways) or the command through which ``connection`` goes.

    None: directly. fabric's own reading turns the order of several jumps round, takes ``none`` for a
    host's name and may follow a circle for ever. Raises UsageError config.ssh for a circle.
    """
    from fabric import Connection

    settings = connection.ssh_config
    jumps = settings.get("proxyjump", "")
    if not jumps:
        command = settings.get("proxycommand") or "none"  # paramiko says None for `none`
        return None if command.lower() == "none" else command
    if jumps.lower() == "none":
        return None
    if depth >= _DEPTH:
        raise UsageError(
            f"~/.ssh/config: ProxyJump {jumps} leads in a circle",
            code="config.ssh",
            fix="give the jump host an entry of its own with `ProxyJump none`",
        )
    gateway = None
    for hop in jumps.split(","):
        jump = Connection(hop.strip().removeprefix("ssh://"), config=config.clone(), gateway=False)
        if jump.original_host == connection.original_host:
            return None  # a pattern that matches the jump host itself, as ssh has it
        jump.gateway = gateway or gateway_of(jump, config, depth + 1)
        gateway = jump
    return gateway
