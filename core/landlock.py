"""Landlock (Linux 5.13 and later): a process gives up, for ever, every file it has not named first, and TCP.

landlock(7) and the kernel's `Documentation/userspace-api/landlock.rst` are the reference for each constant. Where the
kernel has no Landlock, `confine` says so and changes nothing.
"""

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1
NET_BIND_TCP, NET_CONNECT_TCP = 1 << 0, 1 << 1
NET_ABI = 4
# No abstract UNIX socket of, and no signal to, a process outside, such as the parent and other children.
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
CHANGE = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The kernel's Landlock ABI, 0 where there is none."""
    return max(0, int(_libc.syscall(SYS_CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)))


def refuses_tcp() -> bool:
    """Whether `confine` refuses TCP as well (ABI 4, Linux 6.7)."""
    return version() >= NET_ABI


def confine(*, readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Leave this process only these files and folders, with what is below them; False where the kernel cannot.

    Where the kernel knows how (`refuses_tcp`), it can bind and connect no TCP socket either: no rule allows a port.
    Needs PR_SET_NO_NEW_PRIVS. Paths that do not exist are passed over. Raises OSError when the kernel refuses.
    """
    abi = version()
    if not abi:
        return False
    handled = _handled(abi)
    # struct landlock_ruleset_attr: handled_access_fs, handled_access_net (4), scoped (6); shorter on older kernels.
    wanted = struct.pack("=QQQ", handled, NET_BIND_TCP | NET_CONNECT_TCP, SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL)
    attributes = wanted[: 24 if abi >= 6 else 16 if abi >= NET_ABI else 8]
    ruleset = _checked(_libc.syscall(SYS_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0))
    try:
        for paths, access in ((readable, READ), (writable, CHANGE)):
            for path in paths:
                _allow(ruleset, path, access & handled)
        _checked(_libc.syscall(SYS_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _handled(abi: int) -> int:
    """Every right this ABI knows: what is not handled would stay allowed."""
    rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)
    return (1 << rights) - 1


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("=Qi", access if path.is_dir() else access & OF_A_FILE, handle)
        _checked(_libc.syscall(SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0))
    finally:
        os.close(handle)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "Landlock refused")
    return int(result)
