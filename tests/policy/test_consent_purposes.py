"""Each purpose apart, for a time and by whom; what a withdrawal reaches; what changed bytes do to an answer."""

import datetime as dt
from typing import Any

import pytest
import time_machine

from accounts.models import User
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden, Problem
from detection.models import Label
from ledger.models import Entry
from policy.audits import reconciliation
from policy.consents import bases, consent, consent_wording
from policy.deciding import hashlist, learning
from policy.models import Consent, Flag, Purpose
from policy.rights import people
from provenance.models import Asset, Manifest
from provenance.vocabulary import Training
from tests.policy.conftest import FileNotice, MakeAsset, leaf_of

pytestmark = pytest.mark.django_db
ALL = ["publish", "train", "detect"]


def ask(asset: Asset, by: User, *purposes: str, **other: Any) -> Consent:
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": purposes or ALL, **other}
    _, path = consent.ask_consent(asset, by, **said)
    return consent.consent_by_token(path.split("/")[2])


def test_dana_agrees_to_some_purposes_only_and_a_reviewer_looks_where_publishing_is_not_among_them(
    asset: Asset, alice: User
) -> None:
    asked = ask(asset, alice)
    assert consent.answer(asked, ["train"]) == "given"
    assert asked.granted == ["train"] and not consent.allows(asked, "publish") and consent.allows(asked, "train")
    assert Flag.objects.get().origin == Flag.Origin.CONSENT_REFUSED
    assert leaf_of("consent:given")["facts"]["purposes"] == ["train"]
    assert list(reconciliation.answers()) == []


def test_an_answer_says_all_that_is_agreed_to_from_now_on(asset: Asset, alice: User) -> None:
    asked = ask(asset, alice)
    told = [consent.answer(asked, chosen) for chosen in (ALL, ["publish"], ["publish"], ["publish", "train"], [], [])]
    assert told == ["given", "withdrawn", "unchanged", "renewed", "withdrawn", "unchanged"]
    assert asked.state == "withdrawn" and asked.granted == []
    assert list(reconciliation.answers()) == []


@pytest.mark.parametrize(
    ("places", "served", "reaches"),
    [
        ([], ["EU", "US"], True),
        (["DK"], ["EU", "US"], False),
        (["EU"], ["EU", "US"], False),
        (["EU", "US"], ["EU", "US"], True),
        (["EU"], ["DK"], True),
        (["DK"], ["DK"], True),
    ],
)
def test_a_yes_for_some_places_lets_this_office_examine_and_train_only_where_it_covers_all_it_serves(
    asset: Asset, alice: User, settings: Any, places: list[str], served: list[str], reaches: bool
) -> None:
    settings.ASSAY_JURISDICTIONS = served
    asked = consent.grant(ask(asset, alice, territory=places))
    assert {one for one in ALL if consent.allows(asked, one)} == ({*ALL} if reaches else {"publish"})
    assert bool(bases.permission(asset).basis) is reaches and not bases.said_no(asset, Purpose.DETECT)


def test_withdrawing_one_purpose_leaves_the_others(asset: Asset, alice: User) -> None:
    asked = consent.grant(ask(asset, alice))
    consent.withdraw(asked, ["train"])
    assert (asked.state, asked.granted, consent.standing(asked)) == ("given", ["detect", "publish"], "given")
    assert not Flag.objects.exists(), "what this office does itself stops by itself"
    with pytest.raises(Conflict, match="not agreed to"):
        consent.withdraw(asked, ["train"])
    consent.withdraw(asked)
    assert asked.state == "withdrawn" and Flag.objects.get().origin == Flag.Origin.CONSENT_WITHDRAWN


def test_two_withdrawals_of_different_purposes_at_once_both_count(asset: Asset, alice: User) -> None:
    one = consent.grant(ask(asset, alice))
    other = Consent.objects.select_related("depiction__asset", "depiction__person", "proxy").get(pk=one.pk)
    consent.withdraw(one, ["train"])
    consent.withdraw(other, ["detect"])
    one.refresh_from_db()
    assert one.granted == ["publish"]


def test_what_was_not_asked_for_cannot_be_agreed_to(asset: Asset, alice: User) -> None:
    asked = ask(asset, alice, "publish")
    for chosen in (["commercial"], ["publish", "train"]):
        with pytest.raises(Problem) as refusal:
            consent.answer(asked, chosen)
        assert "purposes" in refusal.value.extra["errors"]  # type: ignore[operator]
    assert Consent.objects.get().state == "requested"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("language", {"language": "xx"}),
        ("language", {"language": "../../secret"}),
        ("territory", {"territory": ["Atlantis"]}),
        ("valid_to", {"valid_to": dt.date(2020, 1, 1)}),
        ("valid_to", {"valid_to": dt.date(9999, 12, 31)}),
        ("valid_to", {"valid_from": dt.date(2090, 1, 1), "valid_to": dt.date(2089, 1, 1)}),
        ("capacity", {"capacity": "neighbour"}),
        ("proxy_name", {"capacity": "guardian"}),
        ("proxy_name", {"proxy_name": "Gina"}),
    ],
)
def test_each_wrong_term_is_named_and_nothing_is_kept(
    asset: Asset, alice: User, field: str, change: dict[str, Any]
) -> None:
    with pytest.raises(Problem) as refusal:
        ask(asset, alice, **change)
    assert list(refusal.value.extra["errors"]) == [field]  # type: ignore[call-overload]
    assert not Consent.objects.exists()


# --- Time ------------------------------------------------------------------------------------------------------------


def test_a_consent_runs_out_after_its_last_day_and_is_given_again_for_as_long(asset: Asset, alice: User) -> None:
    start = now()
    asked = consent.grant(ask(asset, alice, valid_to=start.date() + dt.timedelta(days=10)))
    with time_machine.travel(start + dt.timedelta(days=10), tick=False):
        consent.expire()
        assert consent.standing(asked) == "given"
    with time_machine.travel(start + dt.timedelta(days=11), tick=False):
        assert consent.standing(asked) == "expired", "also before the clock's minute has come"
        consent.expire()
        asked = Consent.objects.select_related("depiction__asset", "depiction__person", "proxy").get()
        assert (asked.state, asked.granted) == ("expired", [])
        assert Flag.objects.get().origin == Flag.Origin.CONSENT_WITHDRAWN
        consent.renew(asked, ["publish"])
        assert asked.valid_to == start.date() + dt.timedelta(days=21)
        assert consent.standing(asked) == "renewed" and asked.granted == ["publish"]
        consent.expire()
        assert leaf_of("consent:expired")["facts"]["actor"] == "system:policy"
        assert list(reconciliation.answers()) == []


def test_a_question_that_nobody_answered_in_time_is_over(asset: Asset, alice: User) -> None:
    asked = ask(asset, alice, valid_to=now().date())
    with time_machine.travel(now() + dt.timedelta(days=2), tick=False):
        with pytest.raises(Conflict, match="is over"):
            consent.grant(asked)
        consent.expire()
        assert Consent.objects.get().state == "expired" and not Flag.objects.exists()


def test_an_answer_for_later_allows_nothing_yet(asset: Asset, alice: User) -> None:
    asked = consent.grant(ask(asset, alice, valid_from=now().date() + dt.timedelta(days=5)))
    assert consent.standing(asked) == "not_yet" and not consent.allows(asked, "train")
    with time_machine.travel(now() + dt.timedelta(days=5), tick=False):
        assert consent.allows(asked, "train")


# --- Who answers, who stops ------------------------------------------------------------------------------------------


def test_a_guardian_answers_under_their_own_key_and_says_that_they_may(asset: Asset, alice: User) -> None:
    asked = ask(asset, alice, capacity="guardian", proxy_name="Gina Hill", proxy_contact="gina@example.org")
    assert asked.proxy is not None and people.name_and_contact(asked.proxy) == ("Gina Hill", "gina@example.org")
    with pytest.raises(Problem, match="missing or wrong"):
        consent.answer(asked, ["publish"])
    assert consent.answer(asked, ["publish"], entitled=True) == "given"
    leaf, entry = leaf_of("consent:given"), Entry.objects.get(type="consent:given")
    assert leaf["role"] == "proxy" and entry.sections.get(name="actor").person == asked.proxy.actor
    assert not any("Gina" in bytes(one.leaf).decode() for one in Entry.objects.all())


def test_dana_stops_for_now_and_agrees_again(asset: Asset, alice: User) -> None:
    asked = consent.halt(consent.grant(ask(asset, alice)))
    assert asked.granted == [] and consent.standing(asked) == "halted"
    assert consent.answer(asked, ["train"]) == "renewed"
    assert asked.granted == ["train"] and list(reconciliation.answers()) == []


def test_only_a_lead_reviewer_or_dana_declares_an_answer_not_valid(
    asset: Asset, alice: User, rita: User, ravi: User
) -> None:
    asked = consent.grant(ask(asset, alice))
    for other in (rita, alice):
        with pytest.raises(Forbidden, match="by the person shown, or by lead reviewers"):
            consent.invalidate(asked, other)
    consent.invalidate(asked, ravi)
    assert consent.standing(asked) == "invalidated" and leaf_of("consent:invalidated")["role"] == "lead_reviewer"
    with pytest.raises(Conflict):
        consent.grant(asked)


# --- Bytes -----------------------------------------------------------------------------------------------------------


def test_i10_a_changed_manifest_leaves_the_answer_unbound_and_asking_again_makes_a_new_question(
    asset: Asset, alice: User
) -> None:
    asked = consent.grant(ask(asset, alice))
    Manifest.objects.create(asset=asset, label="urn:c2pa:2", sha256="f" * 64, active={})
    assert consent.standing(asked) == "unbound" and not consent.allows(asked, "train")
    with pytest.raises(Conflict, match="about something else"):
        consent.renew(asked)
    again, path = consent.ask_again(asked, alice)
    assert again.depiction == asked.depiction and again.manifest_sha256 == "f" * 64
    consent.grant(consent.consent_by_token(path.split("/")[2]))
    assert [consent.standing(one) for one in Consent.objects.order_by("pk")] == ["unbound", "given"]
    assert list(reconciliation.answers()) == []


def test_who_answered_is_not_asked_the_same_again_and_a_lost_link_is_replaced(asset: Asset, alice: User) -> None:
    asked = ask(asset, alice)
    again, _ = consent.ask_again(asked, alice)
    asked.refresh_from_db()
    assert asked.state == "expired", "the lost link answers nothing any more"
    with pytest.raises(Conflict):
        consent.grant(asked)
    for verb in (consent.refuse, consent.grant):
        verb(again)
        with pytest.raises(Conflict, match="has answered"):
            consent.ask_again(again, alice)


def test_only_the_owner_asks_again(asset: Asset, alice: User, mallory: User) -> None:
    asked = ask(asset, alice)
    with pytest.raises(Forbidden):
        consent.ask_again(asked, mallory)


# --- What a withdrawal reaches ---------------------------------------------------------------------------------------


def derive(make_asset: MakeAsset, owner: User, parent: Asset) -> Asset:
    """A work whose manifest has the manifest of `parent` as its ingredient."""
    child = make_asset(owner, title=f"Made from {parent.pk}")
    label = parent.manifests.get().label
    Manifest.objects.filter(asset=child).update(
        label=f"urn:c2pa:{child.pk}", active={"ingredients": [{"active_manifest": label}]}
    )
    return child


def trainable(asset: Asset) -> Label:
    basis = learning.basis_of(asset)
    assert basis
    return Label.objects.create(
        asset=asset, sha256=asset.original_sha256, question="face", claim="real", origin="reviewer",
        source="x", state=Label.State.TRAINABLE, basis=basis,
    )  # fmt: skip


def test_i9_a_withdrawal_reaches_derived_works_labels_and_the_digests_of_who_shows_the_pin_each_on_record(
    make_asset: MakeAsset, alice: User, bob: User, file_notice: FileNotice, settle: Any
) -> None:
    work = make_asset(alice)
    child = derive(make_asset, bob, work)
    grandchild = derive(make_asset, bob, child)
    Asset.objects.update(training=Training.ALLOWED)
    work.refresh_from_db()
    child.refresh_from_db()
    asked = consent.grant(ask(work, alice))
    mine, theirs = trainable(work), trainable(child)
    notice, _ = file_notice(None, url_or_text="elsewhere")
    another, _ = file_notice(None, url_or_text="elsewhere again")
    [hashed] = hashlist.submit(notice, [("sha256", "a" * 64)])
    [kept] = hashlist.submit(another, [("sha256", "b" * 64)])
    consent.withdraw(asked, digests_of=[notice.number])
    for row in (mine, hashed, kept):
        row.refresh_from_db()
    assert (mine.state, mine.excluded_for, hashed.state) == ("excluded", "consent_withdrawn", "withdrawn")
    assert kept.state == "active", "nobody showed the PIN of that notice"
    assert leaf_of("hash:withdrawn")["facts"]["entries"] == [str(hashed.pk)]
    settle()
    theirs.refresh_from_db()
    assert theirs.state == "excluded"
    flagged = Flag.objects.filter(origin=Flag.Origin.CONSENT_WITHDRAWN)
    assert {one.asset_id for one in flagged} == {work.pk, child.pk, grandchild.pk}
    assert all(consent.is_withheld(one) for one in (work, child, grandchild))
    assert not Job.objects.filter(name="consent.reach").exclude(state=Job.State.DONE).exists()


def test_a_withdrawal_of_training_alone_stops_training_and_flags_nothing(
    make_asset: MakeAsset, alice: User, settle: Any
) -> None:
    work = make_asset(alice)
    Asset.objects.update(training=Training.ALLOWED)
    work.refresh_from_db()
    asked = consent.grant(ask(work, alice))
    label = trainable(work)
    consent.withdraw(asked, [Purpose.TRAIN])
    settle()
    label.refresh_from_db()
    assert label.state == "excluded" and learning.basis_of(work) == "" and not Flag.objects.exists()


def test_withdrawing_all_of_a_person_reaches_what_stands_and_what_is_stopped(asset: Asset, alice: User) -> None:
    one = consent.grant(ask(asset, alice))
    assert consent.withdraw_all(one.depiction.person) == 1
    assert consent.withdraw_all(one.depiction.person) == 0
    assert Consent.objects.get().state == "withdrawn"


# --- The notice ------------------------------------------------------------------------------------------------------


def test_the_notice_says_the_same_in_every_language() -> None:
    texts = [consent_wording.wording("1", language).words for language in consent_wording.languages()]
    assert len(texts) >= 2
    for text in texts:
        assert {name: type(value) for name, value in text.items()} == {name: type(v) for name, v in texts[0].items()}
        assert set(text["purposes"]) == set(Purpose.values)
        assert set(text["states"]) == {*Consent.State.values, "unbound", "not_yet"}
        assert set(text["said"]) == set(texts[0]["said"])


@pytest.mark.parametrize(("version", "language"), [("1", "xx"), ("2", "en"), ("..", "en"), ("1", "../1/en")])
def test_there_is_no_notice_of_another_version_or_language(version: str, language: str) -> None:
    with pytest.raises(Problem) as refusal:
        consent_wording.wording(version, language)
    assert refusal.value.status == 404
