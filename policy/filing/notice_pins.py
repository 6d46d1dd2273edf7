"""Case number and PIN: how somebody without an account comes back. Not enumerable, and slow to guess."""

import datetime as dt
import hashlib
import re
import secrets

from django.contrib.auth.hashers import check_password, make_password
from django.db.models import F

from core.clock import now
from core.problems import Problem
from policy.models import Notice

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # nothing that is misread on paper or on the telephone
PIN_DIGITS = 8
MAX_WRONG_PINS = 5
LOCKED_FOR = dt.timedelta(minutes=15)
_NUMBER = re.compile(rf"AS-[0-9]{{4}}-[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}")


class NoSuchNotice(Problem):
    """One answer for a wrong number, a wrong PIN and a locked notice, so that none can be told from another."""

    def __init__(self) -> None:
        super().__init__(
            "notice.not_found",
            "Number and PIN do not match",
            status=404,
            detail="No notice answers to this number and PIN.",
            next_step=f"Check both. After {MAX_WRONG_PINS} wrong tries a number rests for 15 minutes.",
        )


def new_number() -> str:
    """`AS-2026-7F3K-9QXM`: the year and 39 random bits; the PIN guards it, not its rarity."""
    while True:
        random = "".join(secrets.choice(ALPHABET) for _ in range(8))
        number = f"AS-{now():%Y}-{random[:4]}-{random[4:]}"
        if not Notice.objects.filter(number=number).exists():
            return number


def pin_of(seed: str) -> str:
    """The PIN that follows from `seed`: 256 random bits or more, which only the filer's own browser keeps."""
    digest = hashlib.sha256(f"pin:{seed}".encode()).digest()
    return f"{int.from_bytes(digest) % 10**PIN_DIGITS:0{PIN_DIGITS}d}"


def pin_from(seed: str) -> tuple[str, str]:
    """(PIN, its hash), as `new_pin`."""
    pin = pin_of(seed)
    return pin, make_password(pin)


def key_of(seed: str) -> str:
    """What a notice that was filed with `seed` is found by (`Notice.client_key`); the seed does not follow from it."""
    return hashlib.sha256(f"key:{seed}".encode()).hexdigest()


def new_pin() -> tuple[str, str]:
    """(PIN, its hash). The hash is slow on purpose, so it is made before the transaction."""
    pin = "".join(secrets.choice("0123456789") for _ in range(PIN_DIGITS))
    return pin, make_password(pin)


def notice_by_pin(number: str, pin: str) -> Notice:
    """The notice, for whoever has its number and PIN. Raises NoSuchNotice.

    The same work is done whether the number exists or not, so the time tells nothing either.
    """
    number, pin = number.strip().upper(), re.sub(r"[\s-]", "", pin)[:32]
    well_formed = Notice.objects.filter(number=number) if _NUMBER.fullmatch(number) else Notice.objects.none()
    notice = well_formed.select_related("filer", "case", "asset", "flagger").first()
    if notice is None:
        make_password(pin)
        raise NoSuchNotice
    resting = notice.locked_until is not None and notice.locked_until > now()
    fits = check_password(pin, notice.pin_hash)
    if resting:
        raise NoSuchNotice
    if not fits:
        _count_wrong(notice)
        raise NoSuchNotice
    if notice.wrong_pins:
        Notice.objects.filter(pk=notice.pk).update(wrong_pins=0, locked_until=None)
    return notice


def _count_wrong(notice: Notice) -> None:
    """The database adds, so that tries in parallel all count."""
    Notice.objects.filter(pk=notice.pk).update(wrong_pins=F("wrong_pins") + 1)
    Notice.objects.filter(pk=notice.pk, wrong_pins__gte=MAX_WRONG_PINS).update(
        wrong_pins=0, locked_until=now() + LOCKED_FOR
    )
