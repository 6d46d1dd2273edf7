"""Identifiers: UUID version 7 (RFC 9562), ordered by time of creation."""

import uuid

from uuid_utils.compat import uuid7 as _uuid7


def uuid7() -> uuid.UUID:
    """A new UUIDv7 as a standard library UUID."""
    return _uuid7()
