"""The whole story of an office in one evening, step by step; each step makes something real and checks it."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.core.management import call_command

from core import storage
from core.problems import Forbidden
from detection.models import Run
from ledger import custody, merkle
from ledger.models import Checkpoint, Sequence
from ledger.receipts import receipt_for
from policy import authority
from policy.audits import exports
from policy.consents import consent, consent_pins
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import notices
from policy.law import charter
from policy.models import Appeal, Category, Decision, Export, Flag, Purpose
from policy.redress import appeals
from policy.rights import data_rights
from policy.transparency import example
from provenance.models import Asset, Rendition
from provenance.registration import register_asset
from provenance.verification import Report, verify_file
from web.demo import media
from web.demo.stage import Stage

DEPICTED = "Dana"
RULE = "office.terms.labelling"


def register(stage: Stage) -> None:
    stage.step("Alice registers a photograph; the office signs it.")
    path = media.photograph("coffee")
    with media.as_upload(path) as scratch:
        asset = register_asset(stage.people["Alice"], scratch, title="Morning coffee", filename=path.name)
    signed = stage.folder / "morning-coffee-signed.jpg"
    with storage.open_file(asset.rendition(Rendition.Role.SIGNED).key) as source, signed.open("wb") as target:
        shutil.copyfileobj(source, target)
    stage.props |= {"asset": asset, "signed": signed}
    stage.show("signed file", signed)
    stage.show("manifest", f"sha256:{asset.manifests.get(form='embedded').sha256}")
    stage.page(f"/studio/{asset.pk}/")


def read_credential(stage: Stage) -> None:
    stage.step("C2PA's own reader opens the signed file, and the same file after one pixel byte changed.")
    signed: Path = stage.props["signed"]
    changed = stage.folder / "morning-coffee-one-byte-changed.jpg"
    data = bytearray(signed.read_bytes())
    data[-len(data) // 4] ^= 0x01
    changed.write_bytes(data)
    for label, path, state in (("signed", signed, "valid"), ("changed", changed, "invalid")):
        report = _verify(path)
        stage.show(label, f"{report.credential.state}: {', '.join(report.credential.codes[:3])}")
        stage.expect(report.credential.state == state, f"{path} reads {report.credential.state}, not {state}")
    stage.page("/")


def prove(stage: Stage) -> None:
    stage.step("The receipt: the registration is in the log, provably.")
    stage.settle()
    asset: Asset = stage.props["asset"]
    receipt = receipt_for(asset.entry)
    assert receipt is not None
    checkpoint = Checkpoint.objects.order_by("-size").first()
    assert checkpoint is not None
    leaf_hash = merkle.leaf_hash(receipt.leaf)
    merkle.verify_inclusion(leaf_hash, receipt.index, checkpoint.size, receipt.proof, bytes(checkpoint.root))
    path = stage.folder / "morning-coffee.tlog-proof"
    path.write_text(receipt.as_tlog_proof())
    stage.show("entry", f"{receipt.index} of {checkpoint.size}, {len(receipt.proof)} hashes to the signed root")
    stage.show("receipt", path)
    stage.page(f"/assets/{asset.pk}/receipt/")


def examine(stage: Stage) -> None:
    stage.step("Detectors have examined it. They advise, and say how often they are wrong or that nobody knows.")
    asset: Asset = stage.props["asset"]
    for run in Run.objects.shown_to(asset.owner).filter(asset=asset).order_by("detector"):
        stage.expect(run.state == run.State.DONE, f"{run.detector} ended as {run.state}: {run.error_detail}")
        for finding in run.findings.all():
            stage.show(run.detector, f"{finding.answer_words}: {finding.statement}")
            if finding.heatmap_key:
                heat = stage.folder / f"heat-map-{run.detector}.png"
                with storage.open_file(finding.heatmap_key) as source:
                    heat.write_bytes(source.read())
                stage.show("heat map", heat)
    stage.page(f"/studio/{asset.pk}/")


def ask_consent(stage: Stage) -> None:
    stage.step("Alice asks Dana, whose table is shown, for consent. Dana answers by link and is mailed a PIN.")
    asset: Asset = stage.props["asset"]
    asked, link = consent.ask_consent(
        asset,
        stage.people["Alice"],
        name=DEPICTED,
        contact="dana@demo.example",
        purposes=[Purpose.PUBLISH],
    )
    consent_pins.answer(asked, lambda: consent.grant(asked).state, yes=True, shown=False)
    stage.settle()
    stage.props["consent"] = asked
    stage.expect(asked.depiction.person.pin_hash, "no PIN was made")
    stage.show("PIN", f"mailed to Dana alone; without a mail server mails are files in {settings.EMAIL_FILE_PATH}")
    stage.show("answer", f"{consent.standing(asked)}, bound to the signed file and its manifest")
    stage.page(link)


def recover(stage: Stage) -> None:
    stage.step("A copy comes back from a social network: smaller, compressed again, the credential gone.")
    copy = media.make_recompressed(stage.props["signed"], stage.folder / "morning-coffee-from-the-web.jpg")
    report = _verify(copy)
    match = next(iter(report.matches), None)
    stage.expect(match is not None and match.asset_id == stage.props["asset"].pk, "the register did not know the copy")
    assert match is not None
    stage.show("credential", report.credential.state)
    stage.show("register", f"near match “{match.title}”, distance {match.distance}")
    stage.page("/")


def flag(stage: Stage) -> None:
    stage.step("Bob registers a picture as a camera photograph; the file itself declares a generator. It is flagged.")
    path = media.make_declared_synthetic(stage.folder / "cat.png")
    with media.as_upload(path) as scratch:
        asset = register_asset(stage.people["Bob"], scratch, title="A cat on a chair", filename=path.name)
    stage.settle()
    raised = Flag.objects.filter(asset=asset).first()
    stage.expect(raised, "no flag was raised")
    assert raised is not None
    stage.props["flagged"] = asset
    stage.show("flag", raised.reason)
    stage.page("/review/")


def report(stage: Stage) -> None:
    stage.step("A reader reports it too, without an account, and gets a case number and a PIN.")
    notice, pin = notices.file_notice(
        asset=stage.props["flagged"],
        category=Category.UNLABELLED_SYNTHETIC,
        jurisdiction="EU",
        statement="This picture is shown as a photograph. The file says that a program made it.",
        name="R. Eader",
        email="reader@demo.example",
        good_faith=True,
    )
    stage.settle()
    case = notice.case
    assert case is not None
    stage.props |= {"case": case, "notice": notice, "pin": pin}
    stage.show("notice", f"{notice.number}, PIN {pin}")
    for clock in case.clocks.all():
        due = f"{clock.due_at:%Y-%m-%d %H:%M} UTC" if clock.due_at else "no number in the law"
        stage.show("clock", f"{clock.rule_id} (draft): {due}")
        for line in clock.trace:
            stage.show("", line)
    stage.page("/notice/")


def decide(stage: Stage) -> None:
    stage.step("Rita takes the case, looks, and decides: the work gets a label.")
    rita, case = stage.people["Rita"], stage.props["case"]
    cases.assign(case, rita)
    cases.view_media(case, rita, "The notice is about what the picture shows.")
    case.refresh_from_db(fields=["version"])
    decision = decisions.decide(
        case,
        rita,
        outcome=Decision.Outcome.LABEL,
        ground=Decision.Ground.TERMS,
        rule_ids=[RULE],
        facts_text="The file's own text declares a generator; the work was registered as a camera photograph.",
        explanation="Synthetic media carries a label here. The work stays visible, with a label.",
        version=case.version,
    )
    stage.settle()
    stage.props["decision"] = decision
    stage.props["flagged"].refresh_from_db()
    stage.expect(stage.props["flagged"].restriction == "labelled", "the label is not there")
    stage.show("label", stage.props["flagged"].label_text)
    stage.show("statements", f"{decision.statements.count()} statements of reasons, one for each person affected")
    stage.page(f"/decisions/{decision.pk}/")


def appeal(stage: Stage) -> None:
    stage.step("Bob appeals. Rita, who decided, is refused; Ravi decides and overturns; the label goes.")
    filed = appeals.file_appeal(
        stage.props["decision"],
        user=stage.people["Bob"],
        grounds="The text is left over from a filter, not a generator.",
    )
    try:
        authority.may_decide_appeal(filed, stage.people["Rita"])
        stage.expect(False, "Rita was let into the appeal against her own decision")
    except Forbidden as refusal:
        stage.show("Rita", refusal.detail)
    appeals.decide_appeal(
        filed,
        stage.people["Ravi"],
        outcome=Appeal.Outcome.OVERTURN,
        reasons="The declaration does not match the pixels' history that the owner has shown.",
    )
    stage.settle()
    stage.props["flagged"].refresh_from_db()
    stage.expect(stage.props["flagged"].restriction == "", "overturning did not restore the work")
    stage.show("Ravi", "overturned; the work is as it was before the decision")
    stage.page(f"/appeals/{filed.pk}/")


def explain(stage: Stage) -> None:
    stage.step("Lena, the lawyer, adopts the charter and chooses this case as the example that everybody may read.")
    bound = charter.adopt(stage.people["Lena"], charter.versions()[-1])
    stage.expect(bound.holds, "the charter's signature does not hold")
    stage.show("charter", f"version {bound.version}, signed with {bound.signer}")
    example.choose(stage.props["case"], stage.people["Lena"], words=True)
    stage.settle()
    stage.expect(example.shown(), "the example is not shown")
    stage.page("/charter/")
    stage.page("/how-we-decide/")


def export(stage: Stage) -> None:
    stage.step("Greta, the regulator, exports the trail and verifies it without trusting the office.")
    made = _bundle(stage, "Demonstration of the offline verifier")
    bundle = stage.folder / "bundle.zip"
    with storage.open_file(made.key) as source:
        bundle.write_bytes(source.read())
    stage.props["bundle"] = bundle
    stage.show("bundle", f"{bundle} ({len(zipfile.ZipFile(bundle).namelist())} members)")
    stage.show("command", f"python -m ledger.verify {bundle.name} --key '{custody.log_verifier().vkey}'")
    status, said = _verify_bundle(bundle)
    stage.show("verifier", f"exit {status}: {said}")
    stage.expect(status == 0, "the untouched bundle did not verify")
    forged = stage.folder / "bundle-one-byte-changed.zip"
    _forge(bundle, forged, "leaves.jsonl")
    status, said = _verify_bundle(forged)
    stage.show("forged", f"exit {status}: {said}")
    stage.expect(status == 1, "the forged bundle verified")
    stage.page("/regulator/")


def erase(stage: Stage) -> None:
    stage.step("Dana asks to be forgotten. Their key is destroyed; the log still proves itself.")
    before = Checkpoint.objects.order_by("-size").first()
    assert before is not None
    person = stage.props["consent"].depiction.person
    data_rights.erase(person)
    stage.settle()
    again = merkle_root_at(before.size)
    stage.show("root before", bytes(before.root).hex()[:32] + "…")
    stage.show("root now", f"{again.hex()[:32]}… (derived again at the same size)")
    stage.expect(again == bytes(before.root), "the root changed")
    status, _ = _verify_bundle(stage.props["bundle"])
    stage.expect(status == 0, "the old bundle no longer verifies")
    stage.show("old bundle", "still verifies")
    made = _bundle(stage, "After the erasure")
    fresh = stage.folder / "bundle-after-erasure.zip"
    with storage.open_file(made.key) as source:
        fresh.write_bytes(source.read())
    with zipfile.ZipFile(fresh) as archive:
        left = [name for name in archive.namelist() if DEPICTED.encode() in archive.read(name)]
    stage.expect(not left, f"the new bundle names {DEPICTED} in {left}")
    stage.show("new bundle", f"{fresh}: no value of theirs")
    stage.page("/my-data/")


def check(stage: Stage) -> None:
    stage.step("Anyone in the office derives the log again.")
    call_command("check_log")
    stage.page("/register/")


STORY: list[Callable[[Stage], None]] = [
    register,
    read_credential,
    prove,
    examine,
    ask_consent,
    recover,
    flag,
    report,
    decide,
    appeal,
    explain,
    export,
    erase,
    check,
]


def merkle_root_at(size: int) -> bytes:
    """The root of the first `size` leaves, from the leaves themselves."""
    leaves = Sequence.objects.filter(index__lt=size).order_by("index").select_related("entry")
    return merkle.root_of([merkle.leaf_hash(bytes(row.entry.leaf)) for row in leaves])


def _bundle(stage: Stage, purpose: str) -> Export:
    """What Greta asks for, once a worker has built it."""
    made = exports.request_export(stage.people["Greta"], purpose=purpose)
    stage.settle()
    made.refresh_from_db()
    stage.expect(made.state == Export.State.BUILT, f"the bundle was not built: {made.error_code}")
    return made


def _verify(path: Path) -> Report:
    with media.as_upload(path) as scratch:
        return verify_file(scratch.path, scratch.sha256)


def _verify_bundle(bundle: Path) -> tuple[int, str]:
    """The offline verifier in a process of its own; its last line."""
    done = subprocess.run(  # noqa: S603 - our own module on our own file
        [sys.executable, "-m", "ledger.verify", str(bundle), "--key", custody.log_verifier().vkey],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    failed = [line.strip() for line in lines if line.strip().startswith("✗")]
    return done.returncode, (failed or lines[-1:] or [""])[0].strip()


def _forge(bundle: Path, target: Path, member: str) -> None:
    """The same archive with one byte of one member changed, and a correct zip checksum for it."""
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for info in source.infolist():
            data = bytearray(source.read(info))
            if info.filename == member:
                data[len(data) // 2] ^= 0x01
            archive.writestr(info, bytes(data))
