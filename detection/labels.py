"""What people found out about works, on its way to becoming training data: proposed → corroborated → trainable.

Corroborated needs a second person or the file's own trusted credential (`own_credential`). Trainable needs a *basis*:
that the people shown consented to the purpose “train”, or that the owner of a work that shows nobody allows training.
Who decides that is a room above (`register_basis`); without an answer nothing is trainable, and each time data are
taken out the basis is asked for anew, so a consent that was withdrawn ends here too. No source and no person may fill
the set, nothing that looks like a permanent test or like another item enters it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q

from accounts.models import REVIEWERS, Role, User
from core import jobs
from core.canonical import Json
from core.problems import Conflict, Forbidden, NotFound
from core.states import move
from detection.detectors import Question
from detection.models import Claim, Corroboration, Label, PermanentTest
from ledger import log as ledger_log
from ledger.events import EventType
from ledger.models import Entry
from provenance import matching
from provenance.models import Asset

log = structlog.get_logger()

PER_SOURCE: Final = 200  # trainable items of one organisation, for one question
PER_SUBMITTER: Final = 100  # of one person
ACTOR: Final = "system:detection"
WITNESS: Final = "detection.own_credential"  # the job that asks the file itself

# Given a work: what allows training with it, as an opaque id (“consent:<id>”, “owner:<id>”); "" if nothing does.
Basis = Callable[[Asset], str]
_basis: list[Basis] = []


def register_basis(basis: Basis) -> None:
    """Called once by the room that knows consent (AppConfig.ready)."""
    _basis[:] = [basis]


def basis_of(asset: Asset) -> str:
    """What allows training with the work now; "" if nothing does, or nobody is there to ask."""
    return _basis[0](asset) if _basis else ""


class NotTrainable(Conflict):
    """why: slug; also what an excluded label is excluded for."""

    def __init__(self, why: str, words: str) -> None:
        super().__init__(words, code=f"label.{why}")
        self.why = why


def propose(
    asset: Asset,
    question: str,
    claim: str,
    origin: str,
    *,
    by: User | None = None,
    decided_by: User | None = None,
    refs: list[Entry] | None = None,
) -> Label:
    """Somebody, or something that happened, says what a work is. Proposing the same again gives the first one back.

    by: None for the office itself. decided_by: whose decision the office puts down; they are no second person for it.
    Raises Forbidden for a person who is no reviewer, or whose work it is, Conflict where the opposite was proposed.
    """
    if by is not None:
        _may_judge(by, asset)
    known = Label.objects.filter(asset=asset, question=question, origin=origin).first()
    if known is not None and known.claim != claim:
        raise Conflict(
            "The opposite was proposed of this work.",
            code="label.opposite",
            next_step=f"Look at it together: manage.py label exclude {known.pk} takes the first proposal back.",
        )
    if known is not None:
        return known
    label = Label(asset=asset, sha256=asset.original_sha256, question=question, claim=claim, origin=origin)
    label.source, label.submitter = _source(asset), by or decided_by
    with transaction.atomic():
        label.entry = _record(label, by, {"step": "proposed", "origin": origin}, refs)
        label.save(force_insert=True)
        if (question, claim) == (Question.SYNTHETIC, Claim.MADE) and asset.held:
            jobs.enqueue(WITNESS, key=f"own_credential:{label.pk}", label=str(label.pk))
    return label


def corroborate(label: Label, by: User | None, *, refs: list[Entry] | None = None) -> Label:
    """A second person, or (None) the file's own trusted credential, says the same. Nobody corroborates what they
    proposed or decided themselves. Raises Forbidden, Conflict.
    """
    if by is not None:
        _may_judge(by, label.asset)
        if by.pk == label.submitter_id:
            words = "You proposed or decided this: somebody else corroborates it."
            raise Forbidden(words, code="label.second_person")
    try:
        with transaction.atomic():
            move(label, Label.MOVES, Label.State.CORROBORATED)
            entry = _record(label, by, {"step": "corroborated"}, refs)
            Corroboration.objects.create(label=label, by=by, entry=entry)
    except IntegrityError as error:
        raise Conflict("This was corroborated a moment ago.", code="state.race") from error
    return label


def admit(label: Label, by: User) -> Label:
    """May be trained on from now on, if there is a basis and room for it. by: an operator, who had no part in it.

    Raises Forbidden, NotTrainable with the reason.
    """
    if not by.has_role(Role.OPERATOR):
        raise Forbidden("Admitting labels to training needs the role of an operator.", code="label.role")
    if by.pk == label.submitter_id or label.corroborations.filter(by=by).exists():
        words = "You proposed, decided or corroborated this: somebody else admits it to training."
        raise Forbidden(words, code="label.own")
    with transaction.atomic():
        basis = _check(label)
        move(label, Label.MOVES, Label.State.TRAINABLE, basis=basis)
        _record(label, by, {"step": "trainable", "basis": basis})
    return label


def exclude(label: Label, why: str, by: User | None = None) -> Label:
    """Not used, whatever it was. why: a slug. by: None for the office itself. Raises Forbidden."""
    if by is not None and not by.has_role(*REVIEWERS, Role.OPERATOR):
        raise Forbidden("Taking a label back needs the role of a reviewer or operator.", code="label.role")
    with transaction.atomic():
        move(label, Label.MOVES, Label.State.EXCLUDED, excluded_for=why[:40])
        _record(label, by, {"step": "excluded", "why": why[:40]})
    return label


def _check(label: Label) -> str:
    """The basis. Raises NotTrainable for the first thing that is in the way."""
    basis = basis_of(label.asset)
    if not basis:
        words = "Nobody shown in this work, and not its owner, has allowed training with it."
        raise NotTrainable("no_basis", words)
    if contradicted(label):
        raise NotTrainable("contradicted", "Another label says the opposite about this work.")
    alike = _alike(label.asset)
    if PermanentTest.objects.filter(Q(asset__in=alike) | Q(sha256=label.sha256), question=label.question).exists():
        raise NotTrainable("test", "This work, or one that looks the same, is a permanent test: tests are not learnt.")
    others = Label.objects.filter(question=label.question, state=Label.State.TRAINABLE).exclude(pk=label.pk)
    if others.filter(Q(asset__in=alike) | Q(sha256=label.sha256)).exists():
        raise NotTrainable("duplicate", "A work that looks the same is trained on already.")
    if others.filter(source=label.source).count() >= PER_SOURCE:
        raise NotTrainable("source_full", f"{PER_SOURCE} works of this organisation are trained on already.")
    if label.submitter_id and others.filter(submitter=label.submitter_id).count() >= PER_SUBMITTER:
        raise NotTrainable("submitter_full", f"{PER_SUBMITTER} labels of one person are trained on already.")
    return basis


def contradicted(label: Label) -> bool:
    same = Label.objects.filter(asset=label.asset, question=label.question).exclude(state=Label.State.EXCLUDED)
    return same.exclude(claim=label.claim).exists()


def _alike(asset: Asset) -> list[str]:
    """Ids of works that look the same, as found when either was registered, and its own."""
    alike = {str(one["asset_id"]) for one in asset.near_duplicates if one.get("tier") != matching.LIKE}
    later = Asset.objects.filter(near_duplicates__icontains=str(asset.pk))
    for pk, near in later.values_list("pk", "near_duplicates"):
        if any(str(one["asset_id"]) == str(asset.pk) and one.get("tier") != matching.LIKE for one in near):
            alike.add(str(pk))
    return [str(asset.pk), *sorted(alike)]


# --- Taking out ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainingItem:
    """made: 1 what was looked for, 0 not. basis: as it stands now."""

    label: Label
    made: int
    source: str
    basis: str


def training_items(question: str) -> Iterator[TrainingItem]:
    """What may be trained on at this moment. A label whose basis is gone, or has become another, is excluded for ever,
    and so is one of a work that looks like a permanent test.
    """
    rows = Label.objects.filter(question=question, state=Label.State.TRAINABLE).select_related("asset")
    tests = PermanentTest.objects.filter(question=question).select_related("asset")
    alike = {pk for test in tests for pk in _alike(test.asset)}
    bytes_of = {test.sha256 for test in tests}
    for label in rows.order_by("pk"):
        if basis_of(label.asset) != label.basis:
            log.info("label.basis_gone", label=str(label.pk))
            exclude(label, "basis_gone")
        elif str(label.asset_id) in alike or label.sha256 in bytes_of:
            exclude(label, "test")
        elif label.asset.held:
            yield TrainingItem(label, int(label.claim == Claim.MADE), label.source, label.basis)


def remember(asset: Asset, question: str, claim: str, *, refs: list[Entry] | None = None) -> PermanentTest:
    """This office was wrong about the work: from now on no model enters service that is wrong about it again.

    Labels that were trainable, of it, of the same bytes and of works that look the same, are excluded: a test is not
    learnt. The same again gives the first one back.
    """
    known = PermanentTest.objects.filter(asset=asset, question=question).first()
    if known is not None:
        return known
    with transaction.atomic():
        test = PermanentTest(asset=asset, sha256=asset.original_sha256, question=question, claim=claim)
        test.entry = ledger_log.append(
            EventType.LABEL_RECORDED,
            actor=ACTOR,
            role="system",
            object=f"asset:{asset.pk}",
            refs=refs or [asset.entry],
            facts={"step": "permanent_test", "test": str(test.pk), "question": question, "claim": claim},
        )
        test.save(force_insert=True)
        same = Q(asset__in=_alike(asset)) | Q(sha256=asset.original_sha256)
        for label in Label.objects.filter(same, question=question, state=Label.State.TRAINABLE):
            exclude(label, "test")
    return test


def find(pk: str) -> Label:
    """Raises NotFound."""
    try:
        return Label.objects.select_related("asset").get(pk=pk)
    except (Label.DoesNotExist, ValidationError) as error:
        raise NotFound("label") from error


def _may_judge(user: User, asset: Asset) -> None:
    if not user.has_role(*REVIEWERS):
        raise Forbidden("Saying what a work is needs the role of a reviewer.", code="label.role")
    if asset.owner_id == user.pk:
        raise Forbidden("This work is yours: somebody else says what it is.", code="label.conflict")


def _source(asset: Asset) -> str:
    return f"organisation:{asset.organisation_id or 'none'}"


def _record(label: Label, by: User | None, facts: dict[str, Json], refs: list[Entry] | None = None) -> Entry:
    about: dict[str, Json] = {"label": str(label.pk), "question": label.question, "claim": label.claim}
    role = next((role.value for role in (*REVIEWERS, Role.OPERATOR) if by and by.has_role(role)), "system")
    return ledger_log.append(
        EventType.LABEL_RECORDED,
        actor=by.actor if by else ACTOR,
        role=role,
        object=f"asset:{label.asset_id}",
        refs=[*(refs or []), *([label.entry] if label.entry else [])] or [label.asset.entry],
        facts=about | facts,
    )
