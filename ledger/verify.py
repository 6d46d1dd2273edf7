"""The offline verifier: `python -m ledger.verify WHAT [--key VKEY | --policy FILE] [--json]`.

Checks an exported bundle, a receipt, an acknowledgement, or a whole log in a folder or at an http(s) address, on a
machine that has never seen Assay: Python's standard library, PyNaCl and this folder, or the single file that `make
verifier` writes of it; no Django, no database; no network but for an address. A bundle is read piece by piece, in
constant memory. Formats: `docs/formats.md`. Each check is printed with ✓ or ✗; exit status 0 when all hold, 1 when one
does not, 2 when it was not called rightly.
"""

import argparse
import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from ledger import bundleformat as form
from ledger import jcs, keys, tlogpolicy, verify_log, verify_source
from ledger.verify_bundle import Bundle
from ledger.verify_checks import Failed, Trust, Verdict
from ledger.verify_receipt import Acknowledgement, Receipt

_MARKS = {True: "✓", False: "✗", None: "–"}


def verify_file(
    data: bytes | IO[bytes],
    trusted: keys.LogVerifier | None = None,
    *,
    policy: tlogpolicy.Policy | None = None,
    thorough: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Verify a bundle (zip), a receipt or an acknowledgement (JSON).

    data: the content, or a file that can be sought in, which of a bundle is read piece by piece.
    trusted, policy: the log's key, or keys and a quorum, from a source of your own; at most one, may be none.
    thorough: make every check that can be made; otherwise stop at the first that does not hold.
    progress: is told how many entries of a bundle are done, and of how many.
    """
    trust, file = Trust(trusted, policy, thorough), io.BytesIO(data) if isinstance(data, bytes) else data
    if not _is_json(file):
        return Bundle(file, trust, progress).verdict
    return _verify_json(file.read(), trust)


def _is_json(file: IO[bytes]) -> bool:
    start = file.read(1)
    file.seek(0)
    return start == b"{"


def _verify_json(data: bytes, trust: Trust) -> Verdict:
    return (Acknowledgement if _format(data) == form.ACKNOWLEDGEMENT_FORMAT else Receipt)(data, trust).verdict


def _format(data: bytes) -> Any:
    """What a JSON file says it is; None if it says nothing that can be read."""
    try:
        fields = jcs.decode(data)
    except jcs.NotCanonical:
        return None
    return fields.get("format") if isinstance(fields, dict) else None


def _arguments(arguments: Sequence[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="python -m ledger.verify", description="Verify what a log says: a bundle, a receipt, or all of it."
    )
    parser.add_argument(
        "what", help="bundle (.zip), receipt or acknowledgement (.json), folder or http(s) address of a whole log"
    )
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--key", help="the log's public key (C2SP vkey), from a source you trust")
    trust.add_argument("--policy", type=Path, help="a tlog-policy: keys you trust and the quorum of witnesses you ask")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument(
        "--prove", type=int, metavar="NUMBER", help="bundles: print the C2SP tlog-proof of this one of its entries"
    )
    parser.add_argument("--tree-only", action="store_true", help="whole logs: do not look into the entries")
    parser.add_argument(
        "--since", type=Path, metavar="CHECKPOINT", help="whole logs: one seen earlier, to be continued"
    )
    return parser, parser.parse_args(arguments)


def _trust(options: argparse.Namespace) -> Trust:
    """Raises BadKey, BadPolicy, OSError."""
    key = keys.parse_vkey(options.key) if options.key else None
    return Trust(key, tlogpolicy.parse(options.policy.read_bytes()) if options.policy else None)


def _verify(options: argparse.Namespace, trust: Trust) -> Verdict:
    """Raises OSError for what cannot be read, ValueError for an address that is none."""
    source: verify_source.Source
    progress = _show_progress if sys.stderr.isatty() else None
    if options.what.startswith(("http://", "https://")):
        source = verify_source.Web(options.what)
    elif Path(options.what).is_dir():
        source = verify_source.Folder(Path(options.what))
    elif options.tree_only or options.since:
        raise ValueError("--tree-only and --since are for whole logs: a folder or an address")
    else:
        with Path(options.what).open("rb") as file:
            return verify_file(file, trust.key, policy=trust.policy, progress=progress)
    since = options.since.read_bytes() if options.since else None
    return verify_log.Log(source, trust, tree_only=options.tree_only, since=since, progress=progress).verdict


def _show_progress(done: int, size: int) -> None:
    """A line that is written over; a bundle at a time would be too often."""
    if done % (64 << 8) == 0 or done == size:
        sys.stderr.write(f"\r{done:,} of {size:,} entries" + ("\n" if done == size else ""))
        sys.stderr.flush()


def _print(name: str, verdict: Verdict) -> None:
    for check in verdict.checks:
        print(f"{_MARKS[check.ok]} {check.name}: {_plain(check.message)}")
    if verdict.ok and verdict.key_from == "file":
        print("! The key came from the file itself: whoever made the file chose it. Give the log's key with --key,")
        print("  or compare the fingerprint above with one that you got by another way.")
    print(f"{_plain(name)}: {'verified' if verdict.ok else 'NOT verified'}")


def _plain(text: str) -> str:
    """Words of the file could move the cursor, hide a line or turn the writing round: such characters are spelled."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _prove(options: argparse.Namespace, trust: Trust) -> int:
    """Print the proof of one entry of a bundle that verifies. Returns the exit status. Raises OSError, ValueError."""
    with Path(options.what).open("rb") as file:
        if _is_json(file):
            raise ValueError("--prove is for bundles")
        bundle = Bundle(file, trust)
        if not bundle.verdict.ok:
            _print(options.what, bundle.verdict)
            return 1
        try:
            sys.stdout.write(bundle.prove(options.prove))
        except Failed as error:
            raise ValueError(str(error)) from error
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser, options = _arguments(arguments)
    try:
        if options.prove is not None:
            return _prove(options, _trust(options))
        verdict = _verify(options, _trust(options))
    except (keys.BadKey, tlogpolicy.BadPolicy) as error:
        parser.error(f"{'--key' if options.key else '--policy'}: {error}")
    except OSError as error:
        parser.error(f"cannot read {error.filename or options.what}: {error.strerror or error}")
    except ValueError as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(verdict.as_dict(), indent=2))
    else:
        _print(options.what if "://" in options.what else Path(options.what).resolve().name, verdict)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
