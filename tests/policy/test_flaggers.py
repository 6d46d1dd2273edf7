"""DSA 22: designated for an area and a time, in bulk by API, first in the queue, and decided like everybody else."""

import datetime as dt
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import Scope, User
from accounts.tokens import create_token
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from policy.audits import reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import flaggers
from policy.models import Case, Notice, TrustedFlagger
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
BULK = "/api/v1/notices/bulk"


@pytest.fixture
def flagger(bob: User, ravi: User) -> TrustedFlagger:
    assert bob.organisation is not None
    return flaggers.designate(
        bob.organisation,
        authority_name="Coordinator of the harbour",
        jurisdiction="EU",
        areas=["impersonation", "fraud"],
        valid_from=now().date() - dt.timedelta(days=10),
        valid_to=now().date() + dt.timedelta(days=10),
        by=ravi,
    )


def item(asset: Asset, key: str = "1", **other: Any) -> dict[str, Any]:
    said = {
        "key": key,
        "asset": str(asset.pk),
        "category": "fraud",
        "jurisdiction": "EU",
        "statement": "This is used to sell what does not exist.",
        "name": "Bob’s Paper",
        "email": "desk@example.org",
        "good_faith": True,
    }
    return {**said, **other}


def test_many_are_filed_at_once_each_whole_or_not_at_all(
    api: Api, bob: User, flagger: TrustedFlagger, asset: Asset, make_asset: MakeAsset, alice: User
) -> None:
    other = make_asset(alice, "Pier")
    items: list[Any] = [
        item(asset, "a"),
        item(other, "b", category="likeness"),
        item(asset, "c", good_faith=False),
        {**item(asset, "d"), "asset": "01234567-89ab-7def-8123-456789abcdef"},
        "no object",
        {"key": "e"},
    ]
    answer = api(bob).post(BULK, {"items": items})
    assert answer.status_code == 200
    first, second, *wrong = answer.data["results"]
    assert (first["trusted"], first["state"], first["index"]) == (True, "valid", 0)
    assert second["trusted"] is False and "likeness" in second["ordinary_because"]
    codes = [(row["index"], row["error"]["code"]) for row in wrong]
    assert codes == [(2, "request.invalid"), (3, "not_found"), (4, "request.invalid"), (5, "request.invalid")]
    assert Notice.objects.count() == Case.objects.count() == 2
    status = api().get(f"/api/v1/notices/{first['number']}", headers={"Assay-Pin": answer.data["pin"]})
    assert status.status_code == 200
    assert "eu.dsa.22" in {clock["rule_id"] for clock in status.data["clocks"]}
    assert not [*reconciliation_notices.notices()]


def test_an_item_that_was_sent_before_is_not_filed_again(
    api: Api, bob: User, flagger: TrustedFlagger, asset: Asset
) -> None:
    first = api(bob).post(BULK, {"items": [item(asset)]}).data
    again = api(bob).post(BULK, {"items": [item(asset), item(asset, "2")]}).data
    assert [row["replayed"] for row in again["results"]] == [True, False]
    assert again["results"][0]["number"] == first["results"][0]["number"]
    assert Notice.objects.count() == 2
    assert api(bob).post(BULK, {"items": [item(asset)]}).data["pin"] is None


def test_who_filed_opens_their_notices_without_the_pin_of_a_lost_answer(
    api: Api, bob: User, mallory: User, flagger: TrustedFlagger, asset: Asset, rita: User
) -> None:
    number = api(bob).post(BULK, {"items": [item(asset)]}).data["results"][0]["number"]
    decision = decisions.decide(cases.assign(Case.objects.get(), rita), rita, outcome="no_action", **TERMS)
    for stranger in (api(mallory), api()):
        assert stranger.get(f"/api/v1/notices/{number}").status_code == 404
    assert api(bob).get(f"/api/v1/notices/{number}").data["state"] == "answered"
    assert api(bob).get(f"/api/v1/notices/{number}", headers={"Assay-Pin": "00000000"}).status_code == 404
    asked = {"notice": number, "grounds": "The offer is still there and nobody delivers anything."}
    assert api(bob).post(f"/api/v1/decisions/{decision.pk}/appeals", asked).status_code == 201


@pytest.mark.parametrize(
    ("other", "category"),
    [
        ({"kind": "privacy", "category": "fraud"}, "privacy"),
        ({"kind": "order", "category": "fraud"}, "authority_order"),
    ],
)
def test_another_kind_of_notice_does_not_go_first_by_naming_the_area(
    api: Api, bob: User, flagger: TrustedFlagger, asset: Asset, other: dict[str, str], category: str
) -> None:
    (told,) = api(bob).post(BULK, {"items": [item(asset, **other)]}).data["results"]
    assert (told["trusted"], Notice.objects.get().category) == (False, category)
    assert "another kind" in told["ordinary_because"]


def test_a_suspended_designation_files_nothing_in_bulk(
    api: Api, bob: User, ravi: User, flagger: TrustedFlagger, asset: Asset
) -> None:
    flaggers.change(flagger, "suspended", by=ravi)
    refused = api(bob).post(BULK, {"items": [item(asset)] * 40})
    assert (refused.status_code, refused.json()["code"]) == (403, "flagger.suspended")
    assert not Notice.objects.exists()


@pytest.mark.parametrize("items", [[], "all", None, [{}] * 501])
def test_a_bulk_call_of_the_wrong_shape_files_nothing(api: Api, bob: User, flagger: TrustedFlagger, items: Any) -> None:
    assert api(bob).post(BULK, {"items": items}).status_code == 400
    assert not Notice.objects.exists()


def test_who_is_not_designated_or_has_no_scope_files_nothing_in_bulk(
    api: Api, bob: User, mallory: User, flagger: TrustedFlagger, asset: Asset
) -> None:
    refused = api(mallory).post(BULK, {"items": [item(asset)]})
    assert (refused.status_code, refused.json()["code"]) == (403, "flagger.none")
    assert api().post(BULK, {"items": [item(asset)]}).status_code in (401, 403)
    for scopes, code in (([Scope.NOTICES_WRITE], 403), ([Scope.FLAGS_WRITE], 200)):
        token = create_token(bob, name=f"bulk {code}", scopes=scopes, days=1)[1]
        machine = APIClient()
        machine.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        assert machine.post(BULK, {"items": [item(asset)]}).status_code == code


def test_outside_its_dates_or_when_suspended_it_is_said_and_nothing_goes_first(
    flagger: TrustedFlagger, ravi: User
) -> None:
    today = now().date()
    assert flaggers.why_ordinary(flagger, "fraud") == ""
    assert "area" in flaggers.why_ordinary(flagger, "copyright")
    assert flaggers.why_ordinary(flagger, "fraud", today + dt.timedelta(days=11))
    assert flaggers.why_ordinary(flagger, "fraud", today - dt.timedelta(days=11))
    flaggers.change(flagger, "suspended", by=ravi)
    assert "suspended" in flaggers.why_ordinary(flagger, "fraud")
    assert flaggers.why_ordinary(None, "fraud")


def test_priority_removes_nothing(api: Api, bob: User, flagger: TrustedFlagger, asset: Asset) -> None:
    api(bob).post(BULK, {"items": [item(asset)]})
    asset.refresh_from_db()
    assert asset.restriction == ""
    assert Case.objects.get().state == Case.State.OPEN


def test_what_became_of_its_notices_is_counted(
    api: Api, bob: User, flagger: TrustedFlagger, make_asset: MakeAsset, alice: User, rita: User
) -> None:
    works = [make_asset(alice, f"Pier {n}") for n in range(3)]
    api(bob).post(BULK, {"items": [item(work, str(n)) for n, work in enumerate(works)]})
    for work, outcome in zip(works[:2], ("hide", "no_action"), strict=True):
        decisions.decide(cases.assign(work.cases.get(), rita), rita, outcome=outcome, **TERMS)
    assert api(bob).get("/api/v1/flagger").data["quality"] == {
        "filed": 3,
        "answered": 2,
        "accepted": 1,
        "unfounded": 0,
        "accepted_percent": 50,
    }
    assert api(alice).get("/api/v1/flagger").status_code == 404


def test_designation_is_a_leads_or_an_operators_and_says_what_is_wrong(
    flagger: TrustedFlagger, bob: User, rita: User, alice: User, olga: User
) -> None:
    assert alice.organisation is not None and bob.organisation is not None
    said: dict[str, Any] = {
        "authority_name": "Coordinator",
        "jurisdiction": "EU",
        "areas": ["fraud"],
        "valid_from": now().date(),
        "valid_to": None,
    }
    with pytest.raises(Forbidden):
        flaggers.designate(alice.organisation, **said, by=rita)
    with pytest.raises(Conflict):
        flaggers.designate(bob.organisation, **said, by=olga)
    wrongs: list[dict[str, Any]] = [{"areas": []}, {"areas": ["art"]}, {"jurisdiction": "??"}]
    for wrong in [*wrongs, {"valid_to": dt.date(2020, 1, 1)}]:
        with pytest.raises(Problem):
            flaggers.designate(alice.organisation, **{**said, **wrong}, by=olga)
    assert TrustedFlagger.objects.count() == 1


def test_the_operator_enters_suspends_ends_and_lists_at_the_command_line(alice: User, olga: User) -> None:
    assert alice.organisation is not None
    asked = ["--authority", "Coordinator", "--jurisdiction", "EU", "--area", "fraud", "--from", "2026-01-01"]
    said = StringIO()
    call_command("flagger", "designate", alice.organisation.name, *asked, "--by", olga.email, stdout=said)
    row = TrustedFlagger.objects.get()
    for verb, state in (("suspend", "suspended"), ("resume", "active"), ("end", "ended")):
        call_command("flagger", verb, str(row.pk), "--by", olga.email, stdout=said)
        row.refresh_from_db()
        assert row.state == state
    call_command("flagger", "list", stdout=said)
    assert "none judged" in said.getvalue()
    with pytest.raises(CommandError):
        call_command("flagger", "resume", str(row.pk), "--by", olga.email, stdout=said)
    with pytest.raises(CommandError):
        call_command("flagger", "end", "nothing", "--by", olga.email, stdout=said)
    assert not [*reconciliation_notices.notices()]


def test_one_who_files_alone_is_not_a_flagger(asset: Asset, file_notice: FileNotice) -> None:
    assert file_notice(asset)[0].flagger is None
