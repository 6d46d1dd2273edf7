"""What lies beside the entries of a bundle, under `files/`: what the entries cite, in the words that were in force.

Rule packs with their signatures, the cards of the models that examined, the roster under aliases (R01), media where a
rule allows it, the entries as Parquet where the office has pyarrow, and a report that a person can read. Only what the
account's scopes and places reach; of a child's case nothing (I24).
"""

import base64
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db.models import Prefetch, QuerySet

from core import storage
from core.canonical import Json
from core.clock import now
from core.problems import Problem
from detection import cards, registry, versions
from detection.models import ModelVersion
from ledger import custody, notes, reading
from ledger.bundle import BundleScope
from ledger.models import Checkpoint
from policy.audits import citing, openings, parquet, reach
from policy.audits.citing import Cited, Model
from policy.desk import roster
from policy.law import rules
from policy.models import Case, Decision, Export, PackVersion, RegulatorAccount
from policy.rulebook.facts import widen
from policy.rulebook.rows import EVERYWHERE
from policy.rulebook.vocabulary import MEDIA_TO_AUTHORITY
from provenance.models import Rendition

Scope = RegulatorAccount.Scope
FORMAT: Final = "assay-enclosures/1"
INDEX, README, REPORT, ROSTER = "index.json", "README.md", "report.pdf", "roster.json"
# Of media, bytes in one bundle, which has at most 4 GiB of everything.
MOST_MEDIA: Final = 1 << 30
MOST_FILES: Final = 10_000
_EXPORTED: Final = frozenset({"case_exported"})
_CHUNK: Final = 500

Files = dict[str, Path | bytes]
Rows = list[dict[str, Json]]


def of(
    export: Export,
    account: RegulatorAccount,
    *,
    scope: BundleScope,
    checkpoint: Checkpoint,
    cases: QuerySet[Case],
    folder: Path,
) -> Files:
    """{name under `files/`: its bytes, or a local file in `folder`}, for `write_bundle(files=…)`.

    cases: those that the query is about, within the account's reach. folder: of the caller's, until the bundle is
    written. One pass over the entries; memory does not grow with them. Raises Missing when a file is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cited, files = _read(scope, folder)
    if Scope.CASES in account.scopes:
        cited.packs |= _relied_on(cases, cited)
    index: dict[str, Rows] = {"rule_packs": [], "model_cards": [], "media": []}
    for name, more in (("rule_packs", _packs(cited)), ("model_cards", _cards(cited))):
        for row, data in more:
            index[name].append(row)
            files |= {str(row["file"]): data} if data else {}
    for row, path in _media(account, cases, cited, folder):
        index["media"].append(row)
        files |= {str(row["file"]): path} if path else {}
    if Scope.ROSTER in account.scopes:
        files[ROSTER] = _json({"reviewers": _roster()})
    kinds: dict[str, Json] = dict(sorted(cited.kinds.items()))
    files[INDEX] = _json({"format": FORMAT, "kinds": kinds, **index, "files": sorted(files)})
    files[README] = _readme(files).encode()
    files[REPORT] = _cover(export, account, scope, checkpoint, cited, index)
    return files


def _read(scope: BundleScope, folder: Path) -> tuple[Cited, Files]:
    cited = Cited()
    with parquet.table(folder) as table:
        for entry, leaf in citing.told(citing.rows(scope.first, scope.count), cited):
            if table:
                table.add(entry, leaf)
    return cited, {parquet.NAME: folder / parquet.NAME} if table else {}


def _relied_on(cases: QuerySet[Case], cited: Cited) -> set[str]:
    """The packs of the rules that decisions in these cases cite, of which there are entries: the log seals which."""
    rows = Decision.objects.filter(case__in=cases).exclude(starts_at=None).values_list("case", "rule_refs")
    told = ((f"case:{case}", refs) for case, refs in rows.iterator(_CHUNK))
    return {ref["pack"] for case, refs in told if case in cited.cases for ref in refs}


# --- Rules and models ----------------------------------------------------------------------------------------------


def _packs(cited: Cited) -> Iterator[tuple[dict[str, Json], bytes]]:
    """Each pack's row of the index, and its text; no text where the office does not hold that version any more."""
    held = {row.digest: row for row in PackVersion.objects.filter(digest__in=cited.packs)}
    shipped = {pack.digest: pack for pack in rules.shipped()}
    for digest in sorted(cited.packs):
        if digest in held:
            row = held[digest]
            yield _pack(digest, row.name, row.version, row), row.content.encode()
        elif digest in shipped:
            yield _pack(digest, shipped[digest].name, shipped[digest].version), shipped[digest].text.encode()
        else:
            yield {"digest": digest, "held": False}, b""


def _pack(digest: str, name: str, version: str, row: PackVersion | None = None) -> dict[str, Json]:
    signature = base64.b64encode(bytes(row.signature)).decode() if row else ""
    return {
        "digest": digest,
        "name": name,
        "version": version,
        "signed": bool(signature),
        "signature": signature,
        "signer": row.signer if row else "",
        "effective_from": row.effective_from.isoformat() if row and row.effective_from else None,
        "file": f"rules/{digest}.yaml",
    }


def _cards(cited: Cited) -> Iterator[tuple[dict[str, Json], bytes]]:
    registered = {
        (row.detector, row.version): row
        for row in ModelVersion.objects.filter(detector__in={model.detector for model in cited.models})
    }
    for model in sorted(cited.models):
        text = _card(model, registered.get((model.detector, model.version)))
        row: dict[str, Json] = {**model._asdict(), "held": bool(text)}
        yield {**row, "file": f"models/{model.detector}-{model.version}.md"} if text else row, text.encode()


def _card(model: Model, registered: ModelVersion | None) -> str:
    """What was said of this very version; "" where the office does not hold it any more."""
    try:
        if registered is not None:
            return cards.markdown(versions.card_of(registered))
        info = registry.detector(model.detector)
    except Problem:  # gone from this installation, or its folder was damaged
        return ""
    return info.card if info.version == model.version else ""


# --- People and media ----------------------------------------------------------------------------------------------


def _roster() -> Rows:
    """Who reviews, under aliases: what each was trained for and since when, what they read. No name, no address."""
    return [{"alias": row.alias, "trained": dict(sorted(row.trained.items())), **_state(row)} for row in _by_alias()]


def _by_alias() -> list[Any]:
    return sorted(roster.profiles(), key=lambda row: row.alias)


def _state(row: Any) -> dict[str, Json]:
    return {"languages": list(row.languages), "paused": row.paused}


def _media(
    account: RegulatorAccount, cases: QuerySet[Case], cited: Cited, folder: Path
) -> Iterator[tuple[dict[str, Json], Path | None]]:
    """The originals of works in cases that the entries are about, where a rule of the account's places allows it."""
    if Scope.MEDIA not in account.scopes:
        return
    room, copied = MOST_MEDIA, set[str]()
    for case, file, rule in _allowed(account, cases, cited):
        row: dict[str, Json] = {"case": case.object, "sha256": file.sha256, "size": file.size, "rule": rule}
        if file.sha256 not in copied and (file.size > room or len(copied) == MOST_FILES):
            yield {**row, "left_out": "too much for this bundle: ask for fewer cases"}, None
            continue
        room -= 0 if file.sha256 in copied else file.size
        copied.add(file.sha256)
        yield {**row, "media_type": file.media_type, "file": f"media/{file.sha256}"}, _copy(file, folder)


def _allowed(account: RegulatorAccount, cases: QuerySet[Case], cited: Cited) -> Iterator[tuple[Case, Rendition, str]]:
    """(case, original, id of the rule) of the cases whose media a rule in force lets this account have."""
    originals = Prefetch("asset__renditions", Rendition.objects.filter(role=Rendition.Role.ORIGINAL))
    rows = cases.exclude(asset=None).filter(minor=False).select_related("asset").prefetch_related(originals)
    places = {EVERYWHERE, *widen(account.jurisdictions)}
    for case in reach.with_places(rows).order_by("pk").iterator(_CHUNK):
        if case.asset and case.object in cited.cases and (rule := _rule(case, places)):
            yield from ((case, file, rule) for file in case.asset.renditions.all())


def _rule(case: Case, places: set[str]) -> str:
    facts = {"category": case.category, "jurisdictions": reach.places(case)}
    found = rules.matching(facts, now(), events=_EXPORTED)
    ids = (rule.id for rule in found if MEDIA_TO_AUTHORITY in rule.duties and rule.jurisdiction in places)
    return next(ids, "")


def _copy(file: Rendition, folder: Path) -> Path:
    path = folder / f"media-{file.sha256}"
    if not path.exists():
        with storage.open_file(file.key) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, storage.CHUNK)
    return path


# --- Words ---------------------------------------------------------------------------------------------------------


def _cover(
    export: Export,
    account: RegulatorAccount,
    scope: BundleScope,
    checkpoint: Checkpoint,
    cited: Cited,
    index: Mapping[str, Rows],
) -> bytes:
    key, text = custody.log_verifier(), reading.checkpoint_text(checkpoint)
    # The maker of PDFs brings a decoder of pictures along, which the web process must not load.
    from policy.audits import cover

    report = cover.Report(
        office=settings.ASSAY_OFFICE_NAME,
        export=str(export.pk),
        watermark=export.watermark,
        made_at=now(),
        authority=account.authority,
        legal_basis=account.legal_basis,
        places=tuple(rules.JURISDICTIONS.get(code, code) for code in account.jurisdictions),
        purpose=export.purpose,
        query=export.query,
        first=scope.first,
        count=scope.count,
        kinds=cited.kinds,
        opened=openings.sections_for(account.scopes),
        origin=notes.parse_tree_head(notes.parse(checkpoint.note).text).origin,
        size=checkpoint.size,
        root=bytes(checkpoint.root).hex(),
        signed_at=checkpoint.created_at,
        witnesses=tuple(one.name for one in reading.confirmations(text)),
        vkey=key.vkey,
        fingerprint=key.fingerprint,
        packs=tuple(_pack_words(row) for row in index["rule_packs"]),
        cards=tuple(_card_words(row) for row in index["model_cards"]),
        media=sum("file" in row for row in index["media"]),
        media_left_out=sum("left_out" in row for row in index["media"]),
        roster=Scope.ROSTER in account.scopes,
    )
    return cover.pdf(report)


def _pack_words(row: Mapping[str, Json]) -> str:
    if "file" not in row:
        return f"{row['digest']}: not held by this office any more"
    approved = "signed by two people of the office, one a lawyer" if row["signed"] else "draft: research, no lawyer yet"
    return f"{row['name']} {row['version']} ({approved})"


def _card_words(row: Mapping[str, Json]) -> str:
    return f"{row['detector']} {row['version']}" + ("" if row["held"] else ": its card is not held any more")


_WHAT: Final = {
    REPORT: "what this extract is, on paper (PDF/A-2u)",
    INDEX: "every rule pack, model and work that is named here, with digests; kinds of entries, counted",
    ROSTER: "who reviews, under aliases: training, languages",
    parquet.NAME: "the entries once more, for programs that read Parquet; `leaf` has the bytes that are proved",
    "rules/": "rule packs that the entries cite, as they were in force; the name is the SHA-256 of the text",
    "models/": "cards of the detectors that examined: what each measures, how often it was wrong, on what, when",
    "media/": "original files of works, where a rule allows it; the name is the SHA-256 of the file",
}


def _readme(files: Iterable[str]) -> str:
    named = list(files)
    rows = [f"| `{part}` | {words} |" for part, words in _WHAT.items() if _named(part, named)]
    return "\n".join(
        [
            "# Beside the entries",
            "",
            "Each file here has its digest in the signed `manifest.json`: none of them can have been changed since.",
            "What is not of an entry itself is as the office held it on the day on which this extract was made.",
            "",
            "| file | what it is |",
            "|---|---|",
            *rows,
            "",
            "Rows of law in a pack marked “draft” are research; no lawyer has signed them yet.",
            "",
        ]
    )


def _named(part: str, files: Iterable[str]) -> bool:
    return part in (REPORT, INDEX) or any(name == part or (part[-1] == "/" and name.startswith(part)) for name in files)


def _json(value: Mapping[str, Json]) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()
