"""Become adbd in a phone: its root, the shell's user, and a kernel that refuses what Android's refuses.

Run as ``python confine.py ROOT PROGRAM ARGUMENT...`` inside the phone's namespaces.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

SHELL_USER = 2000
AF_VSOCK = 40
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X86_64 = 0xC000003E
_SOCKET, _LINK, _LINKAT = 41, 86, 265
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER_MODE = 38, 22, 2


def refuse() -> None:
    """vsock, at which Debian's adbd stops on a virtual machine; hard links, which SELinux denies there."""
    program = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 0, 7, _X86_64),
        (_LOAD, 0, 0, 0),
        (_JUMP_EQUAL, 4, 0, _LINK),
        (_JUMP_EQUAL, 3, 0, _LINKAT),
        (_JUMP_EQUAL, 0, 3, _SOCKET),
        (_LOAD, 0, 0, 16),
        (_JUMP_EQUAL, 2, 1, AF_VSOCK),
        (_RETURN, 0, 0, _ERRNO | errno.EACCES),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_ulong]
    for option, first, second in (
        (_PR_SET_NO_NEW_PRIVS, 1, None),
        (_PR_SET_SECCOMP, _FILTER_MODE, head),
    ):
        if libc.prctl(option, first, second, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def main(root: str, *argv: str) -> None:
    """Never comes back."""
    os.chroot(root)
    os.chdir("/")
    os.setgroups([SHELL_USER])
    os.setgid(SHELL_USER)
    os.setuid(SHELL_USER)
    refuse()
    environment = {
        "PATH": "/product/bin:/apex/com.android.runtime/bin:/system/bin:/vendor/bin",
        "ANDROID_ROOT": "/system",
        "HOME": "/",
        "TMPDIR": "/data/local/tmp",
        "SHELL": "/system/bin/sh",
        "USER": "shell",
        "ADBD_PORT": "5555",
    }
    os.execve(argv[0], list(argv), environment)  # noqa: S606 - that is its task


if __name__ == "__main__":
    main(*sys.argv[1:])
