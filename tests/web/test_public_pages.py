"""What anyone can see: the drop zone and its report, a work's page, receipt and files, the register."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from core.storage import receive
from detection import registry
from ledger.models import Entry
from policy.models import Case, Category
from provenance.models import Asset
from provenance.registration import register_asset
from provenance.restriction import restrict
from tests.web import stage

pytestmark = pytest.mark.django_db
PHOTOGRAPHS = Path(__file__).resolve().parents[2] / "web" / "demo" / "photographs"
Settle = Callable[[], None]


@pytest.fixture
def cat(alice: User, photo: bytes, settle: Settle) -> Asset:
    """A registered work of Alice, signed into the log, examined."""
    with receive([photo]) as scratch:
        asset = register_asset(alice, scratch, title="A cat <b>on</b> the sill")
    settle()
    return asset


def browser(user: User | None = None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user)
    return client


def drop(data: bytes, name: str = "photo.jpg") -> str:
    answer = browser().post("/", {"file": SimpleUploadedFile(name, data, "image/jpeg")})
    assert answer.status_code == 200
    return answer.content.decode()


def status(user: User | None, path: str) -> int:
    answer = browser(user).get(path)
    if answer.streaming:
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]  # read to the end, or its file stays open
    return answer.status_code


def signed_bytes(asset: Asset) -> bytes:
    return b"".join(browser().get(f"/assets/{asset.pk}/file/").streaming_content)  # type: ignore[attr-defined]


# --- The drop zone -------------------------------------------------------------------------------------------------


def test_the_first_page_asks_what_is_known() -> None:
    page = browser().get("/").content.decode()
    assert "What is known about this file?" in page and 'type="file"' in page


def test_a_file_nobody_knows_gets_a_calm_answer_and_is_not_kept(photo: bytes) -> None:
    page = drop(photo)
    assert "Nothing is known here about this file." in page
    assert not Asset.objects.exists() and not Entry.objects.exists()


def test_a_signed_file_is_known_with_its_entry(cat: Asset) -> None:
    page = drop(signed_bytes(cat))
    assert "has not changed since it was signed" in page
    assert f"/assets/{cat.pk}/receipt/" in page


def test_one_changed_byte_breaks_the_credential(cat: Asset) -> None:
    data = bytearray(signed_bytes(cat))
    at = data.rindex(b"\xff\xda") + 400
    data[at] ^= 1
    assert "the file was changed after it was signed" in drop(bytes(data))


def test_the_original_is_known_byte_for_byte(cat: Asset, photo: bytes) -> None:
    assert "This office holds a credential for exactly this file" in drop(photo)


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"", "photo.jpg", "The file is empty"),
        (PHOTOGRAPHS.joinpath("rocket.jpg").read_bytes()[:5000], "photo.jpg", "damaged"),
    ],
)
def test_a_bad_file_gets_a_readable_answer_and_leaves_nothing(data: bytes, name: str, words: str) -> None:
    answer = browser().post("/", {"file": SimpleUploadedFile(name, data)})
    page = answer.content.decode()
    assert 400 <= answer.status_code < 500
    assert words in page and 'role="alert"' in page and 'type="file"' in page


def test_a_drawing_with_a_program_is_answered_in_words_and_not_shown() -> None:
    page = drop(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    assert "cannot be registered as a drawing: it has an element “script”" in page
    assert "alert(1)" not in page


def test_no_file_at_all_is_explained() -> None:
    answer = browser().post("/", {})
    assert answer.status_code == 400 and "No file was sent" in answer.content.decode()


def test_a_program_gets_the_problem_as_json() -> None:
    answer = browser().post("/", {}, headers={"Accept": "application/json"})
    assert (answer.headers["Content-Type"], answer.json()["code"]) == ("application/problem+json", "media.missing")


# --- A work --------------------------------------------------------------------------------------------------------


def test_a_works_page_shows_it_and_escapes_its_title(cat: Asset) -> None:
    page = browser().get(f"/assets/{cat.pk}/").content.decode()
    assert "A cat &lt;b&gt;on&lt;/b&gt; the sill" in page and "<b>on</b>" not in page
    assert "Alice" in page and "uncalibrated" in page


def test_a_hidden_work_is_not_there_for_the_public_and_is_for_its_owner(cat: Asset, alice: User, bob: User) -> None:
    restrict(cat, Asset.Restriction.HIDDEN)
    addresses = ["", "receipt/", "receipt.json", "receipt.tlog-proof", "file/", "preview/"]
    for path in addresses:
        assert status(None, f"/assets/{cat.pk}/{path}") == 404
        assert status(bob, f"/assets/{cat.pk}/{path}") == 404
        assert status(alice, f"/assets/{cat.pk}/{path}") == 200


def test_a_hidden_work_is_not_named_in_a_report(cat: Asset, alice: User) -> None:
    data = signed_bytes(cat)
    restrict(cat, Asset.Restriction.HIDDEN)
    assert str(cat.pk) not in re.sub(r"<pre.*?</pre>", "", drop(data), flags=re.S)


def test_a_reviewer_opens_hidden_media_from_the_case_not_from_its_address(cat: Asset, rita: User) -> None:
    restrict(cat, Asset.Restriction.HIDDEN)
    assert browser(rita).get(f"/assets/{cat.pk}/").status_code == 200
    assert browser(rita).get(f"/assets/{cat.pk}/preview/").status_code == 403


def test_media_for_adults_needs_an_account_and_starts_blurred(cat: Asset, bob: User) -> None:
    restrict(cat, Asset.Restriction.AGE_RESTRICTED)
    assert browser().get(f"/assets/{cat.pk}/preview/").status_code == 403
    assert "restricted to adults" in browser().get(f"/assets/{cat.pk}/").content.decode()
    assert status(bob, f"/assets/{cat.pk}/preview/") == 200
    assert 'class="plate sealed"' in browser(bob).get(f"/assets/{cat.pk}/").content.decode()


def test_media_under_review_for_a_grave_reason_starts_blurred(cat: Asset) -> None:
    Case.objects.create(asset=cat, category=Category.OTHER)
    assert "sealed" not in browser().get(f"/assets/{cat.pk}/").content.decode(), "one report must not dim a work"
    stage.notice(cat, category=Category.NCII)
    assert 'class="plate sealed"' in browser().get(f"/assets/{cat.pk}/").content.decode()


def test_a_label_stands_above_the_work(cat: Asset) -> None:
    restrict(cat, Asset.Restriction.LABELLED, label="Made with a generative model")
    assert "Made with a generative model" in browser().get(f"/assets/{cat.pk}/").content.decode()


def test_a_preview_is_served_again_only_when_it_changed_or_was_restricted(cat: Asset) -> None:
    first = browser().get(f"/assets/{cat.pk}/preview/")
    assert first.headers["Cache-Control"] == "private, no-cache"
    b"".join(first.streaming_content)  # type: ignore[attr-defined]
    again = browser().get(f"/assets/{cat.pk}/preview/", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    restrict(cat, Asset.Restriction.HIDDEN)
    gone = browser().get(f"/assets/{cat.pk}/preview/", headers={"If-None-Match": first.headers["ETag"]})
    assert gone.status_code == 404


def test_a_heat_map_belongs_to_its_work_and_that_of_an_experiment_to_reviewers(cat: Asset, rita: User) -> None:
    found = [one for run in cat.runs.all() for one in run.findings.all() if one.heatmap_key]
    finding = next(one for one in found if one.run.standing == "experimental")
    assert browser().get(f"/assets/{cat.pk}/heat/{finding.pk}/").status_code == 404
    answer = browser(rita).get(f"/assets/{cat.pk}/heat/{finding.pk}/")
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")  # type: ignore[attr-defined]
    other = "00000000-0000-7000-8000-000000000000"
    assert browser(rita).get(f"/assets/{other}/heat/{finding.pk}/").status_code == 404
    assert browser(rita).get(f"/assets/{cat.pk}/heat/{other}/").status_code == 404


# --- The receipt ---------------------------------------------------------------------------------------------------


def test_before_the_checkpoint_the_receipt_waits_and_looks_again(alice: User, photo: bytes) -> None:
    with receive([photo]) as scratch:
        asset = register_asset(alice, scratch, title="Early")
    page = browser().get(f"/assets/{asset.pk}/receipt/").content.decode()
    assert "being signed" in page and 'hx-trigger="every 2s"' in page
    answer = browser().get(f"/assets/{asset.pk}/receipt.json", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (404, "receipt.pending")


def test_the_receipt_draws_the_proof_and_polls_no_more(cat: Asset) -> None:
    page = browser().get(f"/assets/{cat.pk}/receipt/").content.decode()
    assert "signed root" in page and "hx-trigger" not in page.split('id="receipt"')[1].split(">")[0]
    assert " style=" not in page


def test_the_program_on_the_receipt_page_says_that_the_receipt_holds(cat: Asset, tmp_path: Path) -> None:
    import html

    page = browser().get(f"/assets/{cat.pk}/receipt/").content.decode()
    commands = html.unescape(page.split('<pre id="commands"')[1].split("</pre>")[0])
    program = commands.split("python - <<'END'\n")[1].split("\nEND")[0]
    receipt = browser().get(f"/assets/{cat.pk}/receipt.json").json()
    assert run(program, receipt, tmp_path) == "holds"
    receipt["index"] ^= 1
    assert run(program, receipt, tmp_path) == "DOES NOT HOLD"


def run(program: str, receipt: dict[str, object], folder: Path) -> str:
    (folder / "receipt.json").write_text(json.dumps(receipt))
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


# --- The register and the office -----------------------------------------------------------------------------------


def test_an_empty_register_says_so() -> None:
    assert "The register is empty" in browser().get("/register/").content.decode()


def test_the_register_lists_signed_entries_by_kind(cat: Asset) -> None:
    page = browser().get("/register/").content.decode()
    assert "A work was registered and signed" in page and "An examination was recorded" in page
    only = browser().get("/register/?type=asset:registered").content.decode()
    assert "A work was registered and signed" in only and "An examination was recorded" not in only


def test_the_register_shrugs_at_odd_questions(cat: Asset) -> None:
    for query in ("?before=abc", "?before=99999999999999999999", "?type=<script>", "?before=-1", "?before=٣"):
        answer = browser().get("/register/" + query)
        assert answer.status_code == 200, query
        assert "<script>" not in answer.content.decode().split("<main")[1], query


def test_every_kind_of_entry_has_words() -> None:
    from ledger.events import EventType
    from web.verdicts import EVENTS

    assert set(EVENTS) == {kind.value for kind in EventType}


def test_each_detector_says_what_it_cannot_do() -> None:
    index = browser().get("/detectors/").content.decode()
    assert "no likelihood ratio" in index and "experimental" in index and "AUC" in index
    for info in registry.all_detectors():
        assert f'href="/detectors/{info.name}/"' in index
        page = browser().get(f"/detectors/{info.name}/").content.decode()
        # Others call their papers as they like.
        ours = re.sub(r"<h3>Sources</h3>\s*<ul>.*?</ul>", "", page, flags=re.DOTALL)
        assert "What it cannot" in page and not re.search(r"\bfakes?\b", ours.lower()), info.name


def test_a_detector_nobody_installed_has_no_page() -> None:
    assert browser().get("/detectors/oracle/").status_code == 404


def test_health_is_one_word_for_machines() -> None:
    answer = browser().get("/healthz")
    assert set(answer.json()) == {"status", "checks"}
    assert answer.json()["checks"]["database"] is True


def test_every_problem_code_in_the_source_has_a_page() -> None:
    root = Path(__file__).resolve().parents[2]
    rooms = ["core", "ledger", "accounts", "provenance", "detection", "policy", "web"]
    source = "".join(file.read_text() for room in rooms for file in (root / room).rglob("*.py"))
    codes = set(re.findall(r"""(?:Problem\(\s*|code=)["']([a-z_]+(?:\.[a-z_]+)+)["']""", source))
    assert len(codes) > 20
    missing = sorted(code for code in codes if browser().get(f"/problems/{code}/").status_code != 200)
    assert missing == []


def test_a_code_nobody_uses_has_no_page() -> None:
    assert browser().get("/problems/nonsense.here/").status_code == 404


def test_pages_carry_no_inline_script_or_style(cat: Asset, alice: User) -> None:
    person = browser(alice)
    for path in (
        "/",
        "/register/",
        "/detectors/",
        f"/assets/{cat.pk}/",
        "/studio/",
        "/studio/new/",
        "/tokens/",
        f"/studio/{cat.pk}/",
    ):
        page = person.get(path).content.decode()
        assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", page), path
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", page), path


def test_links_in_the_header_lead_somewhere() -> None:
    from django.urls import resolve

    from web.navigation import LINKS, MINE

    for link in (*LINKS, *MINE):
        resolve(link.path)
