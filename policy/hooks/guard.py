"""Where a web hook may lead: no address that a member types makes this office speak to a machine inside its own walls.

The address is judged twice. As text, when it is typed: https, a name with dots, a usual port, no user name. And as what
the name leads to, at each delivery: it is looked up once, every answer must be a public address, and the connection
goes to the answer that was judged (`ledger.posting`, which follows no redirect), so that a name which leads elsewhere a
moment later leads nowhere. Hosts that the operator names are exempt (ASSAY_WEBHOOK_HOSTS).
"""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

LONGEST: Final = 500
PORTS: Final = (443, 8443)
_NAME: Final = re.compile(
    r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?", re.ASCII
)
# Everything that may stand in a URL (RFC 3986) but a fragment; browsers read a backslash as a slash.
_TEXT: Final = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]+", re.ASCII)
# RFC 6052: IPv4 addresses that a translator is asked for; RFC 8215: the same in a network of one's own, never public.
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")
_TRANSLATED_HERE: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """Nothing is sent to this address; why, in a sentence for its owner."""


def objection(url: str) -> str:
    """Why this text cannot be the address of a web hook; empty when it can. Looks nothing up."""
    if not 0 < len(url) <= LONGEST or not _TEXT.fullmatch(url):
        return f"Give an address of at most {LONGEST} letters, digits and the signs that addresses have."
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "This is no address."
    if parts.username is not None or parts.password is not None:
        return "Leave out user name and password: the signature shows who sends."
    if parts.scheme not in ("http", "https") or not host:
        return "Give an address that begins with https://."
    return "" if _is_exempt(parts) else _objection(parts.scheme, host, port)


def _objection(scheme: str, host: str, port: int | None) -> str:
    if scheme != "https":
        return "Only https:// is spoken to: on the way, nobody else is to read or change what is sent."
    if not _NAME.fullmatch(host):
        return "Give the full name of a host, not a number."
    if port not in (None, *PORTS):
        return f"Use one of the ports {' and '.join(map(str, PORTS))}."
    if host == urlsplit(settings.ASSAY_URL).hostname:
        return "This is the office itself."
    return ""


def address_of(url: str) -> str:
    """The IP address to speak to. Raises Refused, also where the rules are stricter now than when it was typed."""
    if why := objection(url):
        raise Refused(why)
    parts = urlsplit(url)
    found = _looked_up(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    if not _is_exempt(parts) and not all(map(is_public, found)):
        raise Refused("Its name leads into a private network, where this office sends nothing.")
    return found[0]


def _looked_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refused("Nobody knows a host of this name.") from error
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Whether it is a machine on the open internet, also by the IPv4 address that an IPv6 address stands for."""
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(map(_is_open, _meant(read)))


def _is_open(address: Address) -> bool:
    closed = address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    site = isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or address in _TRANSLATED_HERE)
    return address.is_global and not closed and not site


def _meant(address: Address) -> list[Address]:
    """The address, or those of IPv4 that it carries: mapped (RFC 4291), translated, 6to4 (RFC 3056), Teredo."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    if address in _COMPATIBLE or address in _TRANSLATED:
        return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, *(address.teredo or ()), *filter(None, [address.sixtofour])]


def _is_exempt(parts: SplitResult) -> bool:
    """Named by the operator, `host` or `host:port`: a receiver in the office's own network, perhaps without TLS."""
    host = parts.hostname or ""
    return bool({host, f"{host}:{parts.port}"} & set(settings.ASSAY_WEBHOOK_HOSTS))
