"""Which part of a file is asked for (RFC 9110, 14): one range of bytes, so that a download that broke off goes on."""

import re
from dataclasses import dataclass

from core.problems import Problem

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@dataclass(frozen=True)
class Part:
    """[start, end) of a file of `size` bytes."""

    start: int
    end: int
    size: int

    @property
    def whole(self) -> bool:
        return self.end - self.start == self.size

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def asked(header: str, size: int) -> Part:
    """What a `Range` header asks for. The whole file where there is none, where it names several ranges, or where it is
    not understood: a server may send more than was asked for (RFC 9110, 14.2). Raises Problem (416) beyond the end.
    """
    match = _ONE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return Part(0, size, size)
    first, last = match.groups()
    if not first:  # the last so many bytes
        return _within(max(0, size - int(last)), size, size)
    if last and int(last) < int(first):
        return Part(0, size, size)
    return _within(int(first), min(int(last) + 1, size) if last else size, size)


def _within(start: int, end: int, size: int) -> Part:
    if start >= end:
        raise Problem(
            "request.range",
            "There is no such part of the file",
            status=416,
            detail=f"The file has {size} bytes.",
            next_step="Begin the download again.",
            extra={"size": size},
        )
    return Part(start, end, size)
