"""After the certificate has ended: a time-stamp keeps a file trusted as of its date; without one it is told as expired.

The library judges by the real clock and can be told no date. So the first half waits for a certificate of a few
seconds to end, on real files; the second travels in time, which moves this office's clock and not the library's.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import encypher_c2pa
import pytest
import time_machine

from accounts.models import User
from ledger.timestampauthority import Authority
from provenance import authority, c2pa, certificates, past, trust
from provenance.models import Asset
from provenance.validity import CLOCK_CODES, Certificate, SigningTime, TrustPolicy, judge_time
from provenance.verification import Report
from tests.provenance import certificates_made as made
from tests.provenance.asking import reported
from tests.provenance.conftest import Register

# Bytes and the engine are the same on both databases.
pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite"), pytest.mark.xdist_group("expiry")]

FEW_SECONDS = dt.timedelta(seconds=4)
DAY = dt.timedelta(days=1)
YEARS = dt.timedelta(days=3 * 365)


# --- A certificate that really ends ------------------------------------------------------------------------------


class Ended:
    """Files signed by Dana while her certificate was in force, seen after it has ended.

    stamped, unstamped, doubtful: with a stamp that a list vouches for, without, with one that none vouches for.
    borrowed: signed by Mallory.
    """

    def __init__(self, folder: Path, photo: Path) -> None:
        self.root, self.time_root = made.root(), made.root("Dana’s root of time")
        stamper, stranger = made.time_stamper(self.time_root), made.time_stamper(made.root("Mallory’s"))
        leaf = made.under(self.root, ends=FEW_SECONDS)
        respond, respond_too = (Authority(one.key_pem + one.pem).respond for one in (stamper, stranger))
        self.unstamped = made.signed(photo, folder / "unstamped.jpg", leaf)
        self.stamped = made.signed(photo, folder / "stamped.jpg", leaf, stamp=respond)
        self.doubtful = made.signed(photo, folder / "doubtful.jpg", leaf, stamp=respond_too)
        mallorys = made.under(made.root("Mallory’s root"), "Mallory", ends=FEW_SECONDS)
        # The certificate of Dana among those that came along: it did not make this signature.
        self.borrowed = made.signed(photo, folder / "borrowed.jpg", made.Borrowing(mallorys, leaf.pem))
        self.end = leaf.certificate.not_valid_after_utc
        while dt.datetime.now(dt.UTC) <= self.end + dt.timedelta(seconds=1):
            time.sleep(0.1)


@pytest.fixture(scope="module")
def ended(photo_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return Ended(tmp_path_factory.mktemp("ended"), photo_path)


@pytest.fixture
def _lists(ended: Ended) -> None:
    past = dt.datetime.now(dt.UTC) - 30 * DAY
    new = trust.NewList("urn:example:studios", "Studios", "1", "manifest", ended.root.pem, past)
    trust.add_list(new)
    trust.add_list(replace(new, uri="urn:example:time", name="Time", kind="tsa", pem=ended.time_root.pem))


@pytest.mark.usefixtures("_lists")
def test_with_a_time_stamp_it_is_still_trusted_as_of_its_date(ended: Ended) -> None:
    report = reported(ended.stamped)
    assert report.credential.state == "valid"
    assert report.verdicts["signer"].state == "trusted"
    assert report.verdicts["time"].state == "stamped"
    assert report.evidence.time.at is not None
    assert report.evidence.time.at <= ended.end < dt.datetime.now(dt.UTC)
    assert "A trusted time-stamp from Dana’s time shows" in report.verdicts["time"].sentence


@pytest.mark.usefixtures("_lists")
@pytest.mark.parametrize("name", ["unstamped", "doubtful"])
def test_without_a_time_stamp_that_counts_it_is_expired_in_words(ended: Ended, name: str) -> None:
    report = reported(getattr(ended, name))
    assert report.verdicts["time"].state == "expired"
    assert "expired on" in report.verdicts["time"].sentence
    assert "no trusted time-stamp shows" in report.verdicts["time"].sentence
    assert report.verdicts["integrity"].state == "intact"
    assert report.credential.state == "invalid"
    assert "signingCredential.expired" in report.credential.codes


@pytest.mark.usefixtures("_lists")
def test_as_of_a_date_before_the_end_the_same_file_is_judged_as_it_was_then(ended: Ended) -> None:
    report = reported(ended.unstamped, as_of=ended.end - FEW_SECONDS)
    assert report.verdicts["time"].state == "unstamped"
    assert report.verdicts["integrity"].state == "intact"
    assert "signingCredential.expired" not in report.credential.codes
    assert report.credential.state == "valid"
    assert report.verdicts["signer"].state == "trusted"


@pytest.mark.usefixtures("_lists")
def test_mallory_does_not_pass_for_dana_by_carrying_her_certificate(ended: Ended) -> None:
    at = ended.end - FEW_SECONDS
    assert reported(ended.unstamped, as_of=at).verdicts["signer"].state == "trusted"
    carried = past.vouched_for(c2pa._embedded(ended.borrowed, "image/jpeg"), trust.policy(at).anchors, at)
    assert list(carried) == ["urn:example:studios"]  # it is there, and was good then
    assert reported(ended.borrowed, as_of=at).verdicts["signer"].state == "unknown"


def test_without_the_list_a_stamp_saves_nobody_from_being_unknown(ended: Ended) -> None:
    assert reported(ended.stamped).verdicts["signer"].state == "unknown"
    assert reported(ended.stamped).verdicts["time"].state == "expired"


@pytest.mark.usefixtures("_lists")
def test_the_library_itself_agrees_where_it_has_an_opinion(ended: Ended) -> None:
    anchors = trust.policy().anchors

    def failures(path: Path) -> set[str]:
        results = c2pa.read(path, "image/jpeg", anchors=anchors)["store"]["validation_results"]["activeManifest"]
        return {one["code"] for one in results["failure"]}

    assert failures(ended.stamped) == set()
    assert "signingCredential.expired" in failures(ended.unstamped)


def test_an_independent_reader_agrees_years_later(photo_path: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """encypher-c2pa can be told the date. It sends nothing: neither a question about the file nor how it went."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    root = made.root()
    leaf, stamp = made.under(root), authority.time_authority().respond
    later = leaf.certificate.not_valid_after_utc + YEARS
    lists: dict[str, Any] = {
        "trust_pem": root.pem,
        "tsa_trust_pem": authority.this_office().root,
        "no_default_trust": True,
    }

    def verdict(path: Path) -> tuple[str, str]:
        data = path.read_bytes()
        told = encypher_c2pa.verify(data, "image/jpeg", telemetry=False, validation_time=later.isoformat(), **lists)
        return told["validation_state"], told["integrity"]

    assert verdict(made.signed(photo_path, tmp_path / "stamped.jpg", leaf, stamp=stamp)) == ("Trusted", "valid")
    assert verdict(made.signed(photo_path, tmp_path / "unstamped.jpg", leaf)) == ("Valid", "valid")


# --- This office's own works, years later ------------------------------------------------------------------------


@pytest.fixture
def work(
    photo: bytes, alice: User, register: Register, signed_bytes: Callable[[Asset], bytes], tmp_path: Path
) -> Callable[[], Path]:
    """The signed file of a work registered now."""

    def call() -> Path:
        path = tmp_path / "signed.jpg"
        path.write_bytes(signed_bytes(register(alice, photo)))
        return path

    return call


@pytest.fixture
def _no_stamps(settings: Any, tmp_path: Path) -> None:
    """An authority of time that is down, and an operator who goes on without."""
    (tmp_path / "roots.pem").write_text(made.root().pem)
    settings.ASSAY_TSA_URL, settings.ASSAY_TSA_CA = "http://127.0.0.1:9/", str(tmp_path / "roots.pem")
    settings.ASSAY_TSA_OPTIONAL = True


def test_a_work_of_this_office_is_trusted_years_after_its_certificate_has_ended(work: Callable[[], Path]) -> None:
    path = work()
    at = authority.this_office().certificate.not_valid_after_utc + DAY
    for report in (reported(path, as_of=at), _later(path, at)):
        assert report.credential.state == "valid"
        assert report.verdicts["signer"].state == "this_office"
        assert report.verdicts["time"].state == "stamped"


@pytest.mark.usefixtures("_no_stamps")
def test_a_work_without_a_stamp_ends_with_its_certificate_and_that_is_said(work: Callable[[], Path]) -> None:
    path = work()
    assert reported(path).verdicts["time"].state == "unstamped"
    end = authority.this_office().certificate.not_valid_after_utc
    for report in (reported(path, as_of=end + DAY), _later(path, end + DAY)):
        assert report.verdicts["time"].state == "expired"
        assert f"expired on {end:%Y-%m-%d}" in report.verdicts["time"].sentence
        assert report.credential.state == "invalid"
        assert report.verdicts["integrity"].state == "intact"


def test_before_it_was_stamped_a_file_was_not_signed_yet(work: Callable[[], Path]) -> None:
    path = work()
    report = reported(path, as_of=authority.this_office().certificate.not_valid_before_utc - DAY)
    assert report.verdicts["time"].state == "not_yet"
    assert report.credential.state == "invalid"
    assert report.verdicts["signer"].state == "unknown"
    assert "assay.stampedLater" in report.credential.codes


def test_an_authority_on_a_list_of_signers_vouches_for_no_stamp(photo_path: Path, tmp_path: Path) -> None:
    root = made.root()
    leaf, stamper = made.under(root), made.time_stamper(root)
    new = trust.NewList("urn:example:studios", "Studios", "1", "manifest", root.pem, dt.datetime.now(dt.UTC) - 30 * DAY)
    trust.add_list(new)
    respond = Authority(stamper.key_pem + stamper.pem).respond
    path = made.signed(photo_path, tmp_path / "signed.jpg", leaf, stamp=respond)
    report = reported(path)
    assert (report.verdicts["signer"].state, report.verdicts["time"].state) == ("trusted", "untrusted_stamp")
    trust.add_list(replace(new, uri="urn:example:time", name="Time", kind="tsa"))
    assert reported(path).verdicts["time"].state == "stamped"


def test_a_name_that_reads_like_a_list_of_time_vouches_for_nothing(photo_path: Path, tmp_path: Path) -> None:
    """The library tells in words which list vouched, after a name that Mallory gives herself."""
    root = made.root()
    leaf, mallory = made.under(root), made.time_stamper(root, name="Dana, trust list: urn:assay:this-office:time")
    since = dt.datetime.now(dt.UTC) - 30 * DAY
    trust.add_list(trust.NewList("urn:example:studios", "Studios", "1", "manifest", root.pem, since))
    respond = Authority(mallory.key_pem + mallory.pem).respond
    report = reported(made.signed(photo_path, tmp_path / "signed.jpg", leaf, stamp=respond))
    assert (report.verdicts["signer"].state, report.verdicts["time"].state) == ("trusted", "untrusted_stamp")
    assert report.verdicts["signer"].more["list"]["uri"] == "urn:example:studios"


def test_an_authority_of_time_vouches_for_no_signer(photo_path: Path, tmp_path: Path) -> None:
    root, other = made.root(), made.root("Time")
    since = dt.datetime.now(dt.UTC) - 30 * DAY
    trust.add_list(trust.NewList("urn:example:time", "Time", "1", "tsa", other.pem, since))
    stamper = made.time_stamper(other)
    respond = Authority(stamper.key_pem + stamper.pem).respond
    for above, signer in ((root, "unknown"), (other, "unknown")):
        path = made.signed(photo_path, tmp_path / "signed.jpg", made.under(above), stamp=respond)
        report = reported(path)
        assert (report.verdicts["signer"].state, report.verdicts["time"].state) == (signer, "stamped")


def test_a_stamp_by_a_certificate_for_signing_never_counts(photo_path: Path, tmp_path: Path) -> None:
    root = made.root()
    leaf, mallory = made.under(root), made.under(root, "Mallory")
    new = trust.NewList("urn:example:time", "Time", "1", "tsa", root.pem, dt.datetime.now(dt.UTC) - 30 * DAY)
    trust.add_list(new)
    trust.add_list(replace(new, uri="urn:example:studios", name="Studios", kind="manifest"))
    respond = Authority(mallory.key_pem + mallory.pem).respond
    report = reported(made.signed(photo_path, tmp_path / "signed.jpg", leaf, stamp=respond))
    assert report.verdicts["time"].state == "untrusted_stamp"
    assert report.evidence.time.at is None


def _later(path: Path, at: dt.datetime) -> Report:
    with time_machine.travel(at):
        return reported(path)


# --- The judgement alone -----------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def found(*codes: str, stamp: dt.datetime | None = None, begins: int = -100, ends: int = 100) -> dict[str, Any]:
    """What the library tells of a manifest. begins, ends: days from NOW."""
    validity = {"notBefore": (NOW + begins * DAY).isoformat(), "notAfter": (NOW + ends * DAY).isoformat()}
    signature: dict[str, Any] = {"certificateInfo": {"serialNumber": "ff", "validity": validity}}
    if stamp is not None:
        signature["timeStampInfo"] = {"timestamp": stamp.isoformat(), "certificateInfo": {"subject": {"CN": "Time"}}}
    good = [{"code": code} for code in codes if code in ("timeStamp.trusted", "claimSignature.insideValidity")]
    bad = [{"code": code} for code in codes if {"code": code} not in good]
    return {
        "presence": "embedded",
        "store": {
            "active_manifest": "urn:c2pa:1",
            "manifests": {"urn:c2pa:1": {"signature_info": {"issuer": "Dana"}}},
            "validation_results": {"activeManifest": {"success": good, "failure": bad, "informational": []}},
        },
        "crjson": {"manifests": [{"label": "urn:c2pa:1", "signature": signature}]},
    }


def judged(told: dict[str, Any], as_of: dt.datetime | None = NOW) -> SigningTime:
    return judge_time(told, TrustPolicy(as_of, ()))


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "in force, no stamp": (found(), "unstamped"),
    "ended, no stamp": (found("signingCredential.expired", ends=-1), "expired"),
    "the library's clock says expired, the date does not": (found("signingCredential.expired"), "unstamped"),
    "not in force yet": (found(begins=1), "expired"),
    "ended, stamped before": (found("timeStamp.trusted", stamp=NOW - 50 * DAY, ends=-1), "stamped"),
    "ended, stamped after": (found("timeStamp.trusted", stamp=NOW - DAY, ends=-2), "expired"),
    "in force, stamped": (found("timeStamp.trusted", stamp=NOW - DAY), "stamped"),
    "in force, stamped later than the date": (found("timeStamp.trusted", stamp=NOW + DAY), "not_yet"),
    "in force, a stamp of nobody": (found("timeStamp.untrusted", stamp=NOW - DAY), "untrusted_stamp"),
    "ended, a stamp of nobody": (found("timeStamp.untrusted", stamp=NOW - DAY, ends=0), "untrusted_stamp"),
    "ended before, a stamp of nobody": (found("timeStamp.untrusted", stamp=NOW - 9 * DAY, ends=-1), "expired"),
    "a broken stamp": (found("timeStamp.malformed"), "untrusted_stamp"),
    "no credential": ({"presence": "none"}, "absent"),
    "no signature": ({"presence": "embedded", "store": {"active_manifest": "x", "manifests": {"x": {}}}}, "absent"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_counts_is_the_stamp_or_else_the_date(case: str) -> None:
    told, state = CASES[case]
    verdict = judged(told)
    assert verdict.state == state
    assert verdict.in_force == (state in ("stamped", "unstamped", "untrusted_stamp"))
    assert ("signingCredential.expired" in verdict.codes) == (state == "expired")
    assert ("assay.stampedLater" in verdict.codes) == (state == "not_yet")
    assert not verdict.replaced & set(verdict.codes)
    assert verdict.replaced <= CLOCK_CODES


def test_the_same_file_is_in_force_and_then_is_not() -> None:
    told = found()
    days = [judged(told, NOW + day * DAY).state for day in (-101, -100, 0, 100, 101)]
    assert days == ["expired", "unstamped", "unstamped", "unstamped", "expired"]


def test_where_no_dates_are_told_the_librarys_word_counts() -> None:
    told = found("signingCredential.expired")
    del told["crjson"]
    assert judged(told).state == "expired"
    told = found()
    del told["crjson"]
    assert judged(told).state == "unstamped"


@pytest.mark.parametrize(
    "rubbish",
    [None, [], {"manifests": None}, {"manifests": [1, {"label": "urn:c2pa:1"}]}, {"manifests": {"x": 1}}],
)
def test_a_strange_document_judges_nothing_and_breaks_nothing(rubbish: object) -> None:
    assert judged({**found(), "crjson": rubbish}).state == "unstamped"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00", 7, None, "9" * 99])
def test_dates_of_strangers_are_read_or_left(text: object) -> None:
    told = found()
    told["crjson"]["manifests"][0]["signature"]["certificateInfo"]["validity"]["notAfter"] = text
    assert judged(told).certificate.not_after is None


def test_with_a_certificate_that_must_not_be_used_no_stamp_counts() -> None:
    told = found("timeStamp.trusted", "signingCredential.invalid", stamp=NOW - DAY)
    assert (judged(told).state, judged(told).at) == ("untrusted_stamp", None)


def test_a_discredited_authority_proves_nothing() -> None:
    told = found("timeStamp.trusted", stamp=NOW - 50 * DAY, ends=-1)
    policy = TrustPolicy(NOW, ())
    assert judge_time(told, policy, discredited=lambda one: one.name == "Time").state == "expired"
    assert judge_time(told, policy, discredited=lambda one: one.name == "Another").state == "stamped"


def test_a_certificate_without_dates_is_bounded_by_none() -> None:
    assert Certificate().in_force(NOW)
    assert certificates.LEAF_LIFE < certificates.TIME_LIFE < certificates.ROOT_LIFE


@pytest.fixture(autouse=True)
def _keys(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.ASSAY_KEYS = tmp_path / "keys"
    yield
