"""What reviewers write names nobody (I6), and nobody keeps an office from deciding by what they call themselves."""

from typing import Any

import pytest

from accounts.models import User
from core.problems import Problem
from policy.deciding import decisions, plain_texts, statements
from policy.deciding.plain_texts import Names
from policy.models import Case, Decision, Notice
from policy.redress import appeals
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import TERMS, FileNotice, agreed, leaf_of

EVERY_WORD = "a the of is was by not this The Work Shows What"


def errors(refusal: pytest.ExceptionInfo[Problem]) -> dict[str, list[str]]:
    found: Any = refusal.value.extra["errors"]
    return dict(found)


@pytest.mark.django_db
def test_a_filer_who_is_called_like_the_words_of_a_decision_keeps_nobody_from_deciding(
    case: Case, rita: User, asset: Asset, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset, name=EVERY_WORD, email="", as_depicted=False, sworn=[])
    assert (notice.state, notice.case) == (Notice.State.INCOMPLETE, case)
    names = plain_texts.names_in(case)
    assert not any("Work" in name for name in (*names.full, *names.parts)), "an incomplete notice gives no name"
    case.refresh_from_db()
    assert decisions.decide(case, rita, outcome="label", **TERMS).state == Decision.State.IN_EFFECT


@pytest.mark.django_db
@pytest.mark.parametrize("name", [EVERY_WORD, "work", "shows what the notice describes", "The Work"])
def test_an_owner_who_calls_their_account_so_is_asked_about_at_most(
    case: Case, rita: User, alice: User, name: str
) -> None:
    User.objects.filter(pk=alice.pk).update(name=name)
    case = Case.objects.get(pk=case.pk)
    with_tick = decisions.decide(case, rita, outcome="label", no_names=True, **TERMS)
    assert with_tick.state == Decision.State.IN_EFFECT
    assert leaf_of("decision:made")["facts"]["no_names"] is True


@pytest.mark.django_db
def test_i6_a_word_that_may_be_a_name_is_asked_about_and_the_answer_is_on_record(
    case: Case, rita: User, ravi: User
) -> None:
    said = {**TERMS, "facts_text": "It shows Hill House, and a road up to it."}
    with pytest.raises(Problem) as refusal:
        decisions.decide(case, rita, outcome="remove", **said)
    assert list(errors(refusal)) == ["no_names"]
    assert "“Hill”" in errors(refusal)["no_names"][0]
    agreed(case, rita, ravi, outcome="remove", no_names=True, **said)
    assert leaf_of("decision:proposed")["facts"]["no_names"] is True


@pytest.mark.django_db
def test_i6_a_full_name_is_refused_whatever_is_ticked(case: Case, rita: User) -> None:
    for text in ("It shows Dana Hill at a harbour.", "It shows Dana   HILL at a harbour.", "Dana\nHill is shown."):
        with pytest.raises(Problem) as refusal:
            decisions.decide(case, rita, outcome="label", no_names=True, **{**TERMS, "facts_text": text})
        assert list(errors(refusal)) == ["facts_text"], text


@pytest.mark.django_db
def test_a_name_that_comes_in_later_stops_an_approval_only_when_it_is_written_out(
    case: Case, rita: User, ravi: User, asset: Asset, file_notice: FileNotice
) -> None:
    proposed = decisions.decide(case, rita, outcome="remove", **TERMS)
    file_notice(asset, name="Clause", email="clause@example.org")
    file_notice(asset, name="cited clause", email="cited@example.org")
    assert decisions.approve(Decision.objects.get(pk=proposed.pk), ravi).state == Decision.State.IN_EFFECT


@pytest.mark.django_db
def test_reasons_of_appeals_and_corrections_ask_as_well(case: Case, rita: User, ravi: User, alice: User) -> None:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    appeal = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph of the harbour.")
    why = "The photograph shows Hill House and nothing else."
    with pytest.raises(Problem) as refusal:
        appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=why)
    assert list(errors(refusal)) == ["no_names"]
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=why, no_names=True)
    assert leaf_of("appeal:decided")["facts"]["no_names"] is True
    words = {"facts_text": why, "explanation": TERMS["explanation"]}
    with pytest.raises(Problem) as refusal:
        statements.correct(decision, rita, **words)
    assert list(errors(refusal)) == ["no_names"]
    assert statements.correct(decision, rita, **words, no_names=True)


@pytest.mark.django_db
def test_names_of_notices_that_are_over_do_not_count(case: Case, asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, name="Erin Fox", email="erin@example.org")
    assert "Erin Fox" in plain_texts.names_in(case).full
    for state in (Notice.State.UNFOUNDED, Notice.State.WITHDRAWN, Notice.State.INCOMPLETE):
        Notice.objects.filter(pk=notice.pk).update(state=state)
        assert "Erin Fox" not in plain_texts.names_in(case).full


def test_a_name_is_taken_apart_into_few_parts_and_never_into_common_words() -> None:
    assert plain_texts.names_from({"Dana van der Hill"}) == Names(
        frozenset({"Dana van der Hill"}), frozenset({"Dana", "van", "Hill"})
    )
    assert plain_texts.names_from({"the of is was by not this", "die und der", "", "  "}) == Names()
    long = plain_texts.names_from({" ".join(f"word{n}" for n in range(40))})
    assert len(long.parts) == plain_texts.MOST_PARTS
    assert plain_texts.names_from({"Bob"}) == Names(parts=frozenset({"Bob"})), "one word alone is asked about"


def test_a_full_name_in_small_letters_is_asked_about_and_not_refused() -> None:
    names = plain_texts.names_from({"Cited Clause"})
    text = "The cited clause asks for this outcome."
    assert plain_texts.leak(text, names.full) == ""
    assert "“cited clause”" in plain_texts.doubt([text], names)
    assert plain_texts.leak("It shows Dana van der Hill.", plain_texts.names_from({"Dana van der Hill"}).full)
    assert plain_texts.doubt(["The law that is cited asks for it."], names) == ""


@pytest.mark.django_db
def test_the_second_person_is_asked_too(case: Case, rita: User) -> None:
    rosa = _person("Rosa", *rita.roles)
    proposed = decisions.decide(case, rita, outcome="remove", **TERMS)
    with pytest.raises(Problem) as refusal:
        decisions.send_back(proposed, rosa, "What about Hill House in it?")
    assert list(errors(refusal)) == ["no_names"]
    assert decisions.send_back(proposed, rosa, "What about Hill House in it?", no_names=True)
