import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger.models import Entry
from policy.consents import consent, consent_receipts
from policy.consents.consent_fold import Folded, after
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Consent, ConsentEvent, Flag
from provenance.models import Asset, Manifest
from tests.policy.conftest import TERMS, FileNotice
from web.assets import is_sealed

pytestmark = pytest.mark.django_db


def ask(asset: Asset, by: User) -> tuple[Consent, str]:
    asked, path = consent.ask_consent(
        asset, by, name="Dana Hill", contact="dana@example.org", purposes=["publish", "capture"]
    )
    return asked, path.removeprefix("/consent/").rstrip("/")


def test_dana_agrees_by_link_and_the_answer_is_bound_to_file_and_manifest(asset: Asset, alice: User) -> None:
    asked, token = ask(asset, alice)
    found = consent.consent_by_token(token)
    assert found == asked
    consent.grant(found)
    assert (found.signed_sha256, found.manifest_sha256) == consent.binding(asset)
    assert consent.standing(found) == "given"
    assert "publish" in found.purposes
    assert "train" not in found.purposes


def test_the_token_is_kept_nowhere(asset: Asset, alice: User) -> None:
    asked, token = ask(asset, alice)
    assert token not in json.dumps(list(Consent.objects.values()), default=str)
    assert not any(token.encode() in bytes(entry.leaf) for entry in Entry.objects.all())
    assert asked.token_hash != token


def test_a_wrong_token_finds_nothing(asset: Asset, alice: User) -> None:
    ask(asset, alice)
    with pytest.raises(NotFound):
        consent.consent_by_token("x" * 43)


def test_no_leaf_names_the_person_or_their_id(asset: Asset, alice: User) -> None:
    asked, _ = ask(asset, alice)
    consent.grant(asked)
    for entry in Entry.objects.all():
        leaf = bytes(entry.leaf).decode()
        assert "Dana" not in leaf
        assert str(asked.depiction.person_id) not in leaf
        assert str(asked.pk) not in leaf


def test_a_changed_manifest_leaves_the_answer_unbound(asset: Asset, alice: User) -> None:
    """I10."""
    asked, _ = ask(asset, alice)
    consent.grant(asked)
    Manifest.objects.create(asset=asset, label="urn:c2pa:2", sha256="f" * 64, active={})
    assert consent.standing(asked) == "unbound"


def test_an_answer_about_a_changed_work_is_not_taken(asset: Asset, alice: User) -> None:
    asked, _ = ask(asset, alice)
    Manifest.objects.create(asset=asset, label="urn:c2pa:2", sha256="f" * 64, active={})
    with pytest.raises(Conflict):
        consent.grant(asked)
    assert Consent.objects.get().state == Consent.State.REQUESTED


def test_withdrawing_keeps_the_past_and_asks_a_reviewer_to_look(asset: Asset, alice: User) -> None:
    """I9."""
    asked, _ = ask(asset, alice)
    consent.grant(asked)
    consent.withdraw(asked)
    assert list(asked.events.values_list("kind", flat=True)) == ["requested", "given", "withdrawn"]
    flag = Flag.objects.get()
    assert flag.origin == Flag.Origin.CONSENT_WITHDRAWN
    assert flag.case.state == "open"


def test_who_refuses_publication_has_a_reviewer_look_and_the_public_page_sealed_until_then(
    asset: Asset, alice: User, rita: User
) -> None:
    asked, _ = ask(asset, alice)
    assert not Case.objects.exists()
    consent.refuse(asked)
    flag = Flag.objects.get()
    assert (flag.origin, flag.case.category, flag.case.state) == (Flag.Origin.CONSENT_REFUSED, "likeness", "open")
    assert is_sealed(asset)
    cases.assign(flag.case, rita)
    decisions.decide(flag.case, rita, outcome="no_action", **TERMS)
    assert not is_sealed(asset)


def test_the_public_page_is_sealed_when_consent_is_withdrawn_and_not_by_a_strangers_report(
    asset: Asset, alice: User, file_notice: FileNotice
) -> None:
    asked, _ = ask(asset, alice)
    consent.grant(asked)
    file_notice(asset)
    assert not is_sealed(asset)
    consent.withdraw(asked)
    assert is_sealed(asset)


def test_who_refuses_something_else_than_publication_leaves_the_page_as_it_is(asset: Asset, alice: User) -> None:
    asked, _ = consent.ask_consent(asset, alice, name="Dana Hill", contact="", purposes=["train"])
    consent.refuse(asked)
    assert not Flag.objects.exists()


def test_consent_may_be_given_again_after_it_was_withdrawn(asset: Asset, alice: User) -> None:
    asked, _ = ask(asset, alice)
    for verb in (consent.grant, consent.withdraw, consent.grant):
        verb(asked)
    assert consent.standing(asked) == "given"


def test_what_was_not_given_cannot_be_withdrawn(asset: Asset, alice: User) -> None:
    asked, _ = ask(asset, alice)
    with pytest.raises(Conflict):
        consent.withdraw(asked)
    assert not Flag.objects.exists()


def test_of_two_answers_at_once_one_counts(asset: Asset, alice: User) -> None:
    _, token = ask(asset, alice)
    one, other = consent.consent_by_token(token), consent.consent_by_token(token)
    consent.grant(one)
    with pytest.raises(Conflict):
        consent.refuse(other)
    assert ConsentEvent.objects.count() == 2


ASKED = ("capture", "publish", "train")
EVENTS = st.tuples(st.sampled_from(Consent.State.values), st.sets(st.sampled_from(ASKED), min_size=1))


@given(st.lists(EVENTS, max_size=8))
def test_i9_what_stands_is_a_fold_over_the_events(events: list[tuple[str, set[str]]]) -> None:
    """Step by step or all at once; what was not possible changes nothing; nothing stands that was not given last."""
    folded = Folded(Consent.State.REQUESTED)
    for kind, purposes in events:
        before, folded = folded, after(folded, kind, purposes)
        if kind not in Consent.MOVES[before.state]:
            assert folded == before
        assert bool(folded.granted) == (folded.state in Consent.STANDS)
    assert consent.fold(ASKED, events) == folded


def test_i9_rows_from_before_purposes_were_kept_are_about_all_of_them() -> None:
    assert consent.fold(["publish", "train"], [("requested", []), ("given", [])]) == ("given", ("publish", "train"))
    assert consent.fold(["publish"], [("given", []), ("withdrawn", [])]) == ("withdrawn", ())


def test_only_the_owner_asks(asset: Asset, mallory: User) -> None:
    with pytest.raises(Forbidden):
        ask(asset, mallory)


@pytest.mark.parametrize(
    ("field", "change"), [("name", {"name": " "}), ("purposes", {"purposes": []}), ("purposes", {"purposes": ["sell"]})]
)
def test_each_wrong_field_is_named(asset: Asset, alice: User, field: str, change: dict[str, object]) -> None:
    said = {"name": "Dana", "contact": "", "purposes": ["publish"], **change}
    with pytest.raises(Problem) as refusal:
        consent.ask_consent(asset, alice, **said)  # type: ignore[arg-type]
    assert field in refusal.value.extra["errors"]  # type: ignore[operator]
    assert not Consent.objects.exists()


def test_the_receipt_names_nobody(asset: Asset, alice: User) -> None:
    asked, _ = ask(asset, alice)
    consent.grant(asked)
    text = json.dumps(consent_receipts.receipt(asked))
    assert "Dana" not in text
    assert "27560" in text
    assert asked.signed_sha256 in text
