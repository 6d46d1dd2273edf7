"""Works on record without real media (registration has its own tests), and a case ready to be decided."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.audits import regulators
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import notices
from policy.models import Case, Decision, Notice
from provenance.models import Asset, Manifest, Rendition
from tests.policy import bundles

MakeAsset = Callable[..., Asset]
FileNotice = Callable[..., tuple[Notice, str]]
REASONS: dict[str, Any] = {
    "facts_text": "The work shows what the notice describes.",
    "explanation": "The cited clause asks for this outcome.",
}
TERMS: dict[str, Any] = {"ground": "terms", "rule_ids": ["office.terms.consent"], **REASONS}


def leaf_of(type: str) -> dict[str, Any]:
    """The only leaf of this type; fails when there is none, or more."""
    leaf: dict[str, Any] = json.loads(bytes(Entry.objects.get(type=type).leaf))
    return leaf


def about_of(type: str) -> dict[str, Any]:
    """What the only entry of this type says under seal of its case."""
    (about,) = disclosures_for(Entry.objects.get(type=type), ["about"])
    assert isinstance(about.value, dict)
    return dict(about.value)


def agreed(case: Case, rita: User, ravi: User, **said: Any) -> Decision:
    """Rita proposes and Ravi agrees."""
    decision = decisions.decide(case, rita, **said)
    assert decision.state == Decision.State.HELD
    return decisions.approve(decision, ravi)


@pytest.fixture
def make_asset(db: None) -> MakeAsset:
    def make(owner: User, title: str = "Harbour at noon", source_type: str = "digitalCapture") -> Asset:
        digest = hashlib.sha256(f"{owner.pk}{title}".encode()).hexdigest()
        with transaction.atomic():
            entry = log.append(EventType.ASSET_REGISTERED, actor=owner.actor, role="creator", facts={"sha256": digest})
            asset = Asset.objects.create(
                owner=owner,
                title=title,
                kind="image",
                media_type="image/jpeg",
                source_type=source_type,
                original_sha256=digest,
                entry=entry,
            )
            Rendition.objects.create(
                asset=asset,
                role=Rendition.Role.SIGNED,
                sha256=digest,
                size=10,
                media_type="image/jpeg",
                key=f"sha256/{digest}",
                width=640,
                height=427,
            )
            Manifest.objects.create(asset=asset, label="urn:c2pa:1", sha256=digest, active={})
        return asset

    return make


@pytest.fixture
def asset(make_asset: MakeAsset, alice: User) -> Asset:
    return make_asset(alice)


@pytest.fixture
def file_notice() -> FileNotice:
    """A valid notice of Dana's; any field can be said differently."""

    def file(asset: Asset | None = None, **other: Any) -> tuple[Notice, str]:
        said = {
            "category": "likeness",
            "jurisdiction": "EU",
            "statement": "This shows me and I never agreed to it.",
            "name": "Dana Hill",
            "email": "dana@example.org",
            "good_faith": True,
            "as_depicted": True,
            "sworn": ["tida.not_consensual", "dmca.good_faith", "dmca.accuracy"],
        }
        return notices.file_notice(asset=asset, **{**said, **other})

    return file


@pytest.fixture
def case(asset: Asset, file_notice: FileNotice, rita: User) -> Case:
    """Dana's notice about Alice's work, in Rita's hands."""
    notice, _ = file_notice(asset)
    return cases.assign(notice.case, rita)


@pytest.fixture
def any_date(settings: Any) -> None:
    """The clock may be set to any date, also before the entries that fixtures made today."""
    settings.ASSAY_LOG_CLOCK_TOLERANCE = 10**9


@pytest.fixture
def gus(db: None) -> User:
    """Of an authority of the United States; nothing of the European Union is theirs."""
    account = regulators.invite(None, bundles.terms(), email="gus@authority.example", name="Gus")
    regulators.activate(account.user)
    return account.user


@pytest.fixture
def intimate(asset: Asset, file_notice: FileNotice, rita: User) -> Case:
    """A case that a law about works speaks of; Rita has it."""
    return cases.assign(file_notice(asset, category="ncii", jurisdiction="US")[0].case, rita)
