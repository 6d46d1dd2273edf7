"""What the tests of the process pages stand on: a work on record with real files, decided cases, signed-in browsers."""

import hashlib
import io
import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import transaction
from django.test import Client
from PIL import Image

from accounts.models import User
from core import jobs
from core.models import Job
from core.storage import key_of
from ledger import log
from ledger.events import EventType
from policy.consents import consent_pins
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import notices
from policy.models import Case, Decision, Notice
from provenance.authority import this_office
from provenance.models import Asset, Manifest, Rendition

TERMS: dict[str, Any] = {
    "ground": "terms",
    "rule_ids": ["office.terms.consent"],
    "facts_text": "The work shows what the notice describes.",
    "explanation": "The cited clause asks for this outcome.",
}


def work(owner: User, photo: bytes, title: str = "Harbour at noon") -> Asset:
    """A registered photograph (registration has its own tests): original, a stand-in for the signed file, preview."""
    this_office()  # an office with works has signing keys
    preview = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize((320, 213)).save(preview, "JPEG")
    signed = photo + title.encode()
    with transaction.atomic():
        entry = log.append(EventType.ASSET_REGISTERED, actor=owner.actor, role="creator")
        asset = Asset.objects.create(
            owner=owner,
            title=title,
            kind="image",
            media_type="image/jpeg",
            source_type="digitalCapture",
            original_sha256=_digest(photo),
            entry=entry,
        )
        for role, data in (("original", photo), ("signed", signed), ("preview", preview.getvalue())):
            _keep(asset, role, data)
        Manifest.objects.create(asset=asset, label=f"urn:c2pa:{asset.pk}", sha256=_digest(title.encode()), active={})
    return asset


def _keep(asset: Asset, role: str, data: bytes) -> None:
    key = key_of(_digest(data))
    if not storages["media"].exists(key):
        storages["media"].save(key, ContentFile(data))
    Rendition.objects.create(
        asset=asset,
        role=role,
        sha256=_digest(data),
        size=len(data),
        media_type="image/jpeg",
        key=key,
        width=640,
        height=427,
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def stored_files() -> list[str]:
    """Every file under the storage and scratch folders, so that a test can see that nothing was kept."""
    roots = [Path(settings.ASSAY_VAR) / name for name in ("media", "scratch")]
    return sorted(str(path) for root in roots for path in root.rglob("*") if path.is_file())


def notice(asset: Asset | None, **other: object) -> tuple[Notice, str]:
    """A complete notice of Dana's, and its PIN."""
    said: dict[str, object] = {
        "category": "likeness",
        "jurisdiction": "EU",
        "statement": "This shows me and I never agreed to it.",
        "name": "Dana Hill",
        "email": "dana@example.org",
        "good_faith": True,
        "as_depicted": True,
        "sworn": ["tida.not_consensual", "dmca.good_faith", "dmca.accuracy"],
    }
    return notices.file_notice(asset=asset, **{**said, **other})  # type: ignore[arg-type]


def decide(case: Case, reviewer: User, *, outcome: str = "hide") -> Decision:
    """The case, taken and decided by this reviewer."""
    cases.assign(case, reviewer)
    return decisions.decide(case, reviewer, outcome=outcome, **TERMS)


def answered(link: str) -> Client:
    """A browser in which the person shown has just said no through their link, and given the PIN that was mailed."""
    client = browser()
    assert client.post(f"{link}answer/", {"answer": "no"}).status_code == 302
    assert client.post(f"{link}pin/", {"pin": mailed_pin()}).status_code == 302
    return client


def mailed_pin() -> str:
    """The PIN of a person shown, as the last mail says it; "" if none was sent."""
    for job in Job.objects.filter(name=consent_pins.SEND, state=Job.State.QUEUED):
        jobs.run(str(job.pk))
    bodies = [str(one.body) for one in mail.outbox]
    found = [pin for body in bodies for pin in re.findall(r"PIN: (\d{4} \d{4} \d{4})\n", body)]
    return found[-1] if found else ""


def mailed_link() -> str:
    """The link of the last such mail."""
    return str(re.findall(r"(/consent/\S+/)\n", str(mail.outbox[-1].body))[-1])


def browser(user: User | None = None, *, csrf: bool = False) -> Client:
    """A browser, signed in as `user`."""
    client = Client(enforce_csrf_checks=csrf)
    if user is not None:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client
