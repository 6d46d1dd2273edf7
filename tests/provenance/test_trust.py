"""Whom this office believes, on which date, by which list; and that nothing of a bad list is kept."""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from accounts.models import Organisation, User
from core.clock import now
from core.problems import Problem
from ledger.models import Entry
from provenance import authority, trust
from provenance.models import TrustList
from provenance.trust import NewList
from tests.provenance import certificates_made as made
from tests.provenance.asking import reported
from tests.provenance.certificates_made import Made

pytestmark = pytest.mark.django_db

URI = "urn:example:studios"
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def danas() -> Made:
    """Dana's own certificate authority."""
    return made.root()


@pytest.fixture(scope="module")
def danas_photo(photo_path: Path, danas: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph that Dana signed, without a time-stamp."""
    return made.signed(photo_path, tmp_path_factory.mktemp("dana") / "photo.jpg", made.under(danas))


@pytest.fixture
def new_list(danas: Made) -> NewList:
    return NewList(
        uri=URI, name="Studios", version="1", kind="manifest", pem=danas.pem, effective_from=now() - 10 * DAY
    )


def in_force(at: dt.datetime | None = None, organisation: Organisation | None = None) -> list[str]:
    """Versions of the lists of others."""
    return [one.version for one in trust.policy(at, organisation).lists if one.uri == URI]


# --- Which lists count, and when ---------------------------------------------------------------------------------


def test_an_office_believes_itself_as_signer_and_as_authority_of_time() -> None:
    policy = trust.policy()
    root = authority.this_office().root
    assert [(one.uri, one.kind, one.pem == root) for one in policy.lists] == [
        ("urn:assay:this-office", "manifest", True),
        ("urn:assay:this-office:time", "tsa", True),
    ]
    assert policy.lists == authority.own_lists()
    assert "PRIVATE" not in json.dumps(policy.anchors)


def test_a_list_counts_from_its_date_until_its_successor(new_list: NewList) -> None:
    begin = new_list.effective_from
    trust.add_list(new_list)
    trust.add_list(replace(new_list, version="2", effective_from=begin + 5 * DAY))
    assert in_force(begin - DAY) == []
    assert in_force(begin) == ["1"]
    assert in_force(begin + 5 * DAY - dt.timedelta(seconds=1)) == ["1"]
    assert in_force(begin + 5 * DAY) == ["2"]
    assert in_force() == ["2"]


def test_a_version_that_is_added_late_counts_on_its_own_dates(new_list: NewList) -> None:
    trust.add_list(replace(new_list, version="2"))
    trust.add_list(replace(new_list, version="1", effective_from=new_list.effective_from - 20 * DAY))
    assert in_force(new_list.effective_from - DAY) == ["1"]
    assert in_force() == ["2"]


def test_a_list_ends_on_its_last_date_and_its_predecessor_does_not_come_back(new_list: NewList) -> None:
    begin = new_list.effective_from
    trust.add_list(new_list)
    trust.add_list(replace(new_list, version="2", effective_from=begin + DAY, effective_until=begin + 3 * DAY))
    assert in_force(begin + 2 * DAY) == ["2"]
    assert in_force(begin + 3 * DAY) == []


def test_a_withdrawn_list_counts_for_what_was_judged_before(new_list: NewList) -> None:
    trust.add_list(new_list)
    trust.withdraw_list(URI, version="withdrawn", effective_from=now() - DAY)
    assert in_force() == []
    assert in_force(now() - 2 * DAY) == ["1"]
    with pytest.raises(Problem) as refusal:
        trust.withdraw_list(URI, version="again", effective_from=now() - 2 * DAY)
    assert refusal.value.code == "trust_list.dates"
    with pytest.raises(Problem) as refusal:
        trust.withdraw_list("urn:example:nobody", version="x", effective_from=now())
    assert refusal.value.code == "not_found"


def test_an_organisations_list_counts_for_it_alone(new_list: NewList, alice: User, bob: User) -> None:
    trust.add_list(replace(new_list, organisation=alice.organisation))
    assert in_force(organisation=alice.organisation) == ["1"]
    assert in_force(organisation=bob.organisation) == []
    assert in_force() == []


def test_each_version_is_an_entry_in_the_log(new_list: NewList) -> None:
    row = trust.add_list(new_list)
    leaf = json.loads(bytes(Entry.objects.get(pk=row.entry_id).leaf))
    assert leaf["type"] == "trust_list:added"
    assert leaf["facts"]["sha256"] == hashlib.sha256(row.pem.encode()).hexdigest()
    assert (leaf["facts"]["uri"], leaf["facts"]["version"], leaf["facts"]["certificates"]) == (URI, "1", 1)


def test_certificates_are_kept_once_and_without_remarks(new_list: NewList, danas: Made) -> None:
    noisy = f"Subject CN=Dana\n{danas.pem}\n# again\n{danas.pem}"
    assert trust.add_list(replace(new_list, pem=noisy)).pem == danas.pem


# --- What is refused ---------------------------------------------------------------------------------------------

Change = Callable[[NewList, Made], NewList]


def expired(new: NewList, root: Made) -> NewList:
    old = made.root("Old", begins=-3 * made.YEAR, ends=-2 * made.YEAR)
    return replace(new, pem=root.pem + old.pem)


def cut_off(new: NewList, root: Made) -> NewList:
    return replace(new, pem=root.pem + root.pem[: len(root.pem) // 2])


def garbled(new: NewList, root: Made) -> NewList:
    lines = root.pem.splitlines()
    lines[3] = lines[3][::-1]
    return replace(new, pem=root.pem + "\n".join(lines) + "\n")


REFUSED: dict[str, tuple[Change, str, str]] = {
    "nothing in it": (lambda new, _: replace(new, pem=""), "trust_list.pem", "no certificate"),
    "a web page": (lambda new, _: replace(new, pem="<html>404</html>"), "trust_list.pem", "no certificate"),
    "cut off": (cut_off, "trust_list.pem", "cut off"),
    "garbled": (garbled, "trust_list.pem", "Certificate 2"),
    "a private key": (lambda new, root: replace(new, pem=root.pem + root.key_pem), "trust_list.pem", "private key"),
    "too long": (lambda new, root: replace(new, pem=root.pem + "#" * (5 << 20)), "trust_list.pem", "4 MiB"),
    "an expired anchor": (expired, "trust_list.expired", "“Old”"),
    "a signer": (
        lambda new, root: replace(new, pem=made.under(root, "Bob").pem),
        "trust_list.no_authority",
        "“Bob”",
    ),
    "it ends before it begins": (
        lambda new, _: replace(new, effective_until=new.effective_from - DAY),
        "trust_list.dates",
        "before it begins",
    ),
    "a date without a zone": (
        lambda new, _: replace(new, effective_from=dt.datetime(2026, 1, 1)),  # noqa: DTZ001 - that is the mistake
        "trust_list.dates",
        "time zone",
    ),
    "this office's own name": (
        lambda new, _: replace(new, uri="urn:assay:this-office"),
        "trust_list.uri",
        "urn:assay:",
    ),
    "its name in capitals": (lambda new, _: replace(new, uri="URN:Assay:x"), "trust_list.uri", "urn:assay:"),
    "no address": (lambda new, _: replace(new, uri="studios"), "trust_list.uri", "URI"),
    "no name": (lambda new, _: replace(new, name=""), "trust_list.words", "name"),
    "no version": (lambda new, _: replace(new, version=""), "trust_list.words", "version"),
    "a long source": (lambda new, _: replace(new, source="x" * 301), "trust_list.words", "source"),
    "an unknown kind": (lambda new, _: replace(new, kind="friends"), "trust_list.kind", "friends"),
}


@pytest.mark.parametrize("mistake", REFUSED)
def test_a_bad_list_is_refused_in_words_and_nothing_is_kept(new_list: NewList, danas: Made, mistake: str) -> None:
    change, code, words = REFUSED[mistake]
    with pytest.raises(Problem) as refusal:
        trust.add_list(change(new_list, danas))
    assert refusal.value.code == code
    assert words in refusal.value.detail
    assert "Nothing was kept" in refusal.value.detail
    assert refusal.value.next_step
    assert (TrustList.objects.count(), Entry.objects.count()) == (0, 0)


def test_a_version_comes_once(new_list: NewList) -> None:
    trust.add_list(new_list)
    for second, code in (
        (replace(new_list, effective_from=now()), "trust_list.version"),
        (replace(new_list, version="2"), "trust_list.dates"),
        (replace(new_list, version="2", effective_from=now(), kind="tsa"), "trust_list.other"),
    ):
        with pytest.raises(Problem) as refusal:
            trust.add_list(second)
        assert refusal.value.code == code
    assert (TrustList.objects.count(), Entry.objects.count()) == (1, 1)


def test_mallory_cannot_put_a_version_on_somebody_elses_list(new_list: NewList, alice: User, mallory: User) -> None:
    trust.add_list(replace(new_list, organisation=alice.organisation))
    with pytest.raises(Problem) as refusal:
        trust.add_list(replace(new_list, version="2", effective_from=now(), organisation=mallory.organisation))
    assert refusal.value.code == "trust_list.other"


def test_expired_anchors_are_taken_when_they_are_meant(new_list: NewList, danas: Made) -> None:
    row = trust.add_list(replace(expired(new_list, danas), expired_too=True))
    assert row.pem.count("BEGIN CERTIFICATE") == 2


# --- What follows for files --------------------------------------------------------------------------------------


def test_a_signer_is_a_name_only_when_a_list_vouches(danas_photo: Path, new_list: NewList) -> None:
    before = reported(danas_photo)
    assert before.verdicts["signer"].state == "unknown"
    assert before.credential.signer is not None
    assert before.credential.signer["name"] == ""
    trust.add_list(new_list)
    after = reported(danas_photo)
    assert after.verdicts["signer"].state == "trusted"
    assert after.verdicts["signer"].more["list"] == {"name": "Studios", "uri": URI, "version": "1"}
    assert after.credential.signer is not None
    assert after.credential.signer["name"] == "Dana"
    assert after.verdicts["integrity"].state == before.verdicts["integrity"].state == "intact"


def test_a_file_is_judged_by_the_lists_of_the_date_that_is_asked_for(danas_photo: Path, new_list: NewList) -> None:
    trust.add_list(new_list)
    trust.add_list(replace(new_list, version="2", effective_from=new_list.effective_from + 3 * DAY))
    trust.withdraw_list(URI, version="withdrawn", effective_from=now() - DAY)

    def verdict(at: dt.datetime | None) -> tuple[str, str]:
        signer = reported(danas_photo, as_of=at).verdicts["signer"]
        return signer.state, (signer.more["list"] or {}).get("version", "")

    assert verdict(new_list.effective_from - DAY) == ("unknown", "")
    assert verdict(new_list.effective_from + DAY) == ("trusted", "1")
    assert verdict(new_list.effective_from + 4 * DAY) == ("trusted", "2")
    assert verdict(None) == ("unknown", "")


def test_an_organisations_list_names_signers_to_its_people_alone(
    danas_photo: Path, new_list: NewList, alice: User, bob: User, api: Callable[..., APIClient]
) -> None:
    trust.add_list(replace(new_list, organisation=alice.organisation))

    def signer(user: User | None) -> str:
        with danas_photo.open("rb") as file:
            answer = api(user).post("/api/v1/verifications", {"file": file}, format="multipart")
        state: str = answer.json()["verdicts"]["signer"]["state"]
        return state

    assert [signer(user) for user in (alice, bob, None)] == ["trusted", "unknown", "unknown"]


def test_a_list_of_time_authorities_vouches_for_no_signer(danas_photo: Path, new_list: NewList) -> None:
    trust.add_list(replace(new_list, kind="tsa"))
    assert reported(danas_photo).verdicts["signer"].state == "unknown"


# --- Files and the command -----------------------------------------------------------------------------------------


def lote(*roots: Made, name: str = "C2PA Trust List", number: int = 7) -> str:
    """As the C2PA publishes it (ETSI TS 119 602)."""

    def service(root: Made, status: str) -> dict[str, Any]:
        der = root.certificate.public_bytes(serialization.Encoding.DER)
        identity = {"X509Certificates": [{"val": base64.b64encode(der).decode()}]}
        status = f"http://c2pa.org/conformance/trust-list/{status}"
        return {"ServiceInformation": {"ServiceDigitalIdentity": identity, "ServiceStatus": status}}

    services = [service(root, "trusted") for root in roots] + [service(made.root("Gone"), "revoked")]
    about = {
        "LoTESequenceNumber": number,
        "SchemeName": [{"lang": "en", "value": name}],
        "ListIssueDateTime": "2026-08-05T00:11:47Z",
    }
    return json.dumps(
        {"LoTE": {"ListAndSchemeInformation": about, "TrustedEntitiesList": [{"TrustedEntityServices": services}]}}
    )


def run(*words: str) -> str:
    out = StringIO()
    call_command("trust_lists", *words, stdout=out)
    return out.getvalue()


def test_the_official_list_is_taken_from_its_file_with_its_own_version_and_date(tmp_path: Path, danas: Made) -> None:
    (tmp_path / "list.json").write_text(lote(danas))
    said = run("add", str(tmp_path / "list.json"), "--official")
    assert "urn:c2pa:trust-list, version 7 of 2026-08-05: 1 certificates" in said
    row = TrustList.objects.get()
    assert (row.kind, row.pem, row.effective_from) == (
        "manifest",
        danas.pem,
        dt.datetime(2026, 8, 5, 0, 11, 47, tzinfo=dt.UTC),
    )
    (tmp_path / "tsa.json").write_text(lote(danas, name="C2PA TSA Trust List"))
    run("add", str(tmp_path / "tsa.json"), "--official")
    assert TrustList.objects.get(kind="tsa").uri == "urn:c2pa:tsa-trust-list"
    assert run("list").count("* urn:c2pa:") == 2


def test_a_pem_file_says_no_version_so_somebody_must(tmp_path: Path, danas: Made) -> None:
    (tmp_path / "list.pem").write_text(f"Subject\tCN=Dana\n{danas.pem}")
    with pytest.raises(CommandError, match="--list-version"):
        run("add", str(tmp_path / "list.pem"), "--official", "--kind", "manifest")
    words = ("--official", "--kind", "manifest", "--list-version", "7dbff51", "--from", "2026-08-21")
    run("add", str(tmp_path / "list.pem"), *words)
    assert "* urn:c2pa:trust-list  7dbff51  manifest  from 2026-08-21  1 certificates" in run("list")
    assert "  urn:c2pa:trust-list  7dbff51" in run("list", "--as-of", "2026-08-20")
    assert "out of force" in run("withdraw", "urn:c2pa:trust-list")
    assert run("list").count("*") == 0


@pytest.mark.parametrize("text", ["{}", "{", '{"LoTE": []}', lote().replace("2026-08-05", "tomorrow")])
def test_json_that_is_no_list_is_refused_without_a_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text)
    with pytest.raises(CommandError, match="not a list of trusted entities"):
        run("add", str(tmp_path / "list.json"), "--official", "--kind", "manifest")


def test_the_command_names_what_is_missing(tmp_path: Path, danas: Made) -> None:
    (tmp_path / "list.pem").write_text(danas.pem)
    with pytest.raises(CommandError, match="cannot be opened"):
        run("add", str(tmp_path / "nothing.pem"))
    with pytest.raises(CommandError, match="--uri, --name, --kind, --list-version"):
        run("add", str(tmp_path / "list.pem"))
    with pytest.raises(CommandError, match="no organisation"):
        run(
            "add",
            str(tmp_path / "list.pem"),
            *("--uri", URI, "--name", "x", "--kind", "tsa", "--list-version", "1", "--organisation", "Nobody"),
        )
    with pytest.raises(CommandError, match="no date"):
        run("list", "--as-of", "yesterday")
    with pytest.raises(CommandError, match="no such trust list"):
        run("withdraw", URI)
