"""`manage.py check_log`: re-derive the whole log from its leaves and compare it with everything stored and signed."""

import sys
import time
from argparse import ArgumentParser
from typing import TextIO

from django.core.management.base import BaseCommand, CommandError

from ledger import keys, nightly, reconciliation
from ledger.audit import Audit, Broken, check_log

_WIDTH = 40
_SOON = 0.1
_EVERY = 10.0


class Command(BaseCommand):
    help = (
        "Re-derive leaf hashes, sequence, tiles, roots, signatures and commitments, and compare the rows of the office"
        " with their entries. Appending and signing go on. Exit 1 at the first break of the log, or if rows disagree."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="say nothing but the result")
        parser.add_argument("--log-only", action="store_true", help="do not compare the rows of the office")

    def handle(self, *, quiet: bool, log_only: bool, **options: object) -> None:
        bar = _Bar(None if quiet else sys.stderr)
        try:
            found = check_log(bar.show)
        except Broken as error:
            raise CommandError(f"The log is broken: {error}") from error
        except keys.KeyStoreAway as error:
            raise CommandError(f"The log was not checked: {error}") from error
        finally:
            bar.end()
        self.stdout.write(_summary(found))
        for sentence in found.unchecked:
            self.stdout.write(f"Not checked: {sentence}")
        self.stdout.write(f"size {found.signed_size}\nroot {found.root}")
        if not log_only:
            self._compare_rows()

    def _compare_rows(self) -> None:
        sentences = reconciliation.disagreements(nightly.SHOWN)
        for sentence in sentences:
            self.stdout.write(sentence)
        if sentences:
            raise CommandError(f"The log is whole, but {len(sentences)} or more rows do not say what it says.")


def _summary(found: Audit) -> str:
    whole = (
        f"The log is whole: {found.entries} entries, {found.checkpoints} checkpoints, {found.tiles} tiles,"
        f" {found.cosignatures} cosignatures, {found.sections} sealed sections, {found.erased} erased,"
        f" {found.waiting} waiting for an index."
    )
    return f"{whole} Open alarms: {', '.join(found.alarms)}." if found.alarms else whole


class _Bar:
    """A bar on a terminal; elsewhere a line every ten seconds."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._terminal = out is not None and out.isatty()
        self._began = self._shown = time.monotonic()
        self._drawn = False

    def show(self, done: int, total: int) -> None:
        at = time.monotonic()
        if self._out is None or at - self._shown < (_SOON if self._terminal else _EVERY):
            return
        self._shown, self._drawn = at, True
        rate = done / (at - self._began)
        left = (total - done) / rate
        text = f"{done:,} of {total:,} entries, {rate:,.0f}/s, {left:.0f} s left"
        if self._terminal:
            full = _WIDTH * done // total
            self._out.write(f"\r[{'#' * full}{'.' * (_WIDTH - full)}] {text}\x1b[K")
        else:
            self._out.write(f"{text}\n")
        self._out.flush()

    def end(self) -> None:
        if self._drawn and self._terminal and self._out is not None:
            self._out.write("\r\x1b[K")
            self._out.flush()
