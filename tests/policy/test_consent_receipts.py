"""A receipt says what happened, names nobody, and everything it says can be computed again."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from policy.consents import consent, consent_receipts
from policy.models import Consent
from provenance.models import Asset, Manifest
from tests.policy.test_consent_purposes import ask

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]


@pytest.fixture
def asked(asset: Asset, alice: User) -> Consent:
    return ask(asset, alice, capacity="guardian", proxy_name="Gina Hill", language="de", territory=["EU"])


@pytest.fixture
def told(asked: Consent, settle: Settle) -> dict[str, Any]:
    """Asked, agreed to in part, one purpose withdrawn, and all of it in the log."""
    consent.grant(asked, ["publish", "train"], entitled=True)
    consent.withdraw(asked, ["train"])
    settle()
    return json.loads(json.dumps(consent_receipts.receipt(asked)))  # type: ignore[no-any-return]


def test_it_has_the_four_sections_of_iso_27560_with_terms_of_the_vocabulary(told: dict[str, Any]) -> None:
    assert told["header"]["schema_version"] == "ISO/IEC TS 27560:2023"
    assert told["@context"]["dpv"] == "https://w3id.org/dpv#" and told["hasConsentStatus"] == "dpv:ConsentGiven"
    rows = {row["purpose"]: (row["hasProcessing"], row["granted"]) for row in told["processing"]["purposes"]}
    assert rows == {
        "publish": ("dpv:MakeAvailable", True),
        "train": ("dpv:Use", False),
        "detect": ("dpv:Analyse", False),
    }
    assert [row["party_id"] for row in told["parties"]] == ["controller", "principal", "office", "proxy"]
    assert [(one["event_state"], one["purposes"]) for one in told["events"]] == [
        ("requested", ["detect", "publish", "train"]),
        ("given", ["publish", "train"]),
        ("withdrawn", ["train"]),
    ]
    assert told["processing"]["geographic_restrictions"] == ["EU"]
    assert told["processing"]["privacy_notice"].endswith("/consent-notice/1/de/")


def test_it_names_nobody(told: dict[str, Any], asked: Consent) -> None:
    text = json.dumps(told)
    assert "Dana" not in text and "Gina" not in text and str(asked.depiction.person_id) not in text


def test_everything_it_says_is_computed_again(told: dict[str, Any]) -> None:
    assert consent_receipts.check(told) == []


def set_in(told: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(told)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("header", "schema_version"), "mine", "not in the shape"),
        (("header", "record_id"), "", "header has no"),
        (("state",), "withdrawn", "its events say"),
        (("hasConsentStatus",), "dpv:ConsentRefused", "term for its state"),
        (("processing", "purposes", 0, "granted"), True, "do not follow"),
        (("processing", "purposes", 0, "@id"), "dpv:Marketing", "not those of the vocabulary"),
        (("processing", "purposes"), [], "names no purposes"),
        (("processing", "notice_sha256"), "0" * 64, "digest of the consent notice"),
        (("processing", "language"), "xx", "no consent notice"),
        (("processing", "asset"), "0193", "about something else"),
        (("events", 0, "event_state"), "given", "do not begin with a question"),
        (("events", 1, "purposes"), ["detect"], "the log says another"),
        (("events", 1, "signed_sha256"), "0" * 64, "the log says another"),
        (("events", 1, "log", "index"), 0, "does not hold"),
        (("events", 1, "log", "checkpoint"), "nonsense", "does not hold"),
        (("events", 1, "log"), None, "has not proved it yet"),
        (("events", 1), {}, "it has no"),
    ],
)
def test_whatever_is_changed_is_found(told: dict[str, Any], path: tuple[Any, ...], value: Any, said: str) -> None:
    assert any(said in why for why in consent_receipts.check(set_in(told, path, value)))


@pytest.mark.parametrize("nonsense", [None, 7, [], "x", {"events": [1, {"log": {"a": 1.5}}]}, {"header": []}])
def test_nonsense_is_refused_in_words(nonsense: Any) -> None:
    assert consent_receipts.check(nonsense)


def test_i10_after_the_work_was_changed_the_receipt_says_unbound_and_still_holds(
    told: dict[str, Any], asked: Consent, asset: Asset
) -> None:
    Manifest.objects.create(asset=asset, label="urn:c2pa:2", sha256="f" * 64, active={})
    later = json.loads(json.dumps(consent_receipts.receipt(asked)))
    assert (later["state"], later["hasConsentStatus"]) == ("unbound", "dpv:ConsentStatusInvalidForProcessing")
    assert consent_receipts.check(later) == []
