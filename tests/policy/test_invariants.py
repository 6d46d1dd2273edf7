"""The invariants of due process, I1 to I25, from top to bottom.

Each test builds the situation that its sentence is about, tries to break it by the ways there are, reads that it is
refused, and then forges a row in the database to show that `tests/policy/invariants.py` would notice. What several
rooms do together is in `machines/`; what one verb does, in the tests of its room.

Alice made the work, Dana is shown in it, Rita and Ravi review (Ravi leads), Rosa reviews too, Greta regulates.
"""

import datetime as dt
import json
import zipfile
from collections.abc import Callable
from typing import Any, Final

import pytest
import time_machine
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.db import transaction

from accounts.models import Role, User
from core import storage
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from ledger import audit, reading
from ledger.models import Entry
from policy import authority, tasks
from policy.audits import exports
from policy.consents import consent
from policy.deciding import decisions, hashlist, outcomes, plain_texts, removals, tdb_export
from policy.desk import cases, queue, roster
from policy.filing import attachments, counter_notices, flags, notices
from policy.law import clocks, rules
from policy.models import (
    Action,
    Appeal,
    Case,
    Clock,
    Consent,
    CounterNotice,
    DataRequest,
    Decision,
    Flag,
    HashEntry,
    MediaView,
    Notice,
    Person,
    ReviewerProfile,
    StatementOfReasons,
)
from policy.redress import appeals
from policy.rights import data_rights, holds
from policy.rulebook.facts import FACTS, RuleError
from provenance import restriction
from provenance.models import Asset, Manifest, Rendition
from tests.conftest import _person
from tests.policy import invariants
from tests.policy.bundles import taken
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset
from tests.policy.machines.stage import again
from web.register import _counts

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]
WHY: Final = "The owner showed the negatives of the work."
GROUNDS: Final = "This is a photograph of my own harbour."
LAW: Final[dict[str, Any]] = {
    "ground": "terms",
    "rule_ids": ["eu.dsa.16.2.fields", "office.terms.consent"],
    **REASONS,
}
PURPOSE: Final = "Supervision of notice and action, case 7/2026"
COUNTER: Final = {"signature": "Alice Doe", "name": "Alice Doe", "address": "4 Elm Street", "phone": "555 01 99"}


@pytest.fixture
def rosa(db: None) -> User:
    return _person("Rosa", Role.REVIEWER)


@pytest.fixture
def hidden(case: Case, rita: User) -> Decision:
    return decisions.decide(case, rita, outcome="hide", **LAW)


def would_notice(invariant: Callable[..., None], forge: Callable[[], object], *given: Any) -> None:
    """`invariant` holds now, and does not once somebody has forged a row; which is then undone."""
    invariant(*given)
    with transaction.atomic():
        forge()
        with pytest.raises(AssertionError):
            invariant(*given)
        transaction.set_rollback(True)


def forge(row: Any, **values: Any) -> Callable[[], object]:
    return lambda: type(row)._default_manager.filter(pk=row.pk).update(**values)


# --- Decisions and reasons -------------------------------------------------------------------------------------------


def test_i01_no_decision_without_a_rule_that_was_in_force_when_its_event_happened(case: Case, rita: User) -> None:
    """No Decision in effect without at least one rule whose [from, to) contains its start event."""
    nothing = {**TERMS, "rule_ids": []}
    not_yet = {**LAW, "rule_ids": ["uk.osa.10.3a.bill"]}
    for said in (nothing, not_yet, {**TERMS, "rule_ids": ["mine.alone"]}):
        with pytest.raises(Problem) as refused:
            decisions.decide(case, rita, outcome="hide", **said)
        assert list(refused.value.extra["errors"]) == ["rule_ids"]  # type: ignore[call-overload]
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    [ref] = decision.rule_refs
    assert rules.rule(ref["id"], ref["pack"]).in_force(case.created_at.date())
    would_notice(invariants.i1, forge(decision, rule_refs=[]))
    later = next(rule for rule in rules.all_rules() if rule.effective_from and rule.effective_from > now().date())
    wrong = [{**ref, "id": later.id, "pack": later.pack}]
    would_notice(invariants.i1, forge(decision, rule_refs=wrong))


def test_i02_nobody_with_a_part_in_it_decides_the_appeal(
    hidden: Decision, alice: User, rita: User, ravi: User, rosa: User, file_notice: FileNotice, asset: Asset
) -> None:
    """Appeal.decider is none of decider, approver, proposer, their manager, and anybody in conflict."""
    file_notice(asset, by=_person("Ruth", Role.REVIEWER), category="fraud")
    ReviewerProfile.objects.filter(user=rita).update(manager=ravi)
    roster.declare(_person("Rolf", Role.REVIEWER), email=alice.email)
    appeal = appeals.file_appeal(hidden, user=alice, grounds=GROUNDS)
    refused = {
        "Rita": "You took the decision",
        "Ravi": "Somebody who reports to you",
        "Rolf": "You declared a conflict",
        "Alice": "needs the role of a reviewer",
    }
    for name, why in refused.items():
        with pytest.raises(Forbidden, match=why):
            appeals.decide_appeal(appeal, User.objects.get(name=name), outcome="uphold", reasons=WHY)
    appeals.decide_appeal(appeal, rosa, outcome="uphold", reasons=WHY)
    would_notice(invariants.i2, forge(appeal, decider=rita))
    would_notice(invariants.i2, forge(appeal, decider=ravi))


def test_i03_what_cannot_be_undone_waits_until_nobody_can_appeal(
    case: Case, rita: User, ravi: User, alice: User, asset: Asset
) -> None:
    """An Action without inverse may run only if the window to appeal is closed or a rule says so."""
    key, sha256 = storage.keep_bytes(b"what the work shows")
    Rendition.objects.filter(asset=asset).update(key=key, sha256=sha256)
    decision = decisions.approve(decisions.decide(case, rita, outcome="remove", **TERMS), ravi)
    purge = decision.actions.get(kind=outcomes.PURGE)
    assert purge.inverse == "" and purge.planned_for
    appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    with time_machine.travel(purge.planned_for - dt.timedelta(minutes=1), tick=False) as hour:
        assert removals.run() == 0, "the window is open"
        hour.shift(dt.timedelta(minutes=2))
        assert removals.run() == 0, "an appeal is heard"
        appeal = Appeal.objects.select_related("decision__case__asset", "user", "entry").get()
        appeals.decide_appeal(appeal, _person("Rosa", Role.REVIEWER), outcome="uphold", reasons=WHY)
        assert removals.run() == 0, "a body outside may still look at it"
        final = appeal.clocks.get(purpose="final").due_at
        assert final
        hour.move_to(final + dt.timedelta(minutes=1))
        tasks.strike()
        assert not storage.exists(key) and again(purge).state == "executed"
        later = now() + dt.timedelta(days=1)
        would_notice(
            invariants.i3, lambda: decision.clocks.filter(purpose="appeal").update(due_at=later, ended_at=None)
        )


def test_i04_what_is_overturned_is_undone_completely_or_the_case_stays_open(
    case: Case, rita: User, ravi: User, rosa: User, alice: User, asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overturn: every executed Action reversed, HashEntry suspended, strike void, register amended; or no closing."""
    asked: dict[str, Any] = {"outcome": "hide", "also": ["hash_block", "suspend"], **LAW}
    decision = decisions.approve(decisions.decide(case, rita, **asked), ravi)
    asset.refresh_from_db()
    assert asset.restriction == "hidden" and len(decisions.unreversed(decision)) >= 5
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    with monkeypatch.context() as broken:
        broken.setattr(hashlist, "suspend", lambda _: 0)
        appeals.decide_appeal(appeal, rosa, outcome="overturn", reasons=WHY)
    case.refresh_from_db()
    assert case.state == "decided", "the digests still block: it is not over"
    would_notice(invariants.i4, forge(case, state="closed"))
    with transaction.atomic():
        hashlist.suspend(decision)
        clocks.close_if_quiet(case)
    asset.refresh_from_db()
    assert (case.state, asset.restriction, decisions.unreversed(decision)) == ("closed", "", [])
    restriction.refuse_blocked(asset.original_sha256)
    would_notice(invariants.i4, forge(asset, restriction="hidden"))


def test_i05_everybody_affected_has_reasons_when_it_takes_effect(
    case: Case, rita: User, alice: User, asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement exists for each affected reachable recipient at or before the restriction's effect."""
    consent.ask_consent(asset, alice, name="Dina", contact="dina@example.org", purposes=["publish"])
    with monkeypatch.context() as broken:
        broken.setattr("policy.deciding.statements.prose", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            decisions.decide(case, rita, outcome="hide", **TERMS)
    asset.refresh_from_db()
    case.refresh_from_db()
    assert (asset.restriction, case.state) == ("", "in_review"), "without reasons nothing takes effect"
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    told = decision.statements.values_list("recipient", flat=True)
    assert sorted(told) == ["depicted", "notifier", "uploader"]
    would_notice(invariants.i5, lambda: decision.statements.filter(recipient="uploader").update(user=None))
    would_notice(invariants.i5, lambda: decision.statements.update(created_at=now() + dt.timedelta(hours=1)))


def test_i06_no_statement_and_no_record_carries_personal_data(case: Case, rita: User, ravi: User) -> None:
    """The statement and its record for the transparency database pass the lint for personal data."""
    for text in ("Dana Hill asked for it.", "Write to dana@example.org.", "Seen at https://example.com/users/7."):
        with pytest.raises(Problem) as refused:
            decisions.decide(case, rita, outcome="hide", **{**TERMS, "facts_text": text})
        assert list(refused.value.extra["errors"]) == ["facts_text"]  # type: ignore[call-overload]
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    record = tdb_export.of_decision(decision, ravi)
    assert plain_texts.leaks(record, {"Dana", "Hill", "Alice"}) == {}
    row = decision.statements.get(recipient="uploader")
    would_notice(invariants.i6, forge(row, structured={**row.structured, "facts": "Dana Hill asked for it."}))


def test_i07_automation_is_derived_and_never_typed(
    asset: Asset, file_notice: FileNotice, rita: User, case: Case
) -> None:
    """The automated_* fields follow from who and what acted."""
    with pytest.raises(TypeError):
        decisions.decide(case, rita, outcome="label", automated_detection=False, **TERMS)  # type: ignore[call-arg]
    by_people = decisions.decide(case, rita, outcome="label", **TERMS)
    flag = flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)
    by_machine = decisions.decide(cases.assign(flag.case, rita), rita, outcome="label", **TERMS)
    assert (by_people.automated_detection, by_machine.automated_detection) == (False, True)
    said = by_machine.statements.get(recipient="uploader").structured
    assert said["automated_detection"] == "AUTOMATED_DETECTION_YES"
    assert said["automated_decision"] == "AUTOMATED_DECISION_NOT_AUTOMATED", "a person decided"
    would_notice(invariants.i7, forge(by_machine, automated_detection=False))


def test_i08_no_program_removes_or_labels_anything(
    asset: Asset, case: Case, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    """Detector output alone never yields removal or a public label, except for the exact bytes of a human decision."""
    for origin in (Flag.Origin.DECLARED_SYNTHETIC, Flag.Origin.COPY_OF_HIDDEN):
        flags.raise_flag(asset, origin)
    asset.refresh_from_db()
    assert (asset.restriction, asset.label_text) == ("", ""), "a flag is a reason to look, no more"
    notice, _ = file_notice(None, url_or_text="elsewhere")
    hashlist.submit(notice, [("sha256", "ab" * 32)])
    restriction.refuse_blocked("ab" * 32)  # a person's own wish refuses nothing
    decisions.approve(decisions.decide(case, rita, outcome="hash_block", **TERMS), ravi)
    with pytest.raises(Forbidden):
        restriction.refuse_blocked(asset.original_sha256)
    would_notice(
        invariants.i8,
        lambda: Action.objects.filter(decision__case=case).delete() and forge(asset, restriction="labelled")(),
    )
    would_notice(invariants.i8, forge(Decision.objects.get(), starts_at=None))


# --- Consent ---------------------------------------------------------------------------------------------------------


def test_i09_consent_is_a_fold_and_a_withdrawal_reaches_what_was_made_from_it(
    make_asset: MakeAsset, alice: User, bob: User, settle: Settle
) -> None:
    """State is a fold; withdrawal never deletes the past, stops future purposes, fans out to derived assets."""
    work, made_from_it = make_asset(alice), make_asset(bob, "Made from it")
    Manifest.objects.filter(asset=made_from_it).update(
        label="urn:c2pa:2", active={"ingredients": [{"active_manifest": "urn:c2pa:1"}]}
    )
    row = consent.grant(asked(work, alice))
    memory = invariants.Memory()
    invariants.past_stays(memory)
    consent.withdraw(row, ["train"])
    assert not consent.allows(row, "train") and consent.allows(row, "publish")
    with pytest.raises(Conflict):
        consent.withdraw(row, ["train"])
    consent.withdraw(row)
    settle()
    assert consent.is_withheld(work) and consent.is_withheld(made_from_it)
    assert [event.kind for event in row.events.all()] == ["requested", "given", "withdrawn", "withdrawn"]
    would_notice(invariants.past_stays, lambda: row.events.filter(kind="given").delete(), memory)
    would_notice(invariants.i9, forge(row, granted=["publish"], state="given"))


def asked(work: Asset, by: User) -> Consent:
    said: dict[str, Any] = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish", "train"]}
    _, path = consent.ask_consent(work, by, **said)
    return consent.consent_by_token(path.split("/")[2])


def test_i10_a_changed_work_leaves_the_answer_unbound(asset: Asset, alice: User) -> None:
    """A changed manifest digest asks for consent again: “unbound”, not silently valid."""
    row, other = consent.grant(asked(asset, alice)), asked(asset, alice)
    assert consent.allows(row, "publish")
    Manifest.objects.create(asset=asset, label="urn:c2pa:changed", sha256="c" * 64, active={})
    assert consent.standing(row) == "unbound" and not consent.allows(row, "publish")
    with pytest.raises(Conflict, match="changed since you were asked"):
        consent.grant(other)
    invariants.i10()
    new, _ = consent.ask_again(row, alice)
    assert consent.allows(consent.grant(new), "publish")


# --- People's data ---------------------------------------------------------------------------------------------------


def test_i11_a_hold_keeps_what_an_erasure_would_take_and_never_a_work_in_public(
    hidden: Decision, olga: User, settle: Settle, asset: Asset
) -> None:
    """A hold blocks purging and erasing, never un-publishing; the receipt lists it with basis and review date."""
    dana, day = Notice.objects.get().filer, now().date() + dt.timedelta(days=90)
    hold = holds.place_hold(olga, on=hidden.case.object, basis="us.dmca.512.g", review_date=day)
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    request = data_rights.erase(dana)
    assert request.state == "partly_done" and not request.receipt["key_destroyed"]
    assert request.receipt["held_back"] == [{"basis": "us.dmca.512.g", "review_date": day.isoformat()}]
    with pytest.raises(Conflict, match="legal hold keeps"):
        data_rights.erase(dana)
    would_notice(invariants.i11, forge(dana, erased_at=now()))
    would_notice(invariants.i11, forge(request, receipt={**request.receipt, "held_back": []}))
    holds.release_hold(hold, olga)
    settle()
    request.refresh_from_db()
    assert (request.state, request.receipt["key_destroyed"]) == ("done", True)


def test_i12_an_erasure_leaves_the_root_of_the_log_equal_and_everything_verifies(
    hidden: Decision, settle: Settle
) -> None:
    """Erasure leaves the ledger's root equal and verification green."""
    settle()
    size = reading.signed_size()
    request = data_rights.erase(Notice.objects.get().filer)
    settle()
    proof = request.receipt["log"]
    assert proof["size"] == size and proof["root_before"] == proof["root_after"]
    assert audit.check_log().erased > 0
    assert notices.contents(Notice.objects.get()) == {"statement": "", "url_or_text": "", "name": "", "email": ""}
    would_notice(invariants.i12, forge(request, receipt={**request.receipt, "log": {**proof, "root_after": "0" * 64}}))
    would_notice(invariants.i12, forge(Person.objects.get(), contact_mark="a mark"))


# --- Clocks ----------------------------------------------------------------------------------------------------------


def test_i13_a_clock_keeps_the_rule_it_began_with(case: Case) -> None:
    """A clock's rule and version never change after its start; new law applies to new events, unless it says so.

    New law that reaches pending matters, and law that does not: `test_rules_packs.py` and the pack machine.
    """
    memory = invariants.Memory()
    invariants.i13(memory)
    clock = case.clocks.get(rule_id="office.terms.review")
    assert clocks.reach_pending() == 0
    with pytest.raises(Conflict, match="gives no further time"):
        clocks.extend(clock, "complex")
    clocks.pause(clock, "awaiting_information")
    clocks.resume(clock)
    invariants.i13(memory)
    would_notice(invariants.i13, forge(clock, pack="0" * 64), memory)
    would_notice(invariants.i13, forge(clock, rule_id="office.terms.ask"), memory)


def test_i14_every_deadline_recomputes_from_its_own_row(
    asset: Asset, file_notice: FileNotice, hidden: Decision
) -> None:
    """due_at recomputes identically from what is stored, on any host; the time zone database is named."""
    for category, place in (("ncii", "US"), ("ncii", "IN"), ("copyright", "US"), ("fraud", "AU")):
        file_notice(asset, category=category, jurisdiction=place)
    rows = list(Clock.objects.exclude(due_at=None))
    assert len({row.inputs["clock"]["unit"] for row in rows}) >= 3
    assert all(row.inputs["zone"]["tzdata"] and row.trace for row in rows)
    would_notice(invariants.i14, forge(rows[0], due_at=now()))


def test_i15_the_shortest_clock_drives_the_measure_and_its_law_limits_it(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    """The shortest clock drives interim measures; a rule of one country limits the action to that country."""
    notice, _ = file_notice(asset, category="ncii", jurisdiction="IN")
    file_notice(asset, category="ncii", jurisdiction="US")
    case = cases.assign(notice.case, rita)
    due = case.clocks.filter(purpose="decide", due_at__isnull=False).order_by("due_at")
    suggestion = decisions.suggest_interim(case)
    assert suggestion and (suggestion.rule_id, suggestion.territory) == (due[0].rule_id, ("IN",))
    said: dict[str, Any] = {"ground": "illegal", "rule_ids": [suggestion.rule_id], **REASONS}
    for wider in ({"outcome": "hide"}, {"outcome": "geo_restrict", "territory": ["IN", "DK"]}):
        with pytest.raises(Problem) as refused:
            decisions.decide(case, rita, **wider, **said)
        assert list(refused.value.extra["errors"]) == ["territory"]  # type: ignore[call-overload]
    measure = decisions.decide(case, rita, outcome="geo_restrict", territory=["IN"], interim=True, **said)
    would_notice(invariants.i15, forge(measure, territory=[]))
    would_notice(invariants.i15, forge(measure, territory=["IN", "DK"]))


def test_i16_an_incomplete_notice_starts_a_clock_for_asking_and_none_of_a_law(
    asset: Asset, file_notice: FileNotice
) -> None:
    """An incomplete notice starts no removal clock but an ask clock; the cure time is recorded."""
    notice, _ = file_notice(asset, category="ncii", jurisdiction="US", sworn=[])
    started = set(notice.clocks.values_list("purpose", "rule_id"))
    assert ("ask", "office.terms.ask") in started and ("decide", "us.tida.223a") not in started
    would_notice(invariants.i16, lambda: notice.clocks.filter(purpose="ask").delete())
    law = notice.case.clocks.exclude(purpose="ask").first() or notice.clocks.get(purpose="ask")
    would_notice(invariants.i16, forge(law, rule_id="us.tida.223a", notice=notice))
    concern, _ = file_notice(asset, kind="privacy", statement="")  # one click, and no word yet
    assert (concern.state, concern.missing) == ("incomplete", ["statement"])
    notices.complete_notice(concern, more="It shows my garden and me in it.")
    assert concern.state == "valid"
    cured = now() + dt.timedelta(days=2)
    with time_machine.travel(cured, tick=False):
        notices.complete_notice(notice, sworn=["tida.not_consensual"])
    removal = notice.clocks.get(rule_id="us.tida.223a")
    assert removal.started_at == cured and removal.due_at == cured + dt.timedelta(hours=48)
    assert notice.clocks.get(purpose="ask").state == "met"
    invariants.i16()


@pytest.mark.usefixtures("any_date")
def test_i17_a_work_comes_back_after_business_day_10_and_by_business_day_14(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice, settle: Settle
) -> None:
    """Restore for 512(g) not before business day 10 and not after 14."""
    with time_machine.travel("2026-11-20T12:00:00Z", tick=False) as hour:
        work = make_asset(alice)
        details = {"work": "My photograph of the harbour"}
        notice, _ = file_notice(work, category="copyright", jurisdiction="US", details=details)
        decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
        file = counter_notices.file_counter_notice
        row = file(decision, alice, details=COUNTER, sworn=counter_notices.STATEMENTS)
        settle()
        row.refresh_from_db()
        # Thanksgiving lies between; so day 10 is 7 December and not the 4th.
        assert row.earliest_restore == dt.datetime(2026, 12, 7, 12, tzinfo=dt.UTC)
        hour.move_to(row.earliest_restore - dt.timedelta(seconds=1))
        assert counter_notices.restore_due() == 0
        with pytest.raises(Conflict):
            counter_notices.restore(row)
        hour.move_to(row.earliest_restore)
        assert counter_notices.restore_due() == 1
        work.refresh_from_db()
        assert work.restriction == ""
        done = CounterNotice.objects.get()
        would_notice(invariants.i17, forge(done, ended_at=row.earliest_restore - dt.timedelta(days=1)))
        would_notice(invariants.i17, forge(done, latest_restore=row.earliest_restore + dt.timedelta(days=14)))


# --- Who may do, and see, what ---------------------------------------------------------------------------------------


def test_i18_nobody_is_their_own_second_person(case: Case, rita: User, ravi: User, asset: Asset) -> None:
    """The same reviewer cannot propose and second-approve."""
    decision = decisions.decide(case, rita, outcome="remove", **LAW)
    assert (decision.state, case.state) == ("held", "proposed")
    with pytest.raises(Forbidden, match="second person"):
        decisions.approve(decision, rita)
    asset.refresh_from_db()
    assert asset.restriction == "" and not StatementOfReasons.objects.exists()
    would_notice(invariants.i18, forge(case, state="decided"))
    would_notice(invariants.i18, forge(decision, state="in_effect", starts_at=now(), approver=rita))
    decisions.approve(decision, ravi)
    would_notice(invariants.i18, forge(decision, approver=rita))
    would_notice(invariants.i18, forge(decision, approver=None))


def test_i19_no_queue_outside_ones_training_and_none_when_one_has_seen_enough(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User, make_asset: MakeAsset, alice: User
) -> None:
    """A reviewer sees no queue outside their training, and none when the exposure budget is spent."""
    notice, _ = file_notice(asset, category="ncii")
    mine = cases.assign(file_notice(make_asset(alice, "another"))[0].case, rita)
    roster.set_profile(rita, by=ravi, trained=["likeness"], budget=4)
    assert notice.case not in queue.waiting(rita)
    with pytest.raises(Forbidden, match="not trained for cases of this kind"):
        cases.assign(notice.case, rita)
    roster.set_profile(rita, by=ravi, trained=["likeness", "ncii"])
    assert notice.case in queue.waiting(rita)
    cases.view_media(mine, rita, "To see what is shown.", "clear")
    assert not queue.waiting(rita)
    with pytest.raises(Forbidden, match="enough for today"):
        cases.assign(notice.case, rita)
    assert decisions.decide(mine, rita, outcome="no_action", **TERMS).state == "in_effect", "what one has, one finishes"


def test_i20_every_sensitive_view_has_a_reason(case: Case, rita: User, bob: User) -> None:
    """Every sensitive view has a reason, and an entry."""
    for reason in ("", "  ", "ok"):
        with pytest.raises(Problem):
            cases.view_media(case, rita, reason, "clear")
        with pytest.raises(Problem):
            cases.show_filer(case.notices.get(), rita, reason)
    with pytest.raises(Forbidden):
        cases.view_media(case, bob, "I am curious.", "clear")
    assert not MediaView.objects.exists()
    view = cases.view_media(case, rita, "To see what is shown.", "clear")
    assert cases.show_filer(case.notices.get(), rita, "To ask how they know.")[0] == "Dana Hill"
    assert sorted(Entry.objects.filter(type__in=["media:viewed", "access:audited"]).values_list("type", flat=True)) == [
        *("access:audited", "media:viewed"),
    ]
    would_notice(invariants.i20, forge(view, reason=" "))


def test_i21_what_a_regulator_asks_is_logged_bound_to_a_purpose_and_counted_in_public(
    hidden: Decision, greta: User, rita: User, settle: Settle
) -> None:
    """A regulator's query is logged, purpose-bound, and counted in public."""
    settle()
    with pytest.raises(Problem):
        taken(greta, purpose="because")
    with pytest.raises(Forbidden):
        taken(rita, purpose=PURPOSE)
    assert not Entry.objects.filter(type="export:made").exists()
    taken(greta, purpose=PURPOSE)
    exports.query_entries(greta, purpose=PURPOSE)
    settle()
    for kind, sealed in (("export:made", "purpose"), ("access:audited", "purpose")):
        entry = Entry.objects.get(type=kind)
        assert entry.sections.filter(name=sealed).exists(), "why, sealed beside what"
    cache.clear()
    counted = _counts(reading.signed_size())
    assert (counted["export:made"], counted["access:audited"]) == (1, 1)


def test_i22_published_figures_equal_a_second_count_at_their_range_of_the_log(
    hidden: Decision, greta: User, settle: Settle, asset: Asset, file_notice: FileNotice
) -> None:
    """Published figures equal a re-run of their query at their ledger range, also when the log has grown since."""
    settle()
    size = reading.signed_size()
    cache.clear()
    published = _counts(size)
    kinds = ["decision:made", "notice:filed"]
    export = taken(greta, purpose=PURPOSE, types=kinds)
    file_notice(asset, category="fraud")
    settle()
    leaves = Entry.objects.filter(sequence__index__lt=size).values_list("leaf", flat=True)
    counted: dict[str, int] = {}
    for leaf in leaves:
        kind = json.loads(bytes(leaf))["type"]
        counted[kind] = counted.get(kind, 0) + 1
    assert published == counted
    second = Entry.objects.filter(sequence__index__lt=export.tree_size, type__in=kinds).order_by("pk")
    with storage.open_file(export.key) as file, zipfile.ZipFile(file) as bundle:
        manifest = json.loads(bundle.read("manifest.json"))
    # The verifier selects them again itself, by kind.
    assert (manifest["query"]["types"], manifest["selection"]["count"]) == (kinds, second.count())
    assert second.count() < Entry.objects.filter(type__in=kinds).count()


def test_i23_what_is_withdrawn_loses_its_digest(case: Case, rita: User, ravi: User, asset: Asset, olga: User) -> None:
    """A withdrawn entry of the list is purged."""
    decision = decisions.approve(decisions.decide(case, rita, outcome="hash_block", **TERMS), ravi)
    with pytest.raises(Forbidden):
        hashlist.withdraw_by(rita, decision.hash_entries.all())
    hashlist.withdraw_by(olga, decision.hash_entries.all())
    assert not hashlist.blocked(asset.original_sha256), "from that moment on"
    hashlist.tidy()
    assert set(decision.hash_entries.values_list("state", "value")) == {("purged", "")}
    would_notice(invariants.i23, lambda: HashEntry.objects.update(value="a" * 64))


def test_i24_a_childs_case_is_in_no_general_queue_and_no_export(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User, rosa: User, greta: User, settle: Settle
) -> None:
    """Minors' cases never enter general queues or exports."""
    notice, _ = file_notice(asset, category="child_safety")
    roster.set_profile(rosa, by=ravi, trained=["likeness"])
    for user in (rita, rosa):
        assert not queue.waiting(user) and queue.take_next(user) is None
        assert not authority.general_cases(user).exists()
    for look in (lambda: authority.may_open(notice.case, rosa), lambda: cases.assign(notice.case, rosa)):
        with pytest.raises(Forbidden):
            look()
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **TERMS)
    settle()
    with pytest.raises(Problem):
        tdb_export.of_decision(decision, ravi)
    export = taken(greta, purpose=PURPOSE)
    with storage.open_file(export.key) as file:
        assert REASONS["facts_text"].encode() not in file.read()
    row = decision.statements.get(recipient="uploader")
    would_notice(invariants.i24, forge(row, tdb={"puid": "x"}, puid="x"))


def test_i25_no_free_text_is_ever_a_fact_of_a_rule(asset: Asset, file_notice: FileNotice) -> None:
    """No free-text field is ever used as a rule fact: facts are a closed list, and words change no clock."""
    with pytest.raises(RuleError):
        rules.matching({"statement": "minor"}, now())
    with pytest.raises(Problem):
        file_notice(asset, answers={"how_made": "by my evil neighbour"})
    words = {"statement": "minor intimate court_order 48 hours", "details": {"work": "ncii US IN"}}
    plain, _ = file_notice(asset, category="fraud", jurisdiction="DK")
    loaded, _ = file_notice(asset, category="fraud", jurisdiction="DK", **words)
    attachments.keep(
        loaded.filer.actor, ContentFile(b"court order, minor", name="a.txt"), notice=loaded, entry=loaded.entry
    )
    facts = [{row.rule_id: row.inputs["facts"] for row in notice.clocks.all()} for notice in (plain, loaded)]
    assert facts[0] == facts[1] and all(set(one) <= set(FACTS) for one in facts[0].values())
    clock = loaded.clocks.first()
    assert clock
    said = {**clock.inputs["facts"], "category": "This shows me and I never agreed to it."}
    would_notice(invariants.i25, forge(clock, inputs={**clock.inputs, "facts": said}))


def test_all_of_it_together_is_on_record(hidden: Decision, alice: User, rosa: User, settle: Settle) -> None:
    """Nothing above leaves a row without its entry; a state that was changed without one is noticed."""
    appeals.decide_appeal(
        appeals.file_appeal(hidden, user=alice, grounds=GROUNDS), rosa, outcome="overturn", reasons=WHY
    )
    settle()
    for invariant in invariants.ALWAYS:
        invariant()
    would_notice(invariants.log_agrees, forge(Case.objects.get(), state="reopened"))
    would_notice(invariants.log_agrees, forge(Appeal.objects.get(), outcome="uphold"))
    assert not DataRequest.objects.exists()
