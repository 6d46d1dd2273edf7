"""Nobody switches the examination of their own work off: not by people whom they name, not as its owner (M9)."""

import pytest

from accounts.models import User
from policy.consents import bases, consent, consent_pins
from policy.filing import notice_ends
from policy.models import Consent, Person, Purpose
from policy.rights import data_answers, data_requests
from policy.rights.data_requests import Kind
from provenance.models import Asset
from tests.policy.conftest import FileNotice, MakeAsset
from tests.policy.test_bases import record
from tests.policy.test_consent_purposes import ask, derive
from tests.web import stage

pytestmark = pytest.mark.django_db


def proved(asked: Consent) -> None:
    """Who was asked has given the PIN that was mailed to them."""
    pin = consent_pins.new_pin()
    consent_pins.issue(asked, pin, Person.objects.filter(pk=asked.depiction.person_id))
    consent_pins.check(asked.depiction.person, pin[0])


def test_a_no_of_somebody_whom_bob_names_once_his_work_is_reported_does_not_keep_it_from_being_examined(
    make_asset: MakeAsset, file_notice: FileNotice, bob: User, olga: User
) -> None:
    work = make_asset(bob)
    record(olga)
    file_notice(work)
    somebody = ask(work, bob, "detect", "publish")
    consent.refuse(somebody)
    data_requests.ask(somebody.depiction.person, Kind.OBJECT, text="I object to being looked at.")
    data_answers.restrict_own(somebody.depiction.person)
    assert bases.permission(work).basis == "gdpr.6.1.f"
    assert consent.is_withheld(work), "it counts for publication"
    assert bases.said_no(work, Purpose.DETECT), "it is on record, and counts where nobody reported"


def test_nor_does_a_name_that_bob_adds_to_the_work_it_was_made_from(
    make_asset: MakeAsset, file_notice: FileNotice, alice: User, bob: User, olga: User
) -> None:
    earlier = make_asset(bob, "Before")
    work = derive(make_asset, bob, earlier)
    record(olga)
    file_notice(work)
    consent.refuse(ask(earlier, bob, "detect"))
    assert bases.permission(work).basis == "gdpr.6.1.f"


def test_who_was_named_before_the_report_is_heard(
    asset: Asset, file_notice: FileNotice, alice: User, olga: User
) -> None:
    record(olga)
    dana = consent.grant(ask(asset, alice, "detect"))
    proved(dana)
    notice, _ = file_notice(asset)
    consent.withdraw(dana)
    assert bases.permission(asset).why == "objection"
    notice_ends.withdraw(notice)
    assert bases.permission(asset).why == "objection"


def test_the_case_says_that_somebody_said_no(
    asset: Asset, file_notice: FileNotice, alice: User, olga: User, rita: User
) -> None:
    record(olga)
    dana = ask(asset, alice, "detect")
    consent.refuse(dana)
    proved(dana)
    notice, _ = file_notice(asset)
    page, desk = f"/review/{notice.case_id}/", stage.browser(rita)
    assert "Faces and voices are not examined: somebody said no." in desk.get(page).content.decode()
    record(olga, ground="gdpr.9.2.f", asset=asset)
    assert "somebody said no" not in desk.get(page).content.decode()


def test_nor_does_a_no_of_somebody_whom_bob_named_before_and_answered_for(
    make_asset: MakeAsset, file_notice: FileNotice, bob: User, olga: User
) -> None:
    work = make_asset(bob)
    record(olga)
    somebody = ask(work, bob, "detect")
    consent.refuse(somebody)
    assert bases.permission(work).why == "objection", "nobody reported it"
    file_notice(work, category="ncii", jurisdiction="US")
    assert bases.permission(work).basis == "gdpr.6.1.f"
    proved(somebody)
    assert bases.permission(work).why == "objection", "her address is proved, so it is her own no"


def test_what_an_owner_has_restricted_is_about_them_and_not_about_their_files(
    make_asset: MakeAsset, file_notice: FileNotice, bob: User, olga: User
) -> None:
    work = make_asset(bob)
    record(olga)
    file_notice(work, category="ncii", jurisdiction="US")
    request = data_requests.ask(bob, Kind.RESTRICT)
    data_requests.take(request, olga)
    data_answers.restrict(request, olga)
    assert bases.permission(work).basis == "gdpr.6.1.f"
    assert data_requests.is_restricted(bob) and data_requests.is_restricted(work), "it is not used for anything else"


def test_a_report_that_was_taken_back_takes_nobody_their_no(
    asset: Asset, file_notice: FileNotice, alice: User, olga: User
) -> None:
    record(olga)
    notice, _ = file_notice(asset)
    consent.refuse(ask(asset, alice, "detect"))
    assert bases.permission(asset).basis
    notice_ends.withdraw(notice)
    assert bases.permission(asset).why == "objection"


def test_what_an_owner_objects_to_is_about_them_and_not_about_their_files(
    asset: Asset, alice: User, olga: User
) -> None:
    record(olga)
    data_requests.ask(alice, Kind.OBJECT, text="I object to examining my works.")
    assert bases.permission(asset).basis == "gdpr.6.1.f"
    assert data_requests.objects(alice) and not data_requests.objects(asset)


def test_a_second_objection_waits_for_its_answer(asset: Asset, alice: User, olga: User) -> None:
    record(olga)
    dana = ask(asset, alice, "publish").depiction.person
    first = data_requests.ask(dana, Kind.OBJECT, text="I object to being compared.")
    assert not bases.permission(asset).basis
    data_requests.refuse(first, olga, "duty")
    second = data_requests.ask(dana, Kind.OBJECT, text="I object to being compared.")
    assert bases.permission(asset).basis, "asking again suspends nothing"
    data_requests.take(second, olga)
    data_answers.uphold(second, olga)
    assert not bases.permission(asset).basis


def test_an_owner_who_objects_to_training_is_heard(asset: Asset, alice: User, olga: User) -> None:
    record(olga, purpose="train")
    assert bases.recorded_for(asset, Purpose.TRAIN)[0]
    data_requests.ask(alice, Kind.OBJECT, text="I object to training with my works.")
    assert not bases.recorded_for(asset, Purpose.TRAIN)[0]
