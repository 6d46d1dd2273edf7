"""That an address is the filer's own: a link that went there was used. Until then anybody may have typed it.

The link proves the address and opens nothing: notice and PIN stay apart from it.
"""

import datetime as dt
from typing import Final

from django.core import signing
from django.db import transaction

from core.clock import now
from core.problems import NotFound
from ledger import log
from ledger.events import EventType
from policy.models import Notice, Person
from policy.rights import people

GOOD_FOR: Final = dt.timedelta(days=30)
_SALT: Final = "policy.address_proof"


def path(notice: Notice) -> str:
    """Where whoever reads the mail of this address says that they filed the notice."""
    token = signing.dumps({"notice": str(notice.pk), "mark": notice.filer.contact_mark}, salt=_SALT)
    return f"/notice/address/{token}/"


def notice_of(token: str) -> Notice:
    """The notice that this link is about. Raises NotFound for a link that is not ours or too old, and once the notice
    has another address, or none.
    """
    try:
        told = signing.loads(token, salt=_SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        told = {"notice": None, "mark": ""}
    rows = Notice.objects.select_related("filer", "case", "entry")
    notice = rows.filter(pk=told["notice"], filer__contact_mark=told["mark"]).exclude(filer__contact_mark="").first()
    if notice is None:
        raise NotFound("link")
    return notice


def prove(token: str) -> Notice:
    """Who reads the mail of the address says that they filed the notice: from now on it counts as theirs
    (`policy.filing.misuse`). Once is enough. Raises NotFound as `notice_of`, Conflict once they were erased.
    """
    with transaction.atomic():
        people.refuse_erased(notice_of(token).filer)
        notice = notice_of(token)  # as it is now that nobody else changes the address
        unproved = Person.objects.filter(pk=notice.filer_id, contact_proved_at=None)
        if unproved.update(contact_proved_at=now()):
            _record(notice)
    return notice


def _record(notice: Notice) -> None:
    state = Notice.objects.select_for_update().values_list("state", flat=True).get(pk=notice.pk)
    log.append(
        EventType.NOTICE_COMPLETED,
        actor=notice.filer.actor,
        role="notifier",
        object=notice.case.object,
        refs=[notice.entry] if notice.entry else [],
        facts={"notice": str(notice.pk), "state": state, "address_proved": True},
    )
