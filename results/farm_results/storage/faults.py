"""What a database or a disk complains about, as errors that people can act on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

from farm_agent.codec import DecodeError
from farm_agent.errors import FarmBug, FarmError, InfrastructureError, UsageError


@contextmanager
def store_faults(where: str) -> Iterator[None]:
    """Turn database and disk errors inside the block into typed ones. ``where`` names the store.

    Raises UsageError store.corrupt, store.not-writable; InfrastructureError store.locked,
    store.unreachable, host.disk-full; FarmBug store.bug for a statement of ours that is wrong.
    """
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.exc import TimeoutError as PoolTimeoutError

    where = where.removeprefix("sqlite:///")  # people look for a file, not for an address
    try:
        yield
    except (DecodeError, JSONDecodeError) as error:
        raise _corrupt(where, str(error)) from error
    except PoolTimeoutError as error:
        raise _locked(where) from error
    except DBAPIError as error:
        raise _from_database(error, where) from error
    except OSError as error:
        raise from_os(error, where) from error


def from_os(error: OSError, where: str) -> FarmError:
    """The typed error for a failed file operation on ``where``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _disk_full(where)
    reason = error.strerror or type(error).__name__
    return _not_writable(where, f"{error.filename or where}: {reason}")


# PostgreSQL's classes: a deadlock or a lock that did not come; a full disk; a statement that is wrong.
_BUSY, _FULL, _WRONG = ("40", "55P03"), ("53100",), ("0A", "21", "22", "23", "42")


def _from_database(error: object, where: str) -> FarmError:
    original = getattr(error, "orig", None)
    name = str(getattr(original, "sqlite_errorname", ""))
    text = str(original).splitlines()[0] if str(original) else type(original).__name__
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _locked(where)
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return _corrupt(where, text)
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return _not_writable(where, text)
    if name.startswith("SQLITE_FULL"):
        return _disk_full(where)
    state = str(getattr(original, "sqlstate", None) or "")
    if state.startswith(_BUSY):
        return _locked(where)
    if state.startswith(_FULL):
        return _disk_full(where)
    if (not name and not state.startswith(_WRONG)) or name.startswith("SQLITE_IOERR"):
        return InfrastructureError(
            f"the store {where} cannot be used: {text}",
            code="store.unreachable",
            fix="check that the disk or the database server is there and has space",
        )
    return FarmBug(f"the store {where} refused a statement: {text}", code="store.bug")


def _locked(where: str) -> InfrastructureError:
    return InfrastructureError(
        f"the store {where} is locked by another process",
        code="store.locked",
        fix="wait for the other farm command to end, or end the program that has the store open",
    )


def _corrupt(where: str, reason: str) -> UsageError:
    return UsageError(
        f"the store {where} is not a readable database: {reason}",
        code="store.corrupt",
        fix="restore it from a backup, or name another store with FARM_STORE=DIRECTORY",
    )


def _disk_full(where: str) -> FarmError:
    return InfrastructureError(
        f"no space is left on the disk that holds {where}",
        code="host.disk-full",
        fix=f"free space there (df -h {where}), or name another store with FARM_STORE=DIRECTORY",
    )


def _not_writable(where: str, reason: str) -> FarmError:
    return UsageError(
        f"the store {where} cannot be written: {reason}",
        code="store.not-writable",
        fix="make its folder and files writable for you, or name another with FARM_STORE=DIRECTORY",
    )
