import json
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import check_password, make_password

from accounts.models import User
from core.problems import Problem
from ledger.models import Entry
from policy.filing import guided, notice_pins, notices
from policy.law import rules
from policy.models import Case, Clock, Flag, Notice
from provenance.models import Asset
from tests.policy.conftest import FileNotice, leaf_of

pytestmark = pytest.mark.django_db


def test_a_notice_opens_a_case_with_a_flag_and_dated_clocks(asset: Asset, file_notice: FileNotice) -> None:
    notice, pin = file_notice(asset, category="ncii", jurisdiction="US")
    assert notice.state == Notice.State.VALID
    assert len(pin) == 8
    assert notice.number.startswith("AS-20")
    clock = Clock.objects.get(rule_id="us.tida.223a")
    assert clock.due_at is not None
    assert (clock.due_at - clock.started_at).total_seconds() == 48 * 3600
    assert clock.legal_status == "draft"
    assert clock.pack == rules.rule("us.tida.223a").pack
    assert Flag.objects.get().case == notice.case == Case.objects.get()


def test_a_second_notice_joins_the_case_and_widens_its_places(asset: Asset, file_notice: FileNotice) -> None:
    first, _ = file_notice(asset)
    second, _ = file_notice(asset, jurisdiction="IN", name="", email="")
    assert first.case == second.case
    assert Case.objects.get().jurisdictions == ["EU", "IN"]
    assert Flag.objects.count() == 2


def test_a_different_issue_is_a_different_case(asset: Asset, file_notice: FileNotice) -> None:
    file_notice(asset)
    file_notice(asset, category="copyright")
    assert Case.objects.count() == 2


@pytest.mark.usefixtures("any_date")
def test_i16_what_a_law_wants_and_is_missing_starts_our_clock_and_not_the_laws(
    asset: Asset, file_notice: FileNotice
) -> None:
    """A nameless notice under TAKE IT DOWN starts no 48 hours; completing it does, from that moment."""
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False):
        notice, _ = file_notice(asset, category="ncii", jurisdiction="US", name="", email="")
        assert (notice.state, notice.missing) == ("incomplete", ["email", "name"])
        assert not Clock.objects.filter(rule_id="us.tida.223a").exists()
        assert Clock.objects.get(purpose=Clock.Purpose.ASK).state == Clock.State.RUNNING
    with time_machine.travel("2026-06-03T12:00:00Z", tick=False):
        notices.complete_notice(notice, name="Dana Hill", email="dana@example.org")
    clock = Clock.objects.get(rule_id="us.tida.223a")
    assert clock.due_at is not None
    assert clock.due_at.isoformat() == "2026-06-05T12:00:00+00:00"
    assert Clock.objects.get(purpose=Clock.Purpose.ASK).state == Clock.State.MET
    assert Notice.objects.get().state == "valid"
    assert Clock.objects.filter(rule_id="office.terms.review").count() == 1
    leaf = leaf_of("notice:completed")
    assert (leaf["object"], leaf["facts"]["state"]) == (notice.case.object, "valid")
    assert clock.entry == Entry.objects.get(type="notice:completed")
    assert "Dana" not in json.dumps(leaf) and set(leaf["commitments"]) == {"actor", "contact", "text"}


def test_a_notice_about_a_child_needs_no_name(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, category="child_safety", name="", email="")
    assert notice.state == Notice.State.VALID


def test_a_notice_may_concern_what_is_not_registered_here(file_notice: FileNotice) -> None:
    notice, _ = file_notice(None, url_or_text="https://example.net/picture.jpg")
    assert notice.case.asset is None
    assert notices.contents(notice)["url_or_text"] == "https://example.net/picture.jpg"


def test_words_and_address_are_sealed(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, url_or_text="https://example.net/a")
    raw = bytes(notice.sealed_text) + bytes(notice.filer.sealed_contact)
    leaves = b"".join(bytes(entry.leaf) for entry in Entry.objects.all())
    for secret in (b"Dana", b"dana@example.org", b"never agreed", b"example.net"):
        assert secret not in raw
        assert secret not in leaves
    assert notices.contents(notice)["name"] == "Dana Hill"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("category", {"category": "annoying"}),
        ("jurisdiction", {"jurisdiction": "Atlantis"}),
        ("statement", {"statement": "bad"}),
        ("statement", {"statement": "x" * 5001}),
        ("email", {"email": "dana at example"}),
        ("good_faith", {"good_faith": False}),
        ("exemptions", {"exemptions": ["because"]}),
        ("url_or_text", {"asset": None}),
        ("url_or_text", {"url_or_text": "x" * 2001}),
        ("file_sha256", {"file_sha256": "abc"}),
        ("name", {"name": "x" * 121}),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_kept(
    asset: Asset, file_notice: FileNotice, field: str, change: dict[str, Any]
) -> None:
    before = Entry.objects.count()
    with pytest.raises(Problem) as refusal:
        file_notice(**{"asset": asset, **change})
    assert list(refusal.value.extra["errors"]) == [field]  # type: ignore[call-overload]
    assert not Notice.objects.exists()
    assert not Case.objects.exists()
    assert Entry.objects.count() == before


def test_dana_comes_back_with_number_and_pin(asset: Asset, file_notice: FileNotice) -> None:
    notice, pin = file_notice(asset)
    spoken = f"{pin[:4]} {pin[4:]}"
    assert notice_pins.notice_by_pin(notice.number.lower(), spoken) == notice


def test_wrong_number_wrong_pin_and_locked_read_the_same(asset: Asset, file_notice: FileNotice) -> None:
    notice, pin = file_notice(asset)
    wrong = "0" * 8 if pin != "0" * 8 else "1" * 8
    said = set()
    for number, tried in [("AS-2026-2222-2222", pin), *[(notice.number, wrong)] * 5, (notice.number, pin)]:
        with pytest.raises(Problem) as refusal:
            notice_pins.notice_by_pin(number, tried)
        said.add(str(refusal.value.as_dict()))
    assert len(said) == 1


@pytest.mark.usefixtures("any_date")
def test_a_locked_number_opens_again_after_15_minutes(asset: Asset, file_notice: FileNotice) -> None:
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        notice, pin = file_notice(asset)
        for _ in range(notice_pins.MAX_WRONG_PINS):
            with pytest.raises(notice_pins.NoSuchNotice):
                notice_pins.notice_by_pin(notice.number, "x")
        with pytest.raises(notice_pins.NoSuchNotice):
            notice_pins.notice_by_pin(notice.number, pin)
        clock.shift(15 * 60 + 1)
        assert notice_pins.notice_by_pin(notice.number, pin) == notice


def test_an_unknown_number_costs_as_much_as_a_known_one(
    monkeypatch: pytest.MonkeyPatch, asset: Asset, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset)
    hashed: list[str] = []

    def make(pin: str) -> str:
        hashed.append("make")
        return make_password(pin)

    def check(pin: str, kept: str) -> bool:
        hashed.append("check")
        return check_password(pin, kept)

    monkeypatch.setattr(notice_pins, "make_password", make)
    monkeypatch.setattr(notice_pins, "check_password", check)
    for number in (notice.number, "AS-2026-2222-2222"):
        with pytest.raises(notice_pins.NoSuchNotice):
            notice_pins.notice_by_pin(number, "1")
    assert hashed == ["check", "make"]


def test_the_pin_is_kept_as_a_slow_salted_hash(asset: Asset, file_notice: FileNotice, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    notice, pin = file_notice(asset)
    algorithm, iterations, salt, _ = notice.pin_hash.split("$")
    assert (algorithm, int(iterations) >= 600_000, len(salt) >= 16) == ("pbkdf2_sha256", True, True)
    assert pin not in notice.pin_hash


def test_i25_free_text_is_never_a_fact(asset: Asset, file_notice: FileNotice) -> None:
    """The same notice with any other words, in any question, gives rules the same facts under every way."""
    words = dict.fromkeys(guided.QUESTIONS, "minor intimate court_order synthetic") | {"email": "ncii@example.org"}
    named = {"name": words.pop("name"), "email": words.pop("email")}
    one, _ = file_notice(
        asset, statement="minor intimate court_order synthetic", url_or_text="ncii", details=words, **named
    )
    other, _ = file_notice(asset, statement="Something else entirely.", url_or_text="")
    assert guided.ways(one) == guided.ways(other)


def test_who_files_with_an_account_is_known_as_a_party(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset, by=rita)
    assert notice.account == rita


def test_a_file_that_is_registered_is_recognised_by_its_bytes(asset: Asset, file_notice: FileNotice) -> None:
    signed = asset.renditions.get(role="signed")
    notice, _ = file_notice(None, file_sha256=signed.sha256)
    assert notice.asset == asset
    other, _ = file_notice(None, file_sha256="0" * 64)
    assert other.asset is None


@pytest.mark.parametrize("number", ["", "\x00", "AS-2026", "x" * 5000, "AS-2026-7F3K-9QX\ud800"])
def test_a_malformed_number_reads_like_a_wrong_one(number: str) -> None:
    with pytest.raises(notice_pins.NoSuchNotice):
        notice_pins.notice_by_pin(number, "1")


def test_the_hour_is_on_the_schedule(settings: Any) -> None:
    from policy import tasks

    assert tasks.strike.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    tasks.strike()
