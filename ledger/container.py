"""The zip file of a bundle, in one exact form: every byte follows from the names and contents of its members. Pure.

Members are stored, not compressed; names are ASCII; times, attributes and flags are fixed; no comment, extra field,
data descriptor or gap. The reader writes what it read again and refuses any difference, so nothing can hide between
members and no byte can change unseen. Any zip program can open the file. Format: PKWARE APPNOTE 6.3.3.
"""

import re
import struct
import zlib
from collections.abc import Iterable
from typing import IO

MAX_MEMBERS = 65_000
MAX_BYTES = 2**32 - 2
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
# 1980-01-01 00:00:00, the zip format's first moment.
_TIME, _DATE = 0, (1 << 5) | 1
_VERSION, _UNIX = 20, 3 << 8
_FILE_MODE = 0o100644 << 16


class BadContainer(ValueError):
    """Not a zip file in this form, in words."""


def write(target: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """Write the zip. Raises BadContainer for a name twice or not plain, or too much of anything."""
    central, offset, names = [], 0, set()
    for name, data in members:
        if not _NAME.fullmatch(name) or name in names:
            raise BadContainer(f"not a member name, or one twice: {name!r}")
        names.add(name)
        raw, crc, size = name.encode("ascii"), zlib.crc32(data), len(data)
        if len(names) > MAX_MEMBERS or offset + size + 4096 > MAX_BYTES:
            raise BadContainer("too many or too large members for one bundle")
        target.write(_LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, _TIME, _DATE, crc, size, size, len(raw), 0) + raw)
        target.write(data)
        fields = (_VERSION | _UNIX, _VERSION, 0, 0, _TIME, _DATE, crc, size, size, len(raw), 0, 0, 0, 0, _FILE_MODE)
        central.append(_CENTRAL.pack(b"PK\1\2", *fields, offset) + raw)
        offset += _LOCAL.size + len(raw) + size
    directory = b"".join(central)
    count = len(central)
    target.write(directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), offset, 0))


def read(data: bytes) -> dict[str, bytes]:
    """Members by name, in order. Raises BadContainer at the first byte that `write` would not have written."""
    members = _members(data)
    again = _Compare(data)
    try:
        write(again, members.items())  # type: ignore[arg-type]  # only `write` is used
    except _Different as error:
        raise BadContainer(_damage(members, again.at)) from error
    if again.at != len(data):
        raise BadContainer("the zip file is not in canonical form: something follows it")
    return members


def _damage(members: dict[str, bytes], at: int) -> str:
    """What is wrong where the first difference is, in words."""
    start = 0
    for name, data in members.items():
        if start == at:
            return f"member {name!r} was changed: its CRC-32 or its header is not that of its content"
        start += _LOCAL.size + len(name) + len(data)
    return "the zip file is not in canonical form: its directory was changed, or something was added"


def salvage(data: bytes) -> dict[str, bytes]:
    """The members of a damaged file as far as its local headers still tell, unchecked: to say more about the damage."""
    try:
        return _members(data)
    except BadContainer:
        return {}


def _members(data: bytes) -> dict[str, bytes]:
    """The members as their local headers tell."""
    members: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\3\4":
        if at + _LOCAL.size > len(data):
            raise BadContainer("the zip file ends inside a header")
        *_, size, _size, name_length, _extra = _LOCAL.unpack_from(data, at)
        start = at + _LOCAL.size + name_length
        end = start + size
        name = data[at + _LOCAL.size : start].decode("ascii", "replace")
        if end > len(data):
            raise BadContainer(f"the zip file ends inside member {name!r}")
        if name in members:
            raise BadContainer(f"member {name!r} is there twice")
        members[name] = data[start:end]
        at = end
    if not members:
        raise BadContainer("this is not a zip file of an Assay bundle")
    return members


class _Different(Exception):
    """The bytes are not those that were to be written."""


class _Compare:
    """A file that keeps nothing and stops at the first write that is not the same as `data` at this place."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def write(self, data: bytes) -> int:
        if not self._data.startswith(data, self.at):
            raise _Different
        self.at += len(data)
        return len(data)
