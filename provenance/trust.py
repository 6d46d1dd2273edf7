"""Whom this office believes: named lists of certificates, in versions with dates, and this office's own certificates.

A verdict names the list and the version that decided it. “Judge as of date X” takes the versions in force on X.
A list comes by file, never over the network, and every version is an entry in the log.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from accounts.models import Organisation
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, NotFound, Problem
from ledger import log as ledger
from ledger.events import EventType
from provenance import authority, certificates, revocation, validity
from provenance.models import TrustList
from provenance.validity import (
    TSA,
    Certificate,
    NamedList,
    SigningTime,
    TrustPolicy,
)

ACTOR: Final = "system:trust"
ROLE: Final = "system"
EXTERNAL_TIME: Final = "urn:assay:time-stamp-authority"
# Names of this office's own lists; no file may claim them.
_RESERVED: Final = "urn:assay:"
_URI = re.compile(r"[a-z][a-z0-9+.-]{1,30}:[\x21-\x7e]{1,160}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class NewList:
    """One version to be added. pem: the certificates as a file has them, with or without remarks between them.

    effective_until: when it goes out of force without a successor. expired_too: take certificates that had expired
    when the version came into force, as lists for judging old files hold them.
    """

    uri: str
    name: str
    version: str
    kind: str
    pem: str = field(repr=False)
    effective_from: dt.datetime
    effective_until: dt.datetime | None = None
    organisation: Organisation | None = None
    source: str = ""
    expired_too: bool = False


def policy(as_of: dt.datetime | None = None, organisation: Organisation | None = None) -> TrustPolicy:
    """Whom to believe at `as_of` (now, if None): this office, the lists of everybody, and those of `organisation`.

    Raises KeyMissing when this office's own certificates are gone.
    """
    own = authority.own_lists()
    named = [
        NamedList(row.uri, row.name, row.version, row.kind, row.pem) for row in in_force(as_of or now(), organisation)
    ]
    return TrustPolicy(as_of, (*own, *_configured_time(), *named))


def judge_time(found: Mapping[str, Any], policy: TrustPolicy) -> SigningTime:
    """`validity.judge_time`, with this office's table of revocations: whoever has a stolen key of an authority of time
    can stamp any date, so no stamp of a revoked certificate counts, whatever date it says.
    """

    def discredited(stamping: Certificate) -> bool:
        return bool(stamping.serial) and revocation.of(stamping.serial, stamping.issuers, policy.as_of) is not None

    return validity.judge_time(found, policy, discredited=discredited)


def in_force(at: dt.datetime, organisation: Organisation | None = None) -> list[TrustList]:
    """The version of each list that counts at `at`, withdrawn ones left out; by uri."""
    begun = _visible(organisation).filter(effective_from__lte=at).order_by("effective_from", "pk")
    # Without the certificates of all the versions that do not count any more.
    newest = {uri: (pk, until) for uri, pk, until in begun.values_list("uri", "pk", "effective_until")}
    counted = [pk for pk, until in newest.values() if until is None or at < until]
    return list(TrustList.objects.filter(pk__in=counted).exclude(pem="").order_by("uri")) if counted else []


def add_list(new: NewList) -> TrustList:
    """Keep one version of a list, and log `trust_list:added`. Raises Problem trust_list.*; nothing is kept."""
    _check_words(new)
    _check_dates(new)
    found = certificates.read_all(new.pem, code="trust_list.pem")
    certificates.refuse_others_than_authorities(found)
    if not new.expired_too:
        certificates.refuse_expired(found, new.effective_from)
    return _keep(new, certificates.as_pem(found), len(found))


def withdraw_list(uri: str, *, version: str, effective_from: dt.datetime) -> TrustList:
    """Take a list out of force from `effective_from` on: a version without certificates. What was judged before that
    date stays judged by the versions of then. Raises Problem.
    """
    latest = TrustList.objects.filter(uri=uri).order_by("effective_from", "pk").last()
    if latest is None:
        raise NotFound("trust list")
    if effective_from <= latest.effective_from:
        raise _wrong_order(f"The newest version is in force from {_day(latest.effective_from)}: withdraw it later.")
    empty = NewList(
        uri=uri,
        name=latest.name,
        version=version,
        kind=latest.kind,
        pem="",
        effective_from=effective_from,
        organisation=latest.organisation,
        source="withdrawn",
    )
    _check_words(empty)
    return _keep(empty, "", 0)


def check_configured_time() -> list[str]:
    """What is wrong with ASSAY_TSA_URL and ASSAY_TSA_CA, in words; the authority is not asked."""
    if not settings.ASSAY_TSA_URL:
        return []
    parts = urlsplit(settings.ASSAY_TSA_URL)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ["ASSAY_TSA_URL is not an http(s) address"]
    try:
        certificates.refuse_expired(configured_roots(), now())
    except (OSError, Problem) as error:
        why = error.detail if isinstance(error, Problem) else "it cannot be read"
        return [f"ASSAY_TSA_CA={settings.ASSAY_TSA_CA}: {why}"]
    return []


def configured_roots() -> list[x509.Certificate]:
    """The certificates in ASSAY_TSA_CA. Raises OSError, Problem."""
    text = Path(settings.ASSAY_TSA_CA).read_text(errors="replace") if settings.ASSAY_TSA_CA else ""
    return certificates.read_all(text, code="trust_list.pem")


def _visible(organisation: Organisation | None) -> QuerySet[TrustList]:
    everybodys = Q(organisation=None)
    return TrustList.objects.filter(everybodys | Q(organisation=organisation) if organisation else everybodys)


def _configured_time() -> Iterator[NamedList]:
    """The roots of the authority that stamps for this office, if it is somebody else. An unreadable file means no list:
    the stamps are then untrusted, and `manage.py doctor` says why.
    """
    if not settings.ASSAY_TSA_URL or check_configured_time():
        return
    pem = certificates.as_pem(configured_roots())
    name = urlsplit(settings.ASSAY_TSA_URL).hostname or ""
    yield NamedList(EXTERNAL_TIME, name, certificates.fingerprint(pem)[:16], TSA, pem)


def _check_words(new: NewList) -> None:
    if not _URI.fullmatch(new.uri) or new.uri.lower().startswith(_RESERVED):
        raise _refused(
            "trust_list.uri",
            "The list's address is not one",
            f"“{new.uri[:80]}” must be a URI of up to 190 characters that does not begin with {_RESERVED}.",
            "Name the list by the address where it is published, or by a urn: of your own.",
        )
    for what, text, limit in (("name", new.name, 120), ("version", new.version, 60), ("source", new.source, 300)):
        if (not text and what != "source") or len(text) > limit or not text.isprintable():
            raise _refused(
                "trust_list.words",
                "A name or version is missing or too long",
                f"The {what} must have 1 to {limit} printable characters.",
                f"Give a shorter {what}.",
            )
    if new.kind not in TrustList.Kind.values:
        raise _refused(
            "trust_list.kind",
            "Unknown kind of list",
            f"“{new.kind[:40]}” is none of {', '.join(TrustList.Kind.values)}.",
            "Say whom the list vouches for: signers (manifest), time-stamp authorities (tsa) or identities (cawg).",
        )


def _check_dates(new: NewList) -> None:
    for at in (new.effective_from, new.effective_until):
        if at is not None and at.tzinfo is None:
            raise _wrong_order("A date needs its time zone.")
    if new.effective_until is not None and new.effective_until <= new.effective_from:
        raise _wrong_order(
            f"The version would end ({_day(new.effective_until)}) before it begins ({_day(new.effective_from)})."
        )


def _keep(new: NewList, pem: str, count: int) -> TrustList:
    digest = certificates.fingerprint(pem)
    facts: dict[str, Json] = {
        "uri": new.uri,
        "version": new.version,
        "kind": new.kind,
        "sha256": digest,
        "certificates": count,
        "effective_from": new.effective_from.astimezone(dt.UTC).isoformat(),
        "effective_until": new.effective_until.astimezone(dt.UTC).isoformat() if new.effective_until else "",
        "organisation": str(new.organisation.pk) if new.organisation else "",
    }
    try:
        with transaction.atomic():
            _refuse_conflict(new)
            entry = ledger.append(EventType.TRUST_LIST_ADDED, actor=ACTOR, role=ROLE, facts=facts)
            return TrustList.objects.create(
                uri=new.uri,
                name=new.name,
                version=new.version,
                kind=new.kind,
                organisation=new.organisation,
                pem=pem,
                sha256=digest,
                source=new.source,
                effective_from=new.effective_from,
                effective_until=new.effective_until,
                entry=entry,
            )
    except IntegrityError as error:
        raise _twice(new) from error


def _refuse_conflict(new: NewList) -> None:
    """One list has one kind and one owner; a version comes once, and no two begin at the same moment."""
    for row in TrustList.objects.filter(uri=new.uri):
        if row.version == new.version:
            raise _twice(new)
        if row.effective_from == new.effective_from:
            raise _wrong_order(f"Version {row.version} is in force from {_day(row.effective_from)}, too.")
        if row.kind != new.kind or row.organisation != new.organisation:
            raise Conflict(
                f"The list {new.uri} is kept as a list of another kind, or of another organisation.",
                code="trust_list.other",
                next_step="Use an address (URI) of its own for this list.",
            )


def _twice(new: NewList) -> Conflict:
    return Conflict(
        f"Version {new.version} of {new.uri} is kept already.",
        code="trust_list.version",
        next_step="Versions never change: give the new content a version of its own.",
    )


def _wrong_order(detail: str) -> Problem:
    return _refused("trust_list.dates", "The dates are in the wrong order", detail, "Give other dates.")


def _refused(code: str, title: str, detail: str, next_step: str) -> Problem:
    return Problem(code, title, status=422, detail=f"{detail} Nothing was kept.", next_step=next_step)


def _day(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
