"""What erasing empties and deletes: each column the register calls “emptied”, “key destroyed” or “row deleted”.

Ciphertext is unreadable once its key is gone; the columns are emptied all the same, and sealed files deleted.
"""

from functools import partial

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q

from accounts.models import LoginLink, MachineToken, Membership, Organisation, User
from core import storage
from core.clock import now
from policy.models import (
    Appeal,
    AppealMessage,
    Attachment,
    CounterNotice,
    DataRequest,
    HashEntry,
    MediaView,
    Notice,
    Person,
    RegisterEntry,
    ReviewerProfile,
    SavedQuery,
)
from policy.rights import holdings


def empty_person(person: Person) -> dict[str, int]:
    """The first erasure's moment stays: from then on nothing is added and no link opens. Returns rows by name."""
    erased_at = person.erased_at or now()
    # That it was proved says nothing of them, and keeps their case before the authorities of its places.
    blank = {"sealed_contact": b"", "contact_mark": "", "erased_at": erased_at}
    theirs = Q(notice__filer=person) | Q(person=person)
    said = Q(appeal__notice__filer=person) | Q(appeal__person=person)
    return {
        "notices": Notice.objects.filter(filer=person).update(sealed_text=b"", file_sha256=""),
        "redacted": _take_back_words(person),
        "appeals": Appeal.objects.filter(theirs).update(sealed_grounds=b""),
        "messages": AppealMessage.objects.filter(said).update(sealed_text=b""),
        "attachments": _delete_attachments(person.actor),
        "requests": DataRequest.objects.filter(person=person).exclude(sealed_text=b"").update(sealed_text=b""),
        "hash_entries": _purge_digests(person),
        "person": Person.objects.filter(pk=person.pk).update(**blank),
    }


def _take_back_words(person: Person) -> int:
    """What researchers read of their notices goes with what they wrote."""
    theirs = RegisterEntry.objects.filter(notice__filer=person).exclude(redacted_text="")
    return theirs.update(redacted_text="", redacted_by=None)


def _purge_digests(person: Person) -> int:
    """What a restore brought back of them: `hashlist.purge` did it first, and recorded it."""
    held = HashEntry.objects.filter(notice__filer=person).exclude(state=HashEntry.State.PURGED)
    return held.update(value="", state=HashEntry.State.PURGED)


def _delete_attachments(owner: str) -> int:
    """The sealed bytes go when the transaction commits; ciphertext is nobody else's, so no other row names it."""
    held = Attachment.objects.filter(owner=owner).exclude(key="")
    for key in held.values_list("key", flat=True):
        transaction.on_commit(partial(storage.remove, key))
    return held.update(sealed_name=b"", key="", size=0)


def close_account(user: User) -> dict[str, int]:
    """The ways in go, at once even under a hold."""
    rows = {
        "tokens": MachineToken.objects.filter(user=user).delete()[0],
        "login_links": LoginLink.objects.filter(user=user).delete()[0],
        "second_factors": Authenticator.objects.filter(user=user).delete()[0],
        "sessions": Session.objects.filter(pk__in=[each.pk for each in holdings.sessions_of(user)]).delete()[0],
    }
    User.objects.filter(pk=user.pk).update(is_active=False, password=make_password(None))
    return rows


def empty_account(user: User) -> dict[str, int]:
    """Names and ways in go; what was registered stays registered, owned by an account without a name."""
    alone = _organisations_of_one(user)
    rows = {
        **close_account(user),
        "memberships": Membership.objects.filter(user=user).delete()[0],
        "email_addresses": EmailAddress.objects.filter(user=user).delete()[0],
        "saved_queries": SavedQuery.objects.filter(user=user).delete()[0],
        **_empty_words(user),
        "views": MediaView.objects.filter(reviewer=user).update(reason=""),
        "reviewer": ReviewerProfile.objects.filter(user=user).update(
            languages=[], trained={}, floor={}, paused=True, manager=None
        ),
    }
    for organisation in alone:
        Organisation.objects.filter(pk=organisation.pk).update(name=f"Former member {str(organisation.pk)[-12:]}")
    blank = {"email": f"{user.pk.hex}@erased.invalid", "name": "", "last_login": None}
    User.objects.filter(pk=user.pk).update(**blank)
    return {**rows, "account": 1}


def _empty_words(user: User) -> dict[str, int]:
    """What they wrote to this office."""
    return {
        "appeals": Appeal.objects.filter(user=user).update(sealed_grounds=b""),
        "messages": AppealMessage.objects.filter(appeal__user=user).update(sealed_text=b""),
        "counter_notices": CounterNotice.objects.filter(by=user).update(sealed_fields=b""),
        "attachments": _delete_attachments(user.actor),
        "requests": DataRequest.objects.filter(user=user).exclude(sealed_text=b"").update(sealed_text=b""),
    }


def _organisations_of_one(user: User) -> list[Organisation]:
    """Organisations in which nobody else is: their name is likely to be the person's."""
    mine = Organisation.objects.filter(memberships__user=user).distinct()
    return [each for each in mine if not each.memberships.exclude(user=user).exists()]
