"""`manage.py replay_erasures`: after a restore, erase again what was erased since the backup was taken."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from ledger import erasures
from ledger.keys import BadKey, KeyMissing


class Command(BaseCommand):
    help = (
        "Destroy again every key that the journal of erasures, this log, or a newer copy of it says was destroyed."
        " Run it after a restore, before serving (`up` and `prepare` do). It can be run again at any time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            metavar="COPY",
            help="a newer copy of the log, where the journal was lost: a published folder or address, or a bundle",
        )

    def handle(self, *, source: str | None = None, **options: object) -> None:
        try:
            done = erasures.replay(erasures.named_in(source) if source else ())
        except (erasures.Untrusted, KeyMissing, BadKey) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The journal of erasures cannot be used: {error}") from error
        self.stdout.write(f"{done.noted} erasures noted in the journal that it lacked.")
        if done.keys:
            self.stdout.write(f"Destroyed again: {done.keys} keys, {done.sections} sealed sections.")
        else:
            self.stdout.write("No destroyed key is in the database.")
