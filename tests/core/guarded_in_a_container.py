"""As in a container that refuses namespaces: for the guard's tests, imported by a nursery of their own."""

import ctypes

from core import isolation
from tests.core.guarded import bind_below_python, connect_below_python

__all__ = ["bind_below_python", "connect_below_python"]


def _refused(libc: ctypes.CDLL) -> bool:
    return False


isolation.leave_network = _refused
