"""Trust lists as the C2PA publishes them: PEM with remarks, or JSON after ETSI TS 119 602 (“list of trusted entities”).

https://github.com/c2pa-org/conformance-public/tree/main/trust-list. Files only; nothing is fetched.
"""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from core.problems import Problem
from provenance.validity import SIGNER, TSA, moment_of

# The names under which verdicts cite the official lists.
OFFICIAL: Final = {
    SIGNER: ("urn:c2pa:trust-list", "C2PA trust list"),
    TSA: ("urn:c2pa:tsa-trust-list", "C2PA time-stamp trust list"),
}
_TRUSTED: Final = "http://c2pa.org/conformance/trust-list/trusted"
MAX_TEXT: Final = 8 << 20


@dataclass(frozen=True)
class Published:
    """version and issued are empty for PEM, which does not tell them."""

    pem: str = field(repr=False)
    version: str = ""
    issued: dt.datetime | None = None
    kind: str = ""


def read(text: str) -> Published:
    """The list in `text`; PEM goes through as it is. Raises Problem trust_list.json."""
    if not text.lstrip("\ufeff \t\r\n").startswith("{"):
        return Published(text)
    try:
        if len(text) > MAX_TEXT:
            raise ValueError("too long")
        document = json.loads(text.lstrip("\ufeff"))["LoTE"]
        about = document["ListAndSchemeInformation"]
        issued = moment_of(str(about["ListIssueDateTime"]).replace("Z", "+00:00"))
        number, name = int(about["LoTESequenceNumber"]), str(about["SchemeName"][0]["value"])
        pem = "".join(_pems(document["TrustedEntitiesList"]))
        if issued is None:
            raise ValueError("no date")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _unreadable() from error
    return Published(pem, f"{number} of {issued:%Y-%m-%d}", issued, TSA if "TSA" in name else SIGNER)


def _pems(entities: list[Mapping[str, Any]]) -> Iterator[str]:
    for entity in entities:
        for service in entity["TrustedEntityServices"]:
            about = service["ServiceInformation"]
            if about["ServiceStatus"] != _TRUSTED:
                continue
            for certificate in about["ServiceDigitalIdentity"]["X509Certificates"]:
                yield _pem(certificate["val"])


def _pem(text: str) -> str:
    try:
        der = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    lines = base64.encodebytes(der).decode().replace("\n", "")
    body = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def _unreadable() -> Problem:
    return Problem(
        "trust_list.json",
        "The trust list cannot be read",
        status=422,
        detail="It is JSON, and not a list of trusted entities after ETSI TS 119 602. Nothing was kept.",
        next_step="Download it again, or take the PEM file that is published beside it.",
    )
