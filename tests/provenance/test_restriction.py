"""What the public sees of a work, and who decides that."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import FileResponse
from django.http.response import HttpResponseBase

from accounts.models import User
from core.problems import Conflict, Forbidden, NotFound, Problem
from provenance.delivery import deliver
from provenance.models import Asset
from provenance.restriction import lift, restrict
from tests.provenance.conftest import Register, close_files


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo)


def _length(response: HttpResponseBase) -> int:
    assert isinstance(response, FileResponse)
    size = sum(map(len, response))
    close_files(response)
    return size


def test_restricting_returns_what_was_there_and_lifting_brings_it_back(work: Asset) -> None:
    assert restrict(work, "labelled", label=" Edited with a model ") == ("", "")
    previous = restrict(work, "hidden")
    assert previous == ("labelled", "Edited with a model")
    restrict(work, previous.kind, label=previous.label)
    work.refresh_from_db()
    assert (work.restriction, work.label_text) == ("labelled", "Edited with a model")
    assert lift(work) == previous
    work.refresh_from_db()
    assert (work.restriction, work.label_text) == ("", "")


def test_of_two_at_once_one_loses(work: Asset) -> None:
    stale = Asset.objects.get(pk=work.pk)
    restrict(work, "hidden")
    with pytest.raises(Conflict):
        restrict(stale, "age_restricted")
    work.refresh_from_db()
    assert work.restriction == "hidden"


@pytest.mark.parametrize(("kind", "label"), [("invisible", ""), ("labelled", "  ")])
def test_a_restriction_must_make_sense(kind: str, label: str, work: Asset) -> None:
    with pytest.raises(Problem):
        restrict(work, kind, label=label)


def test_who_sees_a_hidden_work(work: Asset, alice: User, bob: User, rita: User, ravi: User, greta: User) -> None:
    restrict(work, "hidden")
    can = {str(user): Asset.objects.visible_to(user).exists() for user in (alice, bob, rita, ravi, greta)}
    assert can == {"Alice": True, "Bob": False, "Rita": True, "Ravi": True, "Greta": False}
    assert not Asset.objects.visible_to(None).exists()
    assert not Asset.objects.visible_to(AnonymousUser()).exists()


def test_everybody_sees_what_is_not_hidden(work: Asset, bob: User) -> None:
    for kind in ("", "age_restricted"):
        restrict(work, kind)
        assert all(Asset.objects.visible_to(user).exists() for user in (None, AnonymousUser(), bob))


def test_a_closed_account_sees_what_the_public_sees(work: Asset, alice: User) -> None:
    restrict(work, "hidden")
    alice.is_active = False
    assert not Asset.objects.visible_to(alice).exists()


def test_adults_only_needs_an_account(work: Asset, bob: User) -> None:
    restrict(work, "age_restricted")
    with pytest.raises(Forbidden) as refusal:
        deliver(work, None)
    assert refusal.value.code == "asset.age_restricted"
    assert _length(deliver(work, bob)) == work.rendition("signed").size


def test_a_hidden_file_reaches_a_reviewer_only_where_the_look_is_recorded(
    work: Asset, alice: User, bob: User, rita: User
) -> None:
    restrict(work, "hidden")
    for role in ("signed", "original"):
        with pytest.raises(Forbidden, match="hidden"):
            deliver(work, rita, role=role)
        with pytest.raises(NotFound):
            deliver(work, bob, role=role)
        assert _length(deliver(work, alice, role=role)) == work.rendition(role).size


def test_the_file_as_it_was_sent_stays_with_its_owner(work: Asset, alice: User, bob: User, rita: User) -> None:
    for stranger in (None, bob):
        with pytest.raises(NotFound):
            deliver(work, stranger, role="original")
    for insider in (alice, rita):
        assert _length(deliver(work, insider, role="original")) == work.rendition("original").size
