"""I9 to I12, I20 and I23 to I25: what is known about people, who sees it, and what is made of it."""

from typing import Any, Final

from core.models import Job
from detection.models import Label
from ledger import merkle, reading, tiles, vault
from ledger.events import EventType
from ledger.storedtree import read_tile
from policy import authority
from policy.consents.consent_record import allows, binding, standing
from policy.deciding import hashlist
from policy.desk import quality, queue
from policy.models import (
    Action,
    Case,
    Clock,
    Consent,
    DataRequest,
    Flag,
    HashEntry,
    Hold,
    MediaView,
    Notice,
    Person,
    ReviewerProfile,
    SecondReview,
    StatementOfReasons,
)
from policy.rights import holds
from policy.rulebook.facts import FACTS
from provenance.descent import descendants
from provenance.models import Asset
from tests.policy.invariants.record import leaves

AGREES: Final = (Consent.State.GIVEN, Consent.State.RENEWED)
OUR_OWN: Final = {"detect", "train"}


# --- Consent ---------------------------------------------------------------------------------------------------------


def i9() -> None:
    """What stands of a consent is a fold over its events; what was withdrawn allows nothing, here and in what was made
    from the work.
    """
    for consent in Consent.objects.prefetch_related("events").select_related("depiction__asset"):
        granted: set[str] = set()
        for event in consent.events.all():
            about = set(event.purposes or consent.purposes)
            if event.kind in AGREES:
                granted = about
            else:
                granted = granted - about if event.kind == Consent.State.WITHDRAWN else set()
            if event.kind == Consent.State.WITHDRAWN and about - OUR_OWN:
                _reached(consent.depiction.asset)
        assert granted == set(consent.granted), f"I9: {consent.pk} grants {consent.granted}, its events {granted}"
        assert (consent.state in AGREES) == bool(granted), f"I9: {consent.pk} is {consent.state} with {granted}"
        gone = set(consent.purposes) - granted
        assert not [one for one in gone if allows(consent, one)], f"I9: {consent.pk} still allows what was withdrawn"
        if "train" in gone:
            trained = Label.objects.filter(basis=f"consent:{consent.pk}", state=Label.State.TRAINABLE)
            assert not trained.exists(), f"I9: {trained.first()} is still trained on, by {consent.pk}"


def _reached(work: Asset) -> None:
    """Somebody looks at the work, and, once the job has run, at everything made from it."""
    works = [work]
    if not Job.objects.filter(name="consent.reach", state=Job.State.QUEUED).exists():
        made = descendants(work.manifests.values_list("label", flat=True))
        works += Asset.objects.filter(pk__in=made)
    for one in works:
        told = Flag.objects.filter(asset=one, origin=Flag.Origin.CONSENT_WITHDRAWN)
        assert told.exists(), f"I9: a withdrawal did not reach “{one}”"


def i10() -> None:
    """Where the signed file or manifest changed since the answer, the answer is “unbound” and allows nothing."""
    for consent in Consent.objects.filter(state__in=AGREES).select_related("depiction__asset"):
        if tuple(binding(consent.depiction.asset)) != (consent.signed_sha256, consent.manifest_sha256):
            assert standing(consent) == "unbound", f"I10: {consent.pk} is {standing(consent)} about other bytes"
            assert not [one for one in consent.purposes if allows(consent, one)], f"I10: {consent.pk} allows something"


# --- Holds and erasures ----------------------------------------------------------------------------------------------


def i11() -> None:
    """A hold keeps rows from erasing and files from purging, never a work in public; a receipt says what it keeps."""
    for hold in Hold.objects.filter(released_at=None):
        reached = Person.objects.filter(pk__in=holds.kept_people().values("pk"), erased_at__gte=hold.created_at)
        for person in reached:
            assert hold not in holds.reaching(person), f"I11: {person.pk} was erased under {hold}"
    for request in DataRequest.objects.filter(kind="erase", state=DataRequest.State.PARTLY_DONE):
        kept = request.receipt["held_back"]
        assert kept and all(row["basis"] and row["review_date"] for row in kept), f"I11: {request.pk} hides its hold"
    done = {
        leaf["facts"]["decision"]: at
        for at, leaf in leaves(EventType.ACTION_EXECUTED)
        if leaf["facts"]["kind"] == "purge"
    }
    for action in Action.objects.filter(kind="purge", state=Action.State.EXECUTED).select_related("decision__case"):
        at, asset = done[str(action.decision_id)], action.decision.case.asset_id
        held = Hold.objects.filter(asset=asset) | Hold.objects.filter(case__asset=asset)
        live = held.filter(created_at__lt=at).exclude(released_at__lte=at)
        assert not live.exists(), f"I11: the files of {action.pk} went under {live.first()}"


def i12() -> None:
    """An erasure leaves the log's root equal: the tree of that size still has the root of the receipt."""
    for request in DataRequest.objects.filter(kind="erase", state=DataRequest.State.DONE):
        before = request.receipt["log"]
        assert before["root_before"] == before["root_after"], f"I12: {request.pk} changed the root"
        again = merkle.root(tiles.Nodes(read_tile), before["size"]).hex()
        assert again == before["root_before"] and before["size"] <= reading.signed_size(), f"I12: {request.pk}"
        assert request.receipt["key_destroyed"], f"I12: {request.pk} left a key"
    for person in Person.objects.exclude(erased_at=None):
        assert not bytes(person.sealed_contact) and not person.contact_mark, f"I12: {person.pk} still has an address"
        if not vault.has_key(person.actor):
            words = (bytes(notice.sealed_text) for notice in person.notices.all())
            assert not any(words), f"I12: words of {person.pk} are still there"


# --- Who sees what ---------------------------------------------------------------------------------------------------


def i20() -> None:
    """Every view of sealed media has a reason, and an entry that seals it."""
    for view in MediaView.objects.select_related("entry"):
        assert len(view.reason.strip()) >= 3, f"I20: {view.pk} has no reason"
        assert view.entry and view.entry.sections.filter(name="reason").exists(), f"I20: {view.pk} is not on record"


def i23() -> None:
    """What is withdrawn blocks nothing from then on, and loses its digest; so does what was asked for in a notice that
    was taken back or found invented.
    """
    for entry in HashEntry.objects.filter(state=HashEntry.State.PURGED):
        assert not entry.value, f"I23: {entry.pk} is purged and keeps its digest"
    for entry in HashEntry.objects.filter(state=HashEntry.State.WITHDRAWN, algorithm="sha256"):
        others = HashEntry.objects.filter(value=entry.value, state=HashEntry.State.ACTIVE)
        assert others.exists() or not hashlist.blocked(entry.value), f"I23: {entry.pk} is withdrawn and still blocks"
    over = HashEntry.objects.filter(notice__state__in=("withdrawn", "unfounded"), state=HashEntry.State.ACTIVE)
    assert not over.exists(), f"I23: {over.first()} outlives its notice"


def i24() -> None:
    """A child's case is in no general list, on no desk of who was not trained for it, and in nothing that leaves."""
    children = _children()
    if not children:
        return
    # Whoever is trained for the same sees the same.
    unlike = {tuple(sorted(row.trained)): row for row in ReviewerProfile.objects.select_related("user")}
    for profile in unlike.values():
        user = profile.user
        again = SecondReview.objects.filter(pk__in=quality.waiting(user).values("pk")).values_list("decision__case")
        general = {*_keys(authority.general_cases(user)), *_keys(queue.waiting(user)), *(pk for (pk,) in again)}
        assert not general & children, f"I24: {user.name}'s lists show a child's case"
        if "child_safety" not in profile.trained:
            opened = _keys(authority.visible_cases(user))
            assert not opened & children, f"I24: {user.name} may open a child's case"
    leaving = StatementOfReasons.objects.filter(decision__case__in=children).exclude(tdb=None, puid=None)
    assert not leaving.exists(), f"I24: {leaving.first()} about a child has a record that could leave"


def _children() -> set[Any]:
    """Cases of that kind, and those in which somebody who filed said that a child is shown."""
    said = [case for case, answers in Notice.objects.values_list("case", "answers") if answers.get("minor") == "yes"]
    return {*Case.objects.filter(category="child_safety").values_list("pk", flat=True), *said}


def _keys(rows: Any) -> set[Any]:
    return set(rows.values_list("pk", flat=True))


def i25() -> None:
    """No free text is ever a fact of a rule: facts are of a closed list, and no clock holds a word anybody typed."""
    for clock in Clock.objects.all():
        facts = clock.inputs["facts"]
        assert set(facts) <= set(FACTS), f"I25: {clock.pk} was computed from {sorted(set(facts) - set(FACTS))}"
        strings = [text for value in facts.values() for text in (value if isinstance(value, list) else [value])]
        assert all(len(text) <= 30 for text in strings if isinstance(text, str)), f"I25: free text in {facts}"
