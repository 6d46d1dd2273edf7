"""The case that “How we decide” shows in a demo office: reported, decided, appealed and undone within a second."""

import time

from accounts.models import User
from core.problems import Conflict
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import notices
from policy.law import charter
from policy.models import Appeal, Case, Category, Decision
from policy.redress import appeals
from policy.transparency import example
from provenance.models import Asset

RULE = "office.terms.labelling"
_PATIENCE = 10.0  # seconds until the sequencer has given the last entry its place


def play(people: dict[str, User], asset: Asset) -> None:
    """A reader doubts a photograph; Rita gives it a label; its owner appeals; Ravi finds that she was wrong."""
    notice, _ = notices.file_notice(
        asset=asset,
        category=Category.UNLABELLED_SYNTHETIC,
        jurisdiction="EU",
        statement="The flame looks painted. I think a program made this picture, and nothing says so.",
        name="R. Eader",
        email="reader@demo.example",
        good_faith=True,
    )
    assert notice.case is not None
    decision = _decide(notice.case, people["Rita"])
    filed = appeals.file_appeal(
        decision,
        user=asset.owner,
        grounds="It is a photograph of a launch. Those who took it have published it with the date and the place.",
    )
    appeals.decide_appeal(
        filed,
        people["Ravi"],
        outcome=Appeal.Outcome.OVERTURN,
        reasons="Those who took it have published the same photograph, with the date and the place. An edge that looks"
        " unusual is no sign that a program made a picture. The label was wrong.",
    )
    bind(people)
    _choose(notice.case, people["Lena"])


def bind(people: dict[str, User]) -> None:
    """The demo office adopts its charter, once."""
    if charter.adopted() is None:
        charter.adopt(people["Lena"], charter.versions()[-1])


def _decide(case: Case, rita: User) -> Decision:
    cases.assign(case, rita)
    cases.view_media(case, rita, "The notice is about what the picture shows.")
    case.refresh_from_db(fields=["version"])
    return decisions.decide(
        case,
        rita,
        outcome=Decision.Outcome.LABEL,
        ground=Decision.Ground.TERMS,
        rule_ids=[RULE],
        facts_text="The notice points to the flame. Its edges look unusual, and the file says nothing of its origin.",
        explanation="Synthetic media carry a label here. The work stays visible, with a label.",
        version=case.version,
    )


def _choose(case: Case, lena: User) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        case.refresh_from_db()
        try:
            example.choose(case, lena, words=True)
            return
        except Conflict as early:
            if early.code != "example.early" or time.monotonic() > until:
                raise
            time.sleep(0.1)
