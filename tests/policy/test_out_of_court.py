"""What a body outside said is recorded by people who have no part in the matter, and followed by two (I2, R22)."""

from typing import Any

import pytest
from django.core.files.base import ContentFile

from accounts.models import Membership, Role, User
from core.problems import Forbidden, Problem
from policy.deciding import decisions
from policy.models import Appeal, Case, DeclaredConflict, OutOfCourt
from policy.redress import appeal_thread, appeals, out_of_court
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import TERMS, leaf_of
from tests.web import stage

pytestmark = pytest.mark.django_db
WHY = "The reasons stand as they were given."
BODY = {"body": "Some body", "reference": "1"}


@pytest.fixture
def upheld(case: Case, rita: User, ravi: User, alice: User) -> Appeal:
    """Rita hid Alice's work; Ravi heard her appeal."""
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    appeal = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph of the harbour.")
    return appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)


def award() -> "ContentFile[bytes]":
    return ContentFile(b"The body finds for the appellant.", name="award.txt")


def refused(appeal: Appeal, user: User) -> str:
    with pytest.raises(Forbidden) as refusal:
        out_of_court.open_dispute(appeal, user, **BODY)
    assert not OutOfCourt.objects.exists()
    return refusal.value.detail


def test_i2_who_heard_the_appeal_does_not_record_that_a_body_said_otherwise(upheld: Appeal, ravi: User) -> None:
    assert "You heard this appeal" in refused(upheld, ravi)


def test_i2_a_lead_reviewer_does_not_undo_what_was_decided_about_their_own_work(upheld: Appeal, asset: Asset) -> None:
    """Mallory’s attack: any body, any number, and the work is public again."""
    lara = _person("Lara", Role.REVIEWER, Role.LEAD_REVIEWER)
    Asset.objects.filter(pk=asset.pk).update(owner=lara)
    assert "This work is yours" in refused(upheld, lara)
    browser, page = stage.browser(lara), f"/appeals/{upheld.pk}/outside/"
    assert browser.get(page).status_code == 403
    assert browser.post(page, BODY).status_code == 403
    asset.refresh_from_db()
    assert (asset.restriction, Appeal.objects.get().state) == ("hidden", "decided")


def test_i2_nor_who_decided_nor_who_declared_a_conflict(upheld: Appeal, rita: User, alice: User, lena: User) -> None:
    office = rita.memberships.get().organisation
    Membership.objects.create(user=rita, organisation=office, role=Role.LEGAL)
    assert "You took" in refused(upheld, User.objects.get(pk=rita.pk))
    DeclaredConflict.objects.create(reviewer=lena, user=alice)
    assert "declared a conflict" in refused(upheld, lena)


def test_what_a_body_said_for_the_appellant_is_followed_by_a_second_person(
    upheld: Appeal, asset: Asset, lena: User, ravi: User
) -> None:
    dispute = out_of_court.open_dispute(upheld, lena, **BODY)
    said: dict[str, Any] = {"outcome": "appellant", "complied": True}
    for user, why in ((lena, "second person"), (ravi, "You heard this appeal")):
        with pytest.raises(Forbidden, match=why):
            out_of_court.close_dispute(dispute, user, **said, document=award())
    leo = _person("Leo", Role.LEGAL)
    with pytest.raises(Problem, match=r"request\.invalid"):
        out_of_court.close_dispute(dispute, leo, **said)
    asset.refresh_from_db()
    assert (asset.restriction, OutOfCourt.objects.get().state) == ("hidden", "open")
    out_of_court.close_dispute(dispute, leo, **said, document=award())
    asset.refresh_from_db()
    assert asset.restriction == ""
    (message,) = appeal_thread.thread(appeals.appeal_for(upheld.pk, user=upheld.user))
    assert (message.ours, message.documents[0][1]) == (True, "award.txt"), "who appealed reads what the body sent"
    assert leaf_of("appeal:messaged")["role"] == Role.LEGAL
