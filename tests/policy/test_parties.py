"""Nobody does anything in their own matter, outside of cases either: one table says who is a party to what."""

import datetime as dt
from typing import Any

import pytest

from accounts.models import User
from core.clock import now
from core.problems import Forbidden, Problem
from policy import parties
from policy.consents import bases, consent
from policy.deciding import decisions, hashlist, suspensions
from policy.desk import cases
from policy.filing import flaggers, misuse
from policy.models import Case, DeclaredConflict, HashEntry, Hold, Misuse, Person, Suspension
from policy.rights import holds
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset, agreed

pytestmark = pytest.mark.django_db
SOON = dt.timedelta(days=30)


@pytest.fixture
def own(make_asset: MakeAsset, ravi: User) -> Asset:
    """A work of the lead reviewer's."""
    return make_asset(ravi, "The quay")


def _refused(verb: Any, words: str) -> None:
    with pytest.raises(Forbidden, match=words) as refusal:
        verb()
    assert refusal.value.code == "party.conflict"


def test_a_lead_ends_no_warning_of_their_own_and_lifts_no_suspension(ravi: User) -> None:
    row = Misuse.objects.create(kind="notices", user=ravi, state="warned", warned_at=now())
    imposed = Suspension.objects.create(user=ravi, scope="notices", until=now() + SOON)
    for verb in (misuse.warn, misuse.suspend, misuse.end):
        _refused(lambda verb=verb: verb(row, ravi), "This is about you")
    _refused(lambda: suspensions.lift(imposed, by=ravi), "This is about you")
    _refused(lambda: suspensions.suspend(ravi, scope="uploads", until=now() + SOON, by=ravi), "about you")
    row.refresh_from_db()
    imposed.refresh_from_db()
    assert (row.state, imposed.state) == ("warned", "active")


def test_a_lead_warns_and_suspends_nobody_who_reported_their_work(
    own: Asset, ravi: User, mallory: User, file_notice: FileNotice
) -> None:
    by_account, _ = file_notice(own, by=mallory)
    nameless, _ = file_notice(own, name="", email="")
    rows = [Misuse.objects.create(kind="notices", user=mallory)]
    rows.append(Misuse.objects.create(kind="notices", person=nameless.filer))
    for row in rows:
        _refused(lambda row=row: misuse.warn(row, ravi), "A work of yours is part of this")
    _refused(lambda: suspensions.suspend(mallory, scope="notices", until=now() + SOON, by=ravi), "work of yours")
    assert not Suspension.objects.exists() and by_account.account == mallory


def test_who_reported_a_work_judges_no_misuse_of_its_owner_and_records_no_basis_for_it(
    asset: Asset, alice: User, ravi: User, rita: User, olga: User, file_notice: FileNotice
) -> None:
    file_notice(asset, by=ravi)
    _refused(lambda: misuse.warn(Misuse.objects.create(kind="uploads", user=alice), ravi), "You reported a work")
    said: dict[str, Any] = {"purpose": "detect", "ground": "gdpr.6.1.f", "reference": "Assessment 7 of the office"}
    _refused(lambda: bases.record(ravi, asset=asset, **said), "You reported a work")
    row = bases.record(olga, asset=asset, **said)
    _refused(lambda: bases.withdraw(row, ravi), "You reported a work")
    bases.withdraw(bases.record(ravi, **said), ravi)  # for every work, and so nobody's matter
    bases.withdraw(row, olga)


def test_a_lead_takes_no_work_of_their_own_off_the_list(
    own: Asset, rita: User, ravi: User, olga: User, file_notice: FileNotice, make_asset: MakeAsset, alice: User
) -> None:
    listed = make_asset(alice, "Pier")
    notice, _ = file_notice(listed)
    agreed(cases.assign(notice.case, rita), rita, ravi, outcome="hash_block", **TERMS)
    Asset.objects.filter(pk=listed.pk).update(owner=ravi)
    _refused(lambda: hashlist.withdraw_by(ravi, HashEntry.objects.all()), "yours")
    elsewhere, _ = file_notice(listed, category="fraud")
    hashlist.submit(elsewhere, [("sha256", own.original_sha256)])
    theirs = HashEntry.objects.filter(notice=elsewhere)
    Asset.objects.filter(pk=listed.pk).update(owner=alice)
    _refused(lambda: hashlist.withdraw_by(ravi, theirs), "A work of yours")
    assert hashlist.withdraw_by(olga, theirs) == 1


def test_a_hold_in_ones_own_matter_is_placed_and_released_by_somebody_else(
    own: Asset, ravi: User, olga: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(own)
    said: dict[str, Any] = {"basis": "office.terms.consent", "review_date": (now() + SOON).date()}
    later = (now() + 2 * SOON).date()
    subjects = (f"asset:{own.pk}", notice.case.object, notice.filer.actor, ravi.actor)
    for on in subjects:
        _refused(lambda on=on: holds.place_hold(ravi, on=on, **said), "yours|about you")
    assert not Hold.objects.exists()
    for on in subjects:
        hold = holds.place_hold(olga, on=on, **said)
        _refused(lambda hold=hold: holds.release_hold(hold, ravi), "yours|about you")
        _refused(lambda hold=hold: holds.review_hold(hold, ravi, review_date=later), "yours|about you")
    assert not Hold.objects.exclude(released_at=None).exists()


def test_a_lead_stops_no_consent_about_their_own_work(own: Asset, asset: Asset, alice: User, ravi: User) -> None:
    said: dict[str, Any] = {"name": "Dana Hill", "contact": "", "purposes": ["publish"]}
    for work, owner in ((own, ravi), (asset, alice)):
        asked, _ = consent.ask_consent(work, by=owner, **said)
        consent.grant(asked)
        if owner == ravi:
            _refused(lambda asked=asked: consent.halt(asked, ravi), "A work of yours")
            _refused(lambda asked=asked: consent.invalidate(asked, ravi), "A work of yours")
        else:
            assert consent.halt(asked, ravi).state == "halted"


def test_nobody_designates_or_changes_their_own_organisation(ravi: User, olga: User, bob: User) -> None:
    said: dict[str, Any] = {
        "authority_name": "Coordinator of the harbour",
        "jurisdiction": "EU",
        "areas": ["fraud"],
        "valid_from": now().date(),
        "valid_to": None,
    }
    assert ravi.organisation is not None and bob.organisation is not None
    for by in (ravi, olga):
        with pytest.raises(Problem, match="your organisation"):
            flaggers.designate(ravi.organisation, **said, by=by)
    row = flaggers.designate(bob.organisation, **said, by=ravi)
    DeclaredConflict.objects.create(reviewer=ravi, organisation=bob.organisation)
    _refused(lambda: flaggers.change(row, "suspended", by=ravi), "declared a conflict")
    assert flaggers.change(row, "suspended", by=olga).state == "suspended"


def test_a_declared_conflict_counts_wherever_that_person_is_meant(
    asset: Asset, alice: User, ravi: User, case: Case, rita: User
) -> None:
    DeclaredConflict.objects.create(reviewer=ravi, user=alice)
    decision = decisions.decide(case, rita, outcome="label", **TERMS)
    assert decision.case.asset == asset
    for subject in (alice, asset, case):
        _refused(lambda subject=subject: parties.refuse_party(ravi, subject), "declared a conflict")
        parties.refuse_party(rita, subject)
    parties.refuse_party(ravi, Person.objects.create(), None)
