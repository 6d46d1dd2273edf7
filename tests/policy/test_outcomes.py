"""Every outcome does what it says, and everything it did goes back (I3, I4, I8, I23)."""

import datetime as dt
import json
from typing import Any

import pytest
import time_machine
from django.db import transaction

from accounts.models import User
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy.audits import reconciliation, reconciliation_sanctions
from policy.deciding import decisions, hashlist, suspensions
from policy.desk import cases
from policy.filing import flags, notice_ends
from policy.law import clocks
from policy.models import Case, Decision, Flag, HashEntry, Notice, Strike, Suspension
from provenance import places, restriction
from provenance import reconciliation as works
from provenance.delivery import refusal
from provenance.models import Asset, Fingerprint
from provenance.registration import register_hash
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset, agreed

pytestmark = pytest.mark.django_db
LAW: dict[str, Any] = {"ground": "illegal", "rule_ids": ["us.tida.223a", "office.terms.consent"], **REASONS}
ROUGHLY_A_YEAR = dt.timedelta(days=400)


def disagreements() -> list[str]:
    ours = [*reconciliation.decisions(), *reconciliation.cases(), *reconciliation_sanctions.sanctions()]
    return [*ours, *works._restrictions()]


# --- Places (I15) ----------------------------------------------------------------------------------------------------


def test_a_work_is_not_shown_in_some_places_and_shown_elsewhere(
    case: Case, rita: User, bob: User, asset: Asset
) -> None:
    decisions.decide(case, rita, outcome="geo_restrict", territory=["DK"], **TERMS)
    asset.refresh_from_db()
    assert (asset.restriction, asset.hidden_in) == ("", ["DK"])
    for country, shown in (("DK", False), ("DE", True), ("US", True), ("", True)):
        token = places._here.set(places.read(country))
        try:
            assert (refusal(asset, bob) is None) is shown, country
        finally:
            places._here.reset(token)
    assert not disagreements()


def test_a_work_hidden_in_the_union_is_hidden_in_each_of_its_countries() -> None:
    assert places.read("de") == {"DE", "EU"}
    assert places.read("US-IL") == {"US-IL", "US"}
    for nothing in ("", "XX", "T1", "germany", "D", "DE;drop"):
        assert places.read(nothing) == frozenset()


def test_only_the_offices_own_proxy_says_where_somebody_is(settings: Any, rf: Any) -> None:
    request = rf.get("/", HTTP_X_COUNTRY="DK")
    settings.ASSAY_COUNTRY_HEADER = "X-Country"
    settings.BEHIND_PROXY = False
    assert places.of(request) == frozenset()
    settings.BEHIND_PROXY = True
    assert places.of(request) == {"DK", "EU"}
    settings.ASSAY_COUNTRY_HEADER = ""
    assert places.of(request) == frozenset()


def test_somebody_whose_place_is_unknown_is_asked_and_not_refused() -> None:
    assert places.may_be_among(["DK"])
    assert not places.may_be_among([])
    assert not places.is_among(["DK"])
    token = places._here.set(places.read("US"))
    try:
        assert places.may_be_among(["US-IL"])
        assert not places.may_be_among(["DK"])
    finally:
        places._here.reset(token)


def test_i15_the_law_of_one_country_does_not_hide_a_work_everywhere(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset, category="ncii", jurisdiction="US")
    case = cases.assign(notice.case, rita)
    said: dict[str, Any] = {"ground": "illegal", "rule_ids": ["us.tida.223a"], **REASONS}
    with pytest.raises(Problem) as refused:
        decisions.decide(case, rita, outcome="hide", **said)
    assert "limit it to that place" in refused.value.extra["errors"]["territory"][0]  # type: ignore[index]
    with pytest.raises(Problem):
        decisions.decide(case, rita, outcome="geo_restrict", territory=["US", "DK"], **said)
    decisions.decide(case, rita, outcome="geo_restrict", territory=["US"], interim=True, **said)
    with_terms = {**said, "rule_ids": ["us.tida.223a", "office.terms.consent"]}
    decisions.decide(case, rita, outcome="hide", **with_terms)
    asset.refresh_from_db()
    assert (asset.restriction, asset.hidden_in) == ("hidden", [])


# --- Blocked copies (I8, I23) ----------------------------------------------------------------------------------------


def test_i8_the_same_bytes_are_refused_after_a_persons_decision(
    case: Case, rita: User, ravi: User, asset: Asset
) -> None:
    agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    assert asset.restriction == ""
    with pytest.raises(Forbidden) as refused:
        restriction.refuse_blocked(asset.original_sha256)
    assert refused.value.code == "asset.blocked"
    restriction.refuse_blocked("0" * 64)


def test_a_registration_is_refused_before_anything_is_kept(
    case: Case, rita: User, ravi: User, asset: Asset, alice: User, bob: User
) -> None:
    agreed(case, rita, ravi, outcome="hash_block", also=["suspend"], **TERMS)
    said: dict[str, Any] = {"size": 10, "media_type": "image/png", "title": "A copy"}
    for owner, sha256, code in ((bob, asset.original_sha256, "asset.blocked"), (alice, "1" * 64, "account.suspended")):
        with pytest.raises(Forbidden) as refused:
            register_hash(owner, sha256=sha256, **said)
        assert refused.value.code == code
    assert Asset.objects.count() == 1


def test_i8_a_persons_own_digest_refuses_nothing_and_is_shown_to_a_reviewer(
    asset: Asset, file_notice: FileNotice, make_asset: MakeAsset, bob: User
) -> None:
    notice, _ = file_notice(asset)
    copy = make_asset(bob, "A copy")
    assert len(hashlist.submit(notice, [("sha256", copy.original_sha256.upper())])) == 1
    assert hashlist.submit(notice, [("sha256", copy.original_sha256)]) == [], "once is enough"
    assert not hashlist.blocked(copy.original_sha256)
    restriction.watch(copy)
    flag = Flag.objects.get(asset=copy)
    assert (flag.origin, flag.state) == (Flag.Origin.COPY_OF_LISTED, Flag.State.RAISED)
    assert restriction.public().filter(pk=copy.pk).exists(), "a machine hides nothing because a stranger asked"
    restriction.refuse_blocked(copy.original_sha256)
    for wrong in ([], [("sha256", "a" * 63)], [("md5", "a" * 32)], [("pdq-256", "g" * 64)]):
        with pytest.raises(Problem):
            hashlist.submit(notice, wrong)
    with pytest.raises(Conflict, match="at most 20"):
        hashlist.submit(notice, [("pdq-256", f"{n:064x}") for n in range(20)])
    with transaction.atomic():
        assert hashlist.purge(HashEntry.objects.filter(notice=notice)) == 1
    entry = HashEntry.objects.get()
    assert (entry.state, entry.value) == (HashEntry.State.PURGED, "")
    assert not disagreements()


def test_an_entry_off_the_list_refuses_nothing_and_shows_nothing(
    case: Case, rita: User, ravi: User, asset: Asset, make_asset: MakeAsset, bob: User
) -> None:
    Fingerprint.objects.create(asset=asset, algorithm="iscc-image-256", value=bytes(32))
    agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    other = make_asset(bob, "Another")
    Fingerprint.objects.create(asset=other, algorithm="iscc-image-256", value=b"\x03" + bytes(31))
    assert hashlist.naming(other)
    for state in ("suspended", "withdrawn", "expired"):
        HashEntry.objects.update(state=state)
        assert not hashlist.blocked(asset.original_sha256)
        assert hashlist.naming(other) == []


def test_what_looks_the_same_is_shown_to_a_reviewer(
    case: Case, rita: User, ravi: User, asset: Asset, make_asset: MakeAsset, bob: User
) -> None:
    Fingerprint.objects.create(asset=asset, algorithm="iscc-image-256", value=bytes(32))
    agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    far = make_asset(bob, "Far")
    Fingerprint.objects.create(asset=far, algorithm="iscc-image-256", value=b"\xff" * 32)
    near = make_asset(bob, "Near")
    Fingerprint.objects.create(asset=near, algorithm="iscc-image-256", value=b"\x01" + bytes(31))
    for work in (far, near):
        restriction.watch(work)
    assert list(Flag.objects.filter(origin="copy_of_hidden").values_list("asset", flat=True)) == [near.pk]
    assert set(restriction.public().filter(owner=bob)) == {far}, "nobody is led to it until a reviewer has looked"


def test_an_entry_for_some_places_refuses_and_hides_nothing_and_is_shown_to_a_reviewer(
    case: Case, rita: User, ravi: User, asset: Asset, make_asset: MakeAsset, bob: User
) -> None:
    Fingerprint.objects.create(asset=asset, algorithm="iscc-image-256", value=bytes(32))
    agreed(case, rita, ravi, outcome="hash_block", territory=["DK"], **TERMS)
    assert not hashlist.blocked(asset.original_sha256)
    near = make_asset(bob, "Near")
    Fingerprint.objects.create(asset=near, algorithm="iscc-image-256", value=bytes(32))
    restriction.watch(near)
    assert Flag.objects.get(asset=near).origin == Flag.Origin.COPY_OF_LISTED
    assert restriction.public().filter(pk=near.pk).exists()


def test_i8_copies_are_kept_out_only_in_kinds_of_issues_that_a_rule_lists(
    case: Case, rita: User, ravi: User, asset: Asset
) -> None:
    agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    assert hashlist.blocked(asset.original_sha256)
    HashEntry.objects.update(category="election")
    assert not hashlist.blocked(asset.original_sha256)


def test_copies_are_not_blocked_where_the_same_bytes_may_be_right_elsewhere(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset, category="election")
    with pytest.raises(Conflict) as refused:
        decisions.decide(cases.assign(notice.case, rita), rita, outcome="hash_block", **TERMS)
    assert refused.value.code == "decision.no_block"


def test_a_childs_digest_sends_copies_to_who_is_trained_for_it(
    asset: Asset, file_notice: FileNotice, make_asset: MakeAsset, bob: User
) -> None:
    notice, _ = file_notice(asset, category="ncii", answers={"minor": "yes"})
    copy = make_asset(bob, "A copy")
    hashlist.submit(notice, [("sha256", copy.original_sha256)])
    restriction.watch(copy)
    assert Flag.objects.get(asset=copy).case.category == "child_safety"


@pytest.mark.parametrize("over", ["withdrawn", "unfounded"])
def test_i23_a_notice_that_is_over_takes_its_digests_off_the_list(over: str, case: Case, rita: User) -> None:
    notice = Notice.objects.get()
    hashlist.submit(notice, [("pdq-256", "0f" * 32)])
    if over == "withdrawn":
        notice_ends.withdraw(notice)
    else:
        notice_ends.unfounded(notice, rita, "invented")
    assert HashEntry.objects.get().state == HashEntry.State.WITHDRAWN
    with pytest.raises(Conflict) as refused:
        hashlist.submit(notice, [("pdq-256", "0e" * 32)])
    assert refused.value.code == "hash.notice_over"
    if over == "unfounded":
        notice_ends.contest(notice, "I am who I say I am, as my account shows.")
        assert HashEntry.objects.get().state == HashEntry.State.WITHDRAWN, "contesting brings none back"
        assert len(hashlist.submit(notice, [("pdq-256", "0f" * 32)])) == 1, "but they can be handed in again"
    assert not disagreements()


def test_i23_what_is_withdrawn_loses_its_digest(case: Case, rita: User, ravi: User) -> None:
    agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    with transaction.atomic():
        hashlist.withdraw(HashEntry.objects.all())
    assert set(HashEntry.objects.values_list("state", flat=True)) == {"withdrawn"}
    hashlist.tidy()
    assert set(HashEntry.objects.values_list("state", "value")) == {("purged", "")}
    assert not disagreements()


def test_an_entry_runs_out_when_the_offices_terms_say_so(case: Case, rita: User, ravi: User) -> None:
    agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    expires = HashEntry.objects.values_list("expires_at", flat=True).first()
    assert expires is not None
    assert hashlist.tidy() == 0
    with time_machine.travel(expires + dt.timedelta(hours=1), tick=False):
        hashlist.tidy()
    assert set(HashEntry.objects.values_list("state", "value")) == {("purged", "")}


# --- Accounts --------------------------------------------------------------------------------------------------------


def test_who_is_suspended_cannot_register_and_hears_until_when(case: Case, rita: User, ravi: User, alice: User) -> None:
    agreed(case, rita, ravi, outcome="suspend", **TERMS)
    with pytest.raises(Forbidden, match="suspended from registering works until"):
        restriction.refuse_uploader(alice)
    suspensions.refuse_suspended(alice, Suspension.Scope.NOTICES)
    row = Suspension.objects.get()
    with time_machine.travel(row.until + dt.timedelta(minutes=1), tick=False):
        restriction.refuse_uploader(alice)
        assert suspensions.run_out() == 1
    assert not disagreements()


def test_a_lead_reviewer_suspends_and_a_reviewer_does_not(alice: User, rita: User, ravi: User) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=7)
    with pytest.raises(Forbidden):
        suspensions.suspend(alice, scope="notices", until=until, by=rita)
    row = suspensions.suspend(alice, scope="notices", until=until, by=ravi)
    with pytest.raises(Conflict):
        suspensions.suspend(alice, scope="notices", until=until, by=ravi)
    suspensions.lift(row, by=ravi)
    suspensions.refuse_suspended(alice, "notices")


def test_a_grave_decision_by_law_is_a_strike_and_an_undone_one_is_none(
    intimate: Case, rita: User, ravi: User, alice: User
) -> None:
    decision = decisions.decide(intimate, rita, outcome="hide", **LAW)
    (strike,) = suspensions.strikes(alice)
    assert strike.decision == decision
    with transaction.atomic():
        decisions.reverse(decision, by=ravi)
    assert suspensions.strikes(alice) == []
    assert Strike.objects.get().voided_at is not None
    assert not disagreements()


# --- Everything together ---------------------------------------------------------------------------------------------


def test_i4_everything_that_one_decision_did_goes_back(
    intimate: Case, rita: User, ravi: User, asset: Asset, alice: User
) -> None:
    Fingerprint.objects.create(asset=asset, algorithm="dhash-64", value=bytes(8))
    decision = agreed(intimate, rita, ravi, outcome="remove", also=["hash_block", "suspend"], **LAW)
    kinds = sorted(decision.actions.values_list("kind", flat=True))
    assert kinds == ["hash_blocked", "hidden", "purge", "strike", "suspended"]
    assert len(decisions.unreversed(decision)) == 8
    with transaction.atomic():
        decisions.reverse(decision, by=ravi)
    asset.refresh_from_db()
    assert (asset.restriction, asset.hidden_in) == ("", [])
    assert set(decision.actions.values_list("state", flat=True)) == {"reversed"}
    assert set(HashEntry.objects.values_list("state", flat=True)) == {"suspended"}
    assert not hashlist.blocked(asset.original_sha256)
    assert Suspension.objects.get().state == Suspension.State.LIFTED
    assert suspensions.strikes(alice) == []
    assert set(intimate.flags.values_list("state", flat=True)) == {"cleared"}
    assert Notice.objects.get().outcome == Notice.Outcome.DECLINED
    assert decisions.unreversed(decision) == []
    assert Case.objects.get().state == Case.State.CLOSED
    assert not disagreements()


def test_i4_a_case_does_not_close_while_something_overturned_stands(
    case: Case, rita: User, ravi: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = agreed(case, rita, ravi, outcome="hash_block", **TERMS)
    with monkeypatch.context() as broken:
        broken.setattr(hashlist, "suspend", lambda _: 0)
        with transaction.atomic():
            decisions.reverse(decision, by=ravi)
    assert decisions.unreversed(decision) == ["1 entries of the list of blocked copies are active."]
    case.refresh_from_db()
    assert case.state == Case.State.DECIDED
    with transaction.atomic():
        hashlist.suspend(decision)
        clocks.close_if_quiet(case)
    assert case.state == Case.State.CLOSED


def test_what_another_decision_demands_stays_when_one_is_undone(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    other, _ = file_notice(asset, category="privacy")
    theirs = cases.assign(other.case, ravi)
    first = decisions.decide(case, rita, outcome="hide", **TERMS)
    decisions.decide(theirs, ravi, outcome="geo_restrict", territory=["DK"], **TERMS)
    with transaction.atomic():
        decisions.reverse(first, by=ravi)
    asset.refresh_from_db()
    assert (asset.restriction, asset.hidden_in) == ("", ["DK"])


def test_a_decision_runs_out_by_itself(intimate: Case, rita: User, asset: Asset) -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    decision = decisions.decide(intimate, rita, outcome="hide", ends_at=until, **LAW)
    assert decisions.expire() == 0
    with time_machine.travel(until + dt.timedelta(minutes=1), tick=False):
        assert decisions.expire() == 1
        assert decisions.expire() == 0
    asset.refresh_from_db()
    decision.refresh_from_db()
    assert (asset.restriction, decision.state) == ("", Decision.State.EXPIRED)
    assert Strike.objects.get().voided_at is None, "it was right while it lasted"
    assert not disagreements()


def test_an_action_names_no_person_in_the_log(case: Case, rita: User, ravi: User, alice: User) -> None:
    agreed(case, rita, ravi, outcome="suspend", **TERMS)
    leaves = [json.loads(bytes(entry.leaf)) for entry in Entry.objects.filter(type__startswith="account:")]
    assert leaves
    assert str(alice.pk) not in json.dumps(leaves)


def test_a_flag_is_settled_once(asset: Asset, rita: User) -> None:
    flag = flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)
    with transaction.atomic():
        assert flags.settle_one(flag, Flag.State.CLEARED, by=None)
        assert not flags.settle_one(flag, Flag.State.CONFIRMED, by=rita)
