"""What browsers and files say by themselves is recorded and shown, and never taken as consent."""

from typing import Any

import pytest

from accounts.models import User
from core.problems import Problem
from ledger.models import Entry
from policy.audits import reconciliation
from policy.consents import bases, consent, signals
from policy.deciding import learning
from policy.models import Signal
from provenance.models import Asset, Manifest
from tests.policy.test_consent_purposes import ask

pytestmark = pytest.mark.django_db

TRAINING = {"entries": {"cawg.ai_training": {"use": "allowed"}, "cawg.data_mining": {"use": "notAllowed"}}}


def store(*found: tuple[str, Any]) -> dict[str, Any]:
    manifest = {"assertions": [{"label": label, "data": data} for label, data in found]}
    return {"active_manifest": "urn:1", "manifests": {"urn:1": manifest}}


def test_a_browser_that_sends_global_privacy_control_is_noted_once_and_nothing_is_answered(
    asset: Asset, alice: User
) -> None:
    asked = ask(asset, alice)
    for header in ("", "0", "1", "1"):
        signals.browser_says(asked, header)
    row = Signal.objects.get()
    assert (row.kind, row.consent, row.value) == ("gpc", asked, {"Sec-GPC": "1"})
    asked.refresh_from_db()
    assert asked.state == "requested" and asked.granted == []
    assert Entry.objects.filter(type="signal:seen").count() == 1
    assert list(reconciliation.answers()) == []


def test_what_a_file_says_of_training_mining_and_licence_is_read_as_enumerations() -> None:
    told = signals.said_by(
        store(
            ("cawg.training-mining", TRAINING),
            ("cawg.metadata", {"plus:DataMining": "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"}),
            ("cawg.metadata__1", {"dc:rights": "© Dana, https://creativecommons.org/licenses/by-sa/4.0/deed.de"}),
        )
    )
    assert told == [
        ("cawg", {"cawg.ai_training": "allowed", "cawg.data_mining": "notAllowed"}),
        ("tdm", {"plus:DataMining": "DMI-PROHIBITED"}),
        ("licence", {"licence": "CC-BY-SA-4.0"}),
    ]


@pytest.mark.parametrize(
    "hostile",
    [
        ("cawg.training-mining", {"entries": ["x"]}),
        ("cawg.training-mining", {"entries": {"cawg.ai_training": {"use": "Dana, +47 900"}}}),
        ("cawg.metadata", {"plus:DataMining": 7, "dc:rights": ["Dana"], "cc:license": "https://example.org/dana"}),
        ("cawg.metadata", {"plus:DataMining": "DMI-" + "A" * 500}),
    ],
)
def test_a_strangers_words_are_not_kept(hostile: tuple[str, Any]) -> None:
    assert signals.said_by(store(hostile)) == []


@pytest.fixture
def with_credential(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """A work whose file came with a credential that allows training."""
    Manifest.objects.filter(asset=asset).update(active={"ingredients": [{"active_manifest": "urn:earlier"}]})
    asset.renditions.update(role="original")
    told = {"presence": "embedded", "store": store(("cawg.training-mining", TRAINING))}
    monkeypatch.setattr("provenance.guarded.read_credential", lambda *_, **__: told)
    monkeypatch.setattr("core.storage.local_copy", _nowhere)
    return asset


class _nowhere:
    def __init__(self, key: str) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_files_own_words_are_recorded_once_and_allow_nothing(with_credential: Asset, alice: User) -> None:
    asked = ask(with_credential, alice)
    rows = [signals.file_says(with_credential) for _ in range(2)]
    assert rows[0] == rows[1] and Signal.objects.count() == 1
    assert "training models: allowed" in signals.words(Signal.objects.get())
    asked.refresh_from_db()
    assert asked.state == "requested"
    assert learning.basis_of(with_credential) == "" and not bases.permission(with_credential).basis
    assert list(reconciliation.answers()) == []


def test_a_file_that_cannot_be_read_or_came_with_no_credential_says_nothing(
    with_credential: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Problem("media.unparseable", "No")

    monkeypatch.setattr("provenance.guarded.read_credential", refuse)
    assert signals.file_says(with_credential) == []
    Manifest.objects.filter(asset=with_credential).update(active={})
    monkeypatch.setattr("provenance.guarded.read_credential", None)
    assert signals.file_says(with_credential) == []


def test_every_kind_has_a_sentence(asset: Asset, alice: User) -> None:
    asked = ask(asset, alice)
    signals.browser_says(asked, "1")
    assert "Global Privacy Control" in signals.words(Signal.objects.get())
    assert "DMI-PROHIBITED" in signals.words(Signal(kind="tdm", value={"plus:DataMining": "DMI-PROHIBITED"}))
    assert "CC-BY-4.0" in signals.words(Signal(kind="licence", value={"licence": "CC-BY-4.0"}))
    assert consent.standing(asked) == "requested"
