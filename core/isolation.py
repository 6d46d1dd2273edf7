"""No network for a guarded child: by a network namespace of its own, and by Landlock's rule where that is refused.

Containers often refuse `unshare`. Landlock (ABI 4, Linux 6.7) then still refuses TCP, but neither UDP nor other
sockets. Run as `python -m core.isolation` it tries what this machine allows and prints it; a process cannot take
either step back, so nobody tries it in their own.
"""

import ctypes
import subprocess
import sys
from functools import cache
from pathlib import Path

from core import landlock

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
NAMESPACE, RULE, NOTHING = "namespace", "rule", "nothing"


def leave_network(libc: ctypes.CDLL) -> bool:
    """Enter an empty network namespace; False where the kernel does not let us."""
    return bool(libc.unshare(CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


@cache
def available() -> str:
    """NAMESPACE, RULE (Landlock refuses TCP alone) or NOTHING, found out once by a child that tries."""
    root = Path(__file__).resolve().parent.parent
    tried = subprocess.run(
        [sys.executable, "-m", "core.isolation"], cwd=root, capture_output=True, text=True, timeout=20, check=False
    )
    return tried.stdout.strip() or NOTHING


def _try() -> str:
    if leave_network(ctypes.CDLL(None, use_errno=True)):
        return NAMESPACE
    return RULE if landlock.refuses_tcp() else NOTHING


if __name__ == "__main__":
    sys.stdout.write(_try())
