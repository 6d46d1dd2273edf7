"""The zip file of a bundle, in one exact form: every byte follows from the names and contents of its members. Pure.

Members are stored, not compressed; names are ASCII; times, attributes and flags are fixed; no comment, extra field,
data descriptor or gap. The reader derives every header again and refuses any difference, so nothing can hide between
members and no byte can change unseen. Any zip program can open the file. Format: PKWARE APPNOTE 6.3.3.

Both directions stream: nothing larger than a chunk is held, whatever the size of a member. At most 4 GiB (no zip64).
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import SEEK_END, BufferedReader, RawIOBase
from typing import IO, Any

MAX_MEMBERS = 65_000
MAX_BYTES = 2**32 - 2
MAX_NAME = 255
CHUNK = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:/[A-Za-z0-9][A-Za-z0-9._-]*)*", re.ASCII)
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
# 1980-01-01 00:00, the zip format's first moment.
_TIME, _DATE = 0, (1 << 5) | 1
_VERSION, _UNIX = 20, 3 << 8
_FILE_MODE = 0o100644 << 16


class BadContainer(ValueError):
    """Not a zip file in this form, in words."""


class Truncated(BadContainer):
    """The file ends before its end: it was cut short, or did not come whole."""


class BadName(BadContainer):
    """A member whose name leads out of the folder that it is unpacked in, or that is there twice."""


class Packed(BadContainer):
    """A member that is packed, and could unpack to more than the file has bytes."""


class TooLarge(BadContainer):
    """More bytes, or more members, than a file in this form can hold."""


@dataclass(frozen=True)
class Member:
    """offset: of its content in the file. size: in bytes. crc: CRC-32. sha256: hex."""

    name: str
    offset: int
    size: int
    crc: int
    sha256: str

    @property
    def start(self) -> int:
        return self.offset - _LOCAL.size - len(self.name)

    @property
    def end(self) -> int:
        return self.offset + self.size

    def local(self) -> bytes:
        """The header before the content."""
        return _LOCAL.pack(b"PK\3\4", _VERSION, *self._common()) + self.name.encode("ascii")

    def central(self) -> bytes:
        """The row of the directory."""
        common, place = self._common(), (0, 0, 0, _FILE_MODE, self.start)
        return _CENTRAL.pack(b"PK\1\2", _VERSION | _UNIX, _VERSION, *common, *place) + self.name.encode("ascii")

    def _common(self) -> tuple[int, ...]:
        return 0, 0, _TIME, _DATE, self.crc, self.size, self.size, len(self.name), 0


class Writer:
    """Writes the members one after another into an empty file that can be sought in, and read."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target, self._at = target, 0
        self.members: dict[str, Member] = {}

    @contextmanager
    def member(self, name: str) -> Iterator["MemberWriter"]:
        """A member that is written piece by piece. Raises BadName; TooLarge while it grows."""
        if not _plain(name) or name in self.members:
            raise BadName(f"not a member name, or one twice: {name!r}")
        if len(self.members) >= MAX_MEMBERS:
            raise TooLarge(f"one bundle has at most {MAX_MEMBERS} members")
        writer = MemberWriter(self._target, self._at + _LOCAL.size + len(name))
        yield writer
        done = self.members[name] = writer.done(name)
        # The header last: it has the digest and the size.
        _put(self._target, self._at, done.local())
        self._at = done.end

    def add(self, name: str, data: bytes) -> None:
        with self.member(name) as part:
            part.write(data)

    def open(self, name: str) -> BufferedReader:
        """What was written as this member. Nothing else may read or write in between two of its chunks but Writer."""
        return _reader(self._target, self.members[name])

    def finish(self) -> None:
        _put(self._target, self._at, directory(self.members, self._at))
        self._target.flush()


class MemberWriter:
    def __init__(self, target: IO[bytes], offset: int) -> None:
        self._target, self._offset, self._size = target, offset, 0
        self._crc, self._sha256 = 0, hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Raises TooLarge."""
        if self._offset + self._size + len(data) + MAX_MEMBERS * 16 > MAX_BYTES:
            raise TooLarge("one bundle has at most 4 GiB")
        _put(self._target, self._offset + self._size, data)
        self._size += len(data)
        self._crc = zlib.crc32(data, self._crc)
        self._sha256.update(data)

    def done(self, name: str) -> Member:
        return Member(name, self._offset, self._size, self._crc, self._sha256.hexdigest())


class Archive:
    """A file in this form, its members by name, in order."""

    def __init__(self, file: IO[bytes], members: dict[str, Member]) -> None:
        self._file, self.members = file, members

    def open(self, name: str) -> BufferedReader:
        """A member's content as a stream. Raises KeyError."""
        return _reader(self._file, self.members[name])

    def read(self, name: str) -> bytes:
        """A member's whole content, for small ones. Raises KeyError."""
        with self.open(name) as part:
            return part.read()


def scan(file: IO[bytes]) -> Archive:
    """Read every byte once. Raises BadContainer, or the kind of it, at the first byte that Writer would not write."""
    archive = Archive(file, {})
    for _ in _members(file, archive.members):
        pass
    return archive


def salvage(file: IO[bytes]) -> Archive:
    """The members of a damaged file as far as it goes, to say more about the damage than `scan`."""
    archive = Archive(file, {})
    try:
        for _ in _members(file, archive.members, strict=False):
            pass
    except BadContainer:
        pass
    return archive


def _members(file: IO[bytes], members: dict[str, Member], strict: bool = True) -> Iterator[Member]:
    size, at = file.seek(0, SEEK_END), 0
    while _get(file, at, 4) == b"PK\3\4":
        member = _member(file, at, size, strict)
        if member.name in members or len(members) >= MAX_MEMBERS:
            raise BadName(f"member {member.name!r} is there twice, or there are too many members")
        members[member.name] = member
        yield member
        at = member.end
    if not members:
        raise (BadContainer if size > 3 else Truncated)("this is not a zip file of an Assay bundle")
    expected = directory(members, at)
    rest = _get(file, at, len(expected) + 1)
    if rest != expected:
        if expected.startswith(rest):
            raise Truncated("the file ends inside its directory: it was cut short")
        raise BadContainer("the zip file is not in canonical form: its directory was changed, or something was added")


def _member(file: IO[bytes], at: int, size: int, strict: bool) -> Member:
    """The member whose header is at this place, its content digested."""
    header = _get(file, at, _LOCAL.size)
    if len(header) < _LOCAL.size:
        raise Truncated("the file ends inside a header: it was cut short")
    _, _, flags, method, _, _, _, stored, unpacked, length, _ = _LOCAL.unpack(header)
    raw = _get(file, at + _LOCAL.size, length)
    name, offset = raw.decode("ascii", "backslashreplace"), at + _LOCAL.size + length
    if not _plain(name):
        raise BadName(f"the name {name[:100]!r} is not a plain one: unpacked, it could be written anywhere")
    if method or flags or stored != unpacked:
        raise Packed(f"member {name!r} is packed: {stored} bytes that say they unpack to {unpacked}")
    if offset + stored > size:
        raise Truncated(f"the file ends inside member {name!r}: it was cut short")
    member = _digested(file, name, offset, stored)
    if strict and header + raw != member.local():
        raise BadContainer(f"member {name!r} was changed: its CRC-32 or its header is not that of its content")
    return member


def _plain(name: str) -> bool:
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def _digested(file: IO[bytes], name: str, offset: int, size: int) -> Member:
    crc, sha256, left = 0, hashlib.sha256(), size
    file.seek(offset)
    while left and (data := file.read(min(CHUNK, left))):
        crc = zlib.crc32(data, crc)
        sha256.update(data)
        left -= len(data)
    return Member(name, offset, size, crc, sha256.hexdigest())


def directory(members: dict[str, Member], at: int) -> bytes:
    """What follows the last member, which ends at this place."""
    rows, count = b"".join(member.central() for member in members.values()), len(members)
    return rows + _END.pack(b"PK\5\6", 0, 0, count, count, len(rows), at, 0)


def _get(file: IO[bytes], at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _put(file: IO[bytes], at: int, data: bytes) -> None:
    file.seek(at)
    file.write(data)


def _reader(file: IO[bytes], member: Member) -> BufferedReader:
    return BufferedReader(_Part(file, member), CHUNK)


class _Part(RawIOBase):
    """One member's bytes. It seeks before each read, so that several can be read in turn."""

    def __init__(self, file: IO[bytes], member: Member) -> None:
        self._source, self._next, self._end = file, member.offset, member.end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = _get(self._source, self._next, min(len(buffer), self._end - self._next))
        buffer[: len(data)] = data
        self._next += len(data)
        return len(data)
