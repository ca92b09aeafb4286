"""Open a verified connection. fabric reads ~/.ssh/config; the policy that it installs is replaced first."""

from __future__ import annotations

import logging
import math
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.devices import hostkeys
from farm.devices.address import parse_address
from farm.devices.device import Device
from farm.errors import UsageError
from farm.transports.ssh import problems
from farm.transports.ssh.jumps import gateway_of
from farm.transports.ssh.pulse import Heard

if TYPE_CHECKING:
    import paramiko

AGENT_TIMEOUT_S = 2.0
USER_TIMEOUT_MS = 15_000  # the kernel gives up on unanswered data after this time
GREETING_TIMEOUT_S = 10.0  # a device that is there answers the first packet, and greets, long before


def open_connection(device: Device, timeout_s: float) -> Any:  # noqa: ANN401 - fabric has no types
    """An open ``fabric.Connection`` whose host key is exactly the pinned one, jump hosts included.

    Raises InfrastructureError device.unreachable, device.host-key-unknown, device.host-key-changed,
    device.auth; UsageError device.identity, config.ssh.
    """
    if not device.host_key:
        raise problems.unpinned(device, remote_key(device, timeout_s))
    pinned = hostkeys.parse(device.host_key)
    connection = _prepare(device, timeout_s)
    _trust_only(connection, pinned)
    try:
        _within(timeout_s, lambda: _open(device, connection), lambda: close_quietly(connection))
    except problems.WrongType:
        raise problems.changed(device, pinned, remote_key(device, timeout_s)) from None
    except problems.Different as error:
        raise problems.changed(device, pinned, error.offered) from None
    except TimeoutError as error:
        raise problems.unreachable(device, connection, f"no answer within {timeout_s:g} s") from error
    return connection


def remote_key(device: Device, timeout_s: float) -> hostkeys.HostKey:
    """The host key that the device's address offers; the preferred type first, as ssh itself has it."""
    connection = _prepare(device, timeout_s)
    found: list[hostkeys.HostKey] = []

    def ask() -> None:
        _open_gateways(device, connection)
        try:
            found.append(_handshake(connection, timeout_s))
        except Exception as error:
            raise problems.explain(device, connection, error) from error

    try:
        _within(timeout_s, ask, lambda: close_quietly(connection))
    except TimeoutError as error:
        raise problems.unreachable(device, connection, f"no answer within {timeout_s:g} s") from error
    finally:
        close_quietly(connection)
    return found[0]


def close_quietly(connection: Any) -> None:  # noqa: ANN401 - fabric has no types
    """Close a connection and its jump hosts; never raises."""
    while connection is not None and not isinstance(connection, str):
        try:
            connection.client.close()
        except Exception as error:  # noqa: BLE001 - it is being thrown away
            logging.getLogger(__name__).debug("closing: %s", error)
        connection = connection.gateway


def _prepare(device: Device, timeout_s: float) -> Any:  # noqa: ANN401
    """A fabric connection, not yet open, that accepts no host key at all, neither here nor at a jump host."""
    import paramiko
    from fabric import Config, Connection

    logging.getLogger("paramiko").addHandler(logging.NullHandler())  # its threads print traces otherwise
    address = parse_address(device.address)
    try:
        config = Config(lazy=True)  # only ssh's own files: fabric's may be Python
        config.load_ssh_config()
        connection = Connection(
            address.host, user=address.user, port=address.port, config=config, gateway=False
        )
        connection.gateway = gateway_of(connection, config)
    except (paramiko.SSHException, ValueError) as error:
        raise UsageError(
            f"~/.ssh/config cannot be used for {address.host}: {error}",
            code="config.ssh",
            fix=f"correct that line; `ssh -G {address.host}` shows what ssh itself reads",
        ) from error
    agent = _agent_answers()
    hop = connection
    while hop is not None and not isinstance(hop, str):
        identity = device.identity if hop is connection else ""
        _harden(hop, _identities(hop, identity, device), timeout_s, allow_agent=agent)
        hop = hop.gateway
    return connection


def _harden(hop: Any, identities: list[str], timeout_s: float, *, allow_agent: bool) -> None:  # noqa: ANN401
    import paramiko

    hop.client.set_missing_host_key_policy(paramiko.RejectPolicy())
    hop.connect_timeout = max(1, math.ceil(min(timeout_s, GREETING_TIMEOUT_S)))
    hop.connect_kwargs = {
        "banner_timeout": min(timeout_s, GREETING_TIMEOUT_S),
        "auth_timeout": timeout_s,
        "channel_timeout": timeout_s,
        "allow_agent": allow_agent,
        "transport_factory": _transport,
        "key_filename": identities,
    }


def _identities(hop: Any, identity: str, device: Device) -> list[str]:  # noqa: ANN401
    """The device's own key first, then IdentityFile entries that exist: ssh ignores the others, too."""
    own = []
    if identity:
        path = Path(identity).expanduser()
        if not path.is_file() or not os.access(path, os.R_OK):
            raise UsageError(
                f"device {device.name}: the private key {path} cannot be read",
                code="device.identity",
                fix=f"name another key with --identity, or in the inventory (table devices.{device.name})",
            )
        own = [str(path)]
    configured = [Path(name).expanduser() for name in hop.connect_kwargs.get("key_filename", [])]
    return own + [str(path) for path in configured if path.is_file() and os.access(path, os.R_OK)]


def _transport(sock: Any, **options: Any) -> paramiko.Transport:  # noqa: ANN401 - socket, channel or process
    import paramiko

    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    heard: Any = Heard(sock)
    transport = paramiko.Transport(heard, **options)
    # One pass instead of a cipher and a hash: half as much again per second; whoever lacks it takes the next.
    security = transport.get_security_options()
    security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
    return transport


def _trust_only(connection: Any, pinned: hostkeys.HostKey) -> None:  # noqa: ANN401
    """Offer only the pinned key's algorithms, and know no other key."""
    import paramiko

    def restricted(sock: Any, **options: Any) -> paramiko.Transport:  # noqa: ANN401
        transport = _transport(sock, **options)
        transport.get_security_options().key_types = hostkeys.ALGORITHMS[pinned.type]
        return transport

    connection.connect_kwargs["transport_factory"] = restricted
    name = connection.host if connection.port == 22 else f"[{connection.host}]:{connection.port}"
    key = paramiko.PKey.from_type_string(pinned.type, pinned.data)
    connection.client.get_host_keys().add(name, key.get_name(), key)


def _open(device: Device, connection: Any) -> None:  # noqa: ANN401
    _open_gateways(device, connection)
    try:
        connection.open()
    except Exception as error:
        raise problems.explain(device, connection, error) from error


def _open_gateways(device: Device, connection: Any) -> None:  # noqa: ANN401
    """Jump hosts are verified against the user's own known_hosts, each before the next is reached."""
    chain = []
    hop = connection.gateway
    while hop is not None and not isinstance(hop, str):
        chain.append(hop)
        hop = hop.gateway
    for jump in reversed(chain):
        jump.client.load_system_host_keys()
        for name in jump.ssh_config.get("userknownhostsfile", "").split():
            if Path(name).expanduser().is_file():
                jump.client.load_system_host_keys(str(Path(name).expanduser()))
        try:
            jump.open()
        except Exception as error:
            raise problems.explain_jump(device, jump, error) from error


def _handshake(connection: Any, timeout_s: float) -> hostkeys.HostKey:  # noqa: ANN401
    """Key exchange only; the connection ends before anyone is asked who they are."""
    if connection.gateway is not None:
        sock = connection.open_gateway()
    else:
        sock = socket.create_connection((connection.host, connection.port), timeout_s)
    transport = _transport(sock)
    try:
        transport.banner_timeout = timeout_s
        preferred = [name for names in hostkeys.ALGORITHMS.values() for name in names]
        transport.get_security_options().key_types = preferred
        transport.start_client(timeout=timeout_s)
        key = transport.get_remote_server_key()
        return hostkeys.HostKey(key.get_name(), key.asbytes())
    finally:
        transport.close()
        sock.close()


def _agent_answers() -> bool:
    """Whether the ssh agent lists its keys in time; a dead forwarded agent would hang every connection."""
    path = os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        return False
    with socket.socket(socket.AF_UNIX) as agent:
        agent.settimeout(AGENT_TIMEOUT_S)
        try:
            agent.connect(path)
            agent.sendall(struct.pack(">IB", 1, 11))  # SSH_AGENTC_REQUEST_IDENTITIES
            return len(agent.recv(5)) > 0
        except OSError:
            return False


def _within(timeout_s: float, action: Callable[[], None], abandon: Callable[[], None]) -> None:
    """Run ``action`` in a thread until a deadline: name look-ups and agents know none of their own."""
    raised: list[BaseException] = []
    late = threading.Event()

    def work() -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            raised.append(error)
        if late.is_set():
            abandon()

    worker = threading.Thread(target=work, daemon=True, name="ssh-open")
    worker.start()
    try:
        worker.join(timeout_s)
    except BaseException:
        late.set()
        raise
    if worker.is_alive():
        late.set()
        raise TimeoutError
    if raised:
        raise raised[0]
