"""What a bundle says of itself, for people (`README.md`) and for programs (`schema.json`)."""

from typing import Any, Final

from core.canonical import Json

README: Final = """# An extract from a public register of media

This file was written by the register **{origin}** at {made_at}. It holds {count} entries of the register,
numbers {first} to {last}, without a gap{selected}, as they were when the register had {size} entries.

**You need not believe us, or this text.** The register signs its whole content, again and again, as one number (the
“root”). A proof in here shows that exactly these entries, all of them and in this order, are part of that number: none
of them can have been changed, left out, added or moved since.

| member | what it is |
|---|---|
| `entries.csv` | the entries as a table, for reading; what a spreadsheet could take for a formula begins with ' |
| `leaves.jsonl` | the entries exactly as they were recorded, one a line; these bytes are what is proved |
| `disclosures.jsonl` | {disclosed} sealed values, opened; the salt shows that each is the one recorded |
| `selected.jsonl` | if it is there: which entries were asked for; otherwise it follows from dates and kinds |
| `range-proof` | the proof of all entries at once (RFC 6962) |
| `checkpoint` | the signed root (C2SP tlog-checkpoint), with the signatures of witnesses, if there are any |
| `policy` | the register's public keys, and who witnesses it (C2SP tlog-policy) |
| `rotations` | how each key of the register took over from the one before |
| `previous/` | if it is there: the proof that nothing in an earlier extract was changed since |
| `stamps/` | if it is there: when an authority of time saw the register (RFC 3161) |
| `schema.json` | the form of the manifest, of an entry and of a disclosure (JSON Schema) |
| `files/` | if it is there: what goes with the extract, such as a report or the rules that were cited |
| `manifest.json`, `manifest.sig` | the digest of every member, signed |

## To verify it

Two programs check everything, without a network. Either, on a machine with Python 3.11 or newer, the single file
`assay-verify.pyz` (or the folder `ledger/` of Assay and `python -m ledger.verify`):

    pip install pynacl
    python assay-verify.pyz this-file.zip --key '{vkey}'

or the one in `contrib/verify-go/` of Assay, which shares no code with the first, on a machine with Go:

    verify-go --key '{vkey}' this-file.zip

Compare the key's fingerprint with one that you got by another way (telephone, letter, the register's page):

    {fingerprint}

A proof of one entry alone, which any program that knows C2SP tlog-proof can check:

    python assay-verify.pyz this-file.zip --prove NUMBER

A time stamp's own signature is checked with the certificate of its authority, which you need from elsewhere:

    unzip this-file.zip
    openssl ts -verify -data stamps/checkpoint -in stamps/NAME.tsr -CAfile authority.crt

A value that is sealed and not disclosed here shows only as a commitment; so does one that was erased at a person's
request. Neither makes any check fail.
"""


def _object(required: dict[str, Json], **more: Json) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": required,
        "required": sorted(required),
        "additionalProperties": False,
        **more,
    }


def _text(pattern: str) -> dict[str, Json]:
    return {"type": "string", "pattern": pattern}


_NATURAL: Final[dict[str, Json]] = {"type": "integer", "minimum": 0}
_TEXT: Final[dict[str, Json]] = {"type": "string"}
_TIME: Final = _text("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}Z$")
_TIME_OR_NOT: Final[dict[str, Json]] = {"oneOf": [_TIME, {"type": "null"}]}
_SHA256: Final = _text("^[0-9a-f]{64}$")
_BASE64: Final = _text("^[A-Za-z0-9+/]*={0,2}$")
_NAMES: Final[dict[str, Json]] = {"pattern": "^[a-z][a-z0-9_]{0,39}$"}

_MANIFEST: Final = _object(
    {
        "format": {"const": "assay-bundle/2"},
        "about": {},
        "made_at": _text("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"),
        "origin": _TEXT,
        "checkpoint": _object({"size": _NATURAL, "root": _SHA256}),
        "range": _object({"first": _NATURAL, "count": _NATURAL}),
        "query": _object(
            {
                "since": _TIME_OR_NOT,
                "until": _TIME_OR_NOT,
                "types": {"type": "array", "items": _TEXT, "uniqueItems": True},
                "slack": _NATURAL,
            }
        ),
        "selection": _object({"by": {"enum": ["query", "list"]}, "count": _NATURAL}),
        "disclosures": _NATURAL,
        "members": {"type": "object", "additionalProperties": _object({"size": _NATURAL, "sha256": _SHA256})},
    }
)
# Further members may come: a reader that does not know them checks the proofs all the same.
_LEAF: Final = _object(
    {
        "v": {"const": 1},
        "type": _text("^[a-z_]+:[a-z_]+$"),
        "ts": _TIME,
        "nonce": _BASE64,
        "role": _TEXT,
        "object": _TEXT,
        "refs": {"type": "array", "items": _SHA256},
        "facts": {"type": "object"},
        "commitments": {"type": "object", "propertyNames": _NAMES, "additionalProperties": _BASE64},
    },
    additionalProperties=True,
)
_DISCLOSURE: Final = _object({"index": _NATURAL, "name": {"type": "string", **_NAMES}, "salt": _BASE64, "value": {}})
_SELECTED: Final[dict[str, Json]] = {"type": "array", "items": _NATURAL, "minItems": 2, "maxItems": 2}

# JSON Schema 2020-12, one definition a member of JSON or of JSON Lines.
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "assay-bundle/2",
    "$defs": {"manifest": _MANIFEST, "leaf": _LEAF, "disclosure": _DISCLOSURE, "selected": _SELECTED},
}
