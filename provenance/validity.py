"""When something was signed, by what is proved, and whether the signer's certificate was in force then. Pure.

The library judges by its own clock and knows no date of validation. Here the same facts (its codes, the certificates'
dates, the time-stamp) are judged as of any date: C2PA 2.4 §14.5 and §15.8 say which moment counts. With a time-stamp
that a list in force vouches for, it is the stamp's time; without, it is the date for which somebody asks.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from core.clock import now
from provenance import codes
from provenance.certificates import BLOCK
from provenance.manifest_reading import active, mapping, results, status_codes, text

THIS_OFFICE: Final = "urn:assay:this-office"
THIS_OFFICE_TIME: Final = "urn:assay:this-office:time"
SIGNER, TSA, IDENTITY = "manifest", "tsa", "cawg"

STAMPED, UNSTAMPED, EXPIRED, UNTRUSTED_STAMP, ABSENT = "stamped", "unstamped", "expired", "untrusted_stamp", "absent"
NOT_YET: Final = "not_yet"

# What the library says by its own clock; each is replaced by the judgement made here.
CLOCK_CODES: Final = frozenset(
    {
        codes.EXPIRED,
        codes.OUTSIDE_VALIDITY,
        codes.INSIDE_VALIDITY,
        "timeOfSigning.outsideValidity",
        "timeOfSigning.insideValidity",
    }
)
_STAMP_BROKEN: Final = frozenset(
    {
        "timeStamp.mismatch",
        "timeStamp.malformed",
        "timeStamp.outsideValidity",
        codes.STAMP_UNTRUSTED,
        "timeStamp.credentialInvalid",
    }
)
_MAX_NAME: Final = 120
_ORDER: Final = (SIGNER, TSA, IDENTITY)


@dataclass(frozen=True)
class NamedList:
    """One version of a named list, as a verdict cites it. kind: manifest, tsa or cawg.

    pem: authorities (anchors). allowed: single signing certificates that are trusted as they are and vouch for nobody.
    """

    uri: str
    name: str
    version: str
    kind: str
    pem: str = field(repr=False)
    allowed: str = field(default="", repr=False)


@dataclass(frozen=True)
class TrustPolicy:
    """Whom to believe: the lists in force at one moment. as_of: None means now."""

    as_of: dt.datetime | None
    lists: tuple[NamedList, ...]

    @property
    def anchors(self) -> list[dict[str, str]]:
        """As provenance.c2pa.read takes them: {"uri", "pem", "kind"} and, where there are any, "allowed" (PEM).

        A certificate that several lists of a kind have goes in under the first of them. The library asks all lists it
        is given about everything, whatever their kind, and names any one of those that vouch (c2pa-rs issue 2039): so
        it is given one kind at a time.
        """
        told, seen = [], set[tuple[str, str]]()
        for one in sorted(self.lists, key=lambda one: _ORDER.index(one.kind)):
            found = [(one.kind, block) for block in BLOCK.findall(one.pem)]
            pem = "".join(f"{block}\n" for kind, block in found if (kind, block) not in seen)
            seen.update(found)
            if pem or one.allowed:
                single = {"allowed": one.allowed} if one.allowed else {}
                told.append({"uri": one.uri, "pem": pem, "kind": one.kind, **single})
        return told

    @property
    def moment(self) -> dt.datetime:
        """The date for which is judged."""
        return self.as_of or now()

    def list_named(self, uri: str) -> NamedList | None:
        """The list that a verdict names by `uri`."""
        return next((one for one in self.lists if one.uri == uri), None)


@dataclass(frozen=True)
class Certificate:
    """What a credential tells of one certificate in it. serial: decimal. issuers: names of who issued it; strangers'
    words. not_before, not_after: None when the credential does not tell.
    """

    serial: str = ""
    name: str = ""
    issuers: tuple[str, ...] = ()
    not_before: dt.datetime | None = None
    not_after: dt.datetime | None = None

    def in_force(self, at: dt.datetime) -> bool:
        """Whether `at` lies in its validity, ends included (RFC 5280 §4.1.2.5). Unknown dates bound nothing."""
        after_begin = self.not_before is None or self.not_before <= at
        return after_begin and (self.not_after is None or at <= self.not_after)


@dataclass(frozen=True)
class SigningTime:
    """The verdict on time.

    state: stamped (a trusted time-stamp says when, and the certificate was in force then), unstamped (no time-stamp;
    the certificate was in force at the date of judging), untrusted_stamp (the same, and there is a stamp that counts
    for nothing), expired (the certificate was not in force at the moment that counts), not_yet (its trusted time-stamp
    is later than the date of judging: nothing shows that it had been signed by then), absent (nothing is signed).
    at: the trusted time-stamp's time. authority: its name, when it is trusted. moment: the moment that counted.
    replaced: codes of the library, made by its own clock, that this judgement replaces. codes: those it gives instead.
    """

    state: str
    moment: dt.datetime
    at: dt.datetime | None = None
    authority: str = ""
    certificate: Certificate = Certificate()
    replaced: frozenset[str] = frozenset()
    codes: tuple[str, ...] = ()

    @property
    def in_force(self) -> bool:
        """Whether the signer's certificate was in force at the moment that counts."""
        return self.state in (STAMPED, UNSTAMPED, UNTRUSTED_STAMP)


def judge_time(
    found: Mapping[str, Any], policy: TrustPolicy, *, discredited: Callable[[Certificate], bool] = lambda _: False
) -> SigningTime:
    """When the active manifest was signed, as of the policy's date.

    found: what provenance.c2pa.read returned, read with the anchors of the same policy. discredited: whether the stamps
    of this certificate count for nothing. Of what bears a trusted stamp made after `as_of`, nothing shows that it had
    been signed by then.
    """
    store = mapping(found.get("store"))
    signature, manifest = _signature(found), active(store)
    if not signature and not manifest.get("signature_info"):
        return SigningTime(ABSENT, policy.moment)
    success = frozenset(status_codes(results(store), "success"))
    others = frozenset(status_codes(results(store), "informational", "failure"))
    stamp: Mapping[str, Any] = signature.get("timeStampInfo") or {}
    stamped_at = moment_of(stamp.get("timestamp") or (manifest.get("signature_info") or {}).get("time"))
    # The library says with the same code that a certificate may not stamp and that it may not sign.
    trusted = codes.STAMP_TRUSTED in success and codes.NOT_FOR_MEDIA not in others
    if trusted and discredited(certificate_of(stamp, {})):
        trusted = False
    there = bool(stamp) or stamped_at is not None or bool(others & _STAMP_BROKEN)
    return _judged(
        certificate=certificate_of(signature, manifest),
        stamp=certificate_of(stamp, {}) if there else None,
        at=stamped_at if trusted else None,
        policy=policy,
        said=success | others,
    )


_INSTEAD: Final[Mapping[str, tuple[str, ...]]] = {EXPIRED: (codes.EXPIRED,), NOT_YET: (codes.STAMPED_LATER,)}


def _judged(
    *,
    certificate: Certificate,
    stamp: Certificate | None,
    at: dt.datetime | None,
    policy: TrustPolicy,
    said: frozenset[str],
) -> SigningTime:
    # Where the dates are not told, the library's word, by its own clock, is all there is.
    by_its_word = certificate.not_after is None and codes.EXPIRED in said
    if at is not None and policy.as_of is not None and at > policy.as_of:
        state = NOT_YET
    elif by_its_word or not certificate.in_force(at or policy.moment):
        state = EXPIRED
    else:
        state = STAMPED if at is not None else UNSTAMPED if stamp is None else UNTRUSTED_STAMP
    instead = _INSTEAD.get(state, ())
    return SigningTime(
        state=state,
        moment=at or policy.moment,
        at=at,
        authority=stamp.name if stamp is not None and at is not None else "",
        certificate=certificate,
        replaced=said & CLOCK_CODES - set(instead),
        codes=instead,
    )


def signing_certificate(found: Mapping[str, Any]) -> Certificate:
    """The certificate that signed the active manifest, as far as the credential tells of it."""
    return certificate_of(_signature(found), active(mapping(found.get("store"))))


def certificate_of(signature: Mapping[str, Any], manifest: Mapping[str, Any]) -> Certificate:
    """From crJSON's `certificateInfo` (serial in hex) and the reader's `signature_info` (serial in decimal)."""
    info: Mapping[str, Any] = signature.get("certificateInfo") or {}
    plain: Mapping[str, Any] = manifest.get("signature_info") or {}
    validity: Mapping[str, Any] = info.get("validity") or {}
    subject: Mapping[str, Any] = info.get("subject") or {}
    return Certificate(
        serial=_serial(info.get("serialNumber"), plain.get("cert_serial_number")),
        name=text(subject.get("CN") or subject.get("O") or plain.get("common_name") or plain.get("issuer"), _MAX_NAME),
        issuers=tuple(_texts((info.get("issuer") or {}).get(key) for key in ("CN", "O"))),
        not_before=moment_of(validity.get("notBefore")),
        not_after=moment_of(validity.get("notAfter")),
    )


def moment_of(told: object) -> dt.datetime | None:
    """An RFC 3339 time with its zone, in UTC; None for anything else, since a stranger wrote it."""
    if not isinstance(told, str) or len(told) > 40:
        return None
    try:
        read = dt.datetime.fromisoformat(told)
    except ValueError:
        return None
    return None if read.tzinfo is None else read.astimezone(dt.UTC)


def _signature(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """crJSON's `signature` of the active manifest."""
    document, label = found.get("crjson"), str(mapping(found.get("store")).get("active_manifest") or "")
    manifests: Collection[Any] = document.get("manifests") or () if isinstance(document, Mapping) else ()
    for one in manifests:
        if isinstance(one, Mapping) and one.get("label") == label and isinstance(one.get("signature"), Mapping):
            signature: Mapping[str, Any] = one["signature"]
            return signature
    return {}


def _serial(hexadecimal: object, decimal: object) -> str:
    if isinstance(decimal, str) and decimal.isascii() and decimal.isdigit() and len(decimal) <= 60:
        return decimal
    try:
        return str(int(str(hexadecimal)[:60], 16)) if hexadecimal else ""
    except ValueError:
        return ""


def _texts(values: Iterable[object]) -> list[str]:
    return [words for words in (text(value, _MAX_NAME) for value in values) if words]
