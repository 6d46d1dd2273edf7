"""How far an authority reaches: not by what anybody ticks, not into another's matters, not after the terms changed."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import Role, User
from accounts.people import grant_role
from core.problems import Conflict, Forbidden, NotFound
from ledger.models import PersonKey
from policy.audits import case_trail, downloads, exports, queries, referrals, regulators
from policy.deciding import decisions
from policy.filing import notice_ends
from policy.models import Case, Person, RegulatorAccount
from provenance.models import Asset
from tests.policy.bundles import PURPOSE, agree, known, opened, taken, terms, text_of
from tests.policy.conftest import REASONS, TERMS, FileNotice

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]


@pytest.fixture
def hidden(asset: Asset, file_notice: FileNotice, case: Case, rita: User, settle: Settle) -> Case:
    Person.objects.update(contact_proved_at=case.created_at)
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    return case


def test_a_notice_that_nobody_proved_brings_no_authority(
    case: Case, asset: Asset, file_notice: FileNotice, rita: User, gus: User, settle: Settle
) -> None:
    Person.objects.update(contact_proved_at=case.created_at)
    notice, _ = file_notice(asset, jurisdiction="US", name="Q", email="q@nowhere.example")
    assert notice.case_id == case.pk
    case.refresh_from_db()
    decisions.decide(case, rita, outcome="hide", **TERMS)
    settle()
    assert not queries.in_reach(regulators.entitled(gus)).exists()
    with pytest.raises(NotFound):
        case_trail.trail(gus, case.pk, purpose=PURPOSE)
    export = taken(gus, purpose=PURPOSE)
    assert opened(export) == [] and REASONS["facts_text"] not in text_of(export)


def test_a_notice_taken_back_brings_no_authority(case: Case, asset: Asset, file_notice: FileNotice, gus: User) -> None:
    notice, _ = known(file_notice)(asset, jurisdiction="US", name="Q", email="q@nowhere.example")
    assert queries.in_reach(regulators.entitled(gus)).get() == case
    notice_ends.withdraw(notice)
    assert not queries.in_reach(regulators.entitled(gus)).exists()


def test_what_another_authority_was_handed_and_another_filer_said_is_not_shown(
    case: Case, asset: Asset, file_notice: FileNotice, ravi: User, gus: User, settle: Settle
) -> None:
    known(file_notice)(asset, jurisdiction="US", name="Q", email="q@nowhere.example")
    referrals.record(
        ravi,
        case,
        kind="threat",
        authority_name="Bundeskriminalamt",
        jurisdiction="EU",
        rule_id="eu.dsa.18",
        what="The signed file and when it was registered.",
    )
    settle()
    trail = case_trail.trail(gus, case.pk, purpose=PURPOSE)
    assert (trail.referrals, trail.places) == ([], ["US"])
    named = [step.opened["about"] for step in trail.steps if "about" in step.opened]
    assert {row["jurisdiction"] for row in named if "jurisdiction" in row} == {"US"}  # type: ignore[index, operator, call-overload]
    assert "Bundeskriminalamt" not in text_of(taken(gus, purpose=PURPOSE))


@pytest.mark.parametrize("what", ["child", "terms", "erased"])
def test_a_bundle_is_not_handed_out_after_what_it_opened_closed(
    what: str, hidden: Case, greta: User, olga: User, settle: Settle
) -> None:
    export = taken(greta, purpose=PURPOSE)
    exports.open_export(export, greta).close()
    if what == "child":
        Case.objects.filter(pk=hidden.pk).update(minor=True)
    elif what == "terms":
        regulators.end(regulators.entitled(greta), olga)
        other: Any = terms(authority="Another Agency", jurisdictions=["IN"], scopes=[])
        regulators.invite(olga, other, email=greta.email)
        regulators.activate(greta)
    else:
        PersonKey.objects.filter(person=hidden.object).delete()
    with pytest.raises(Conflict) as refused:
        exports.open_export(export, greta)
    assert refused.value.code == "export.past"
    assert (downloads.lapse(), downloads.lapse()) == (1, 0)
    export.refresh_from_db()
    assert (export.state, export.key) == ("expired", "")


@pytest.mark.parametrize("role", [Role.CREATOR, Role.LEAD_REVIEWER, Role.OPERATOR])
def test_who_works_or_registers_here_by_now_looks_no_more(role: Role, gus: User, olga: User) -> None:
    grant_role(gus, gus.memberships.get().organisation, role, by=olga)
    for look in (regulators.entitled, regulators.reader):
        with pytest.raises(Forbidden, match="nobody supervises"):
            look(gus)
    assert regulators.expire() == 1
    assert RegulatorAccount.objects.get(user=gus).state == "expired"
    agree()
