"""`manage.py alarms`: what is wrong with the log, and a person's word that it is over."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from ledger import alarms, roles


class Command(BaseCommand):
    help = "List the open alarms about the log; clear one that a person has looked into."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clear", metavar="KIND", help="you vouch that the cause of this alarm is gone")

    def handle(self, *, clear: str | None, **options: object) -> None:
        if clear is not None:
            roles.become_sequencer()
        found = alarms.open_alarms()
        if clear is None:
            self._list()
        elif clear in {alarm.kind for alarm in found}:
            self._clear(clear)
        else:
            raise CommandError(f"There is no open alarm “{clear}”. `manage.py alarms` lists them.")

    def _clear(self, kind: str) -> None:
        alarms.clear(kind)
        if kind in {alarm.kind for alarm in alarms.open_alarms()}:
            raise CommandError(
                f"The office's database role may not clear “{kind}”, because it halts the log. Set"
                " ASSAY_SEQUENCER_DATABASE_URL (or the owner's address as ASSAY_DATABASE_URL) for this command."
            )
        self.stdout.write(f"Cleared: {kind}.")

    def _list(self) -> None:
        found = alarms.open_alarms()
        for alarm in found:
            effect = "nothing is signed" if alarm.halts else "signing goes on"
            self.stdout.write(
                f"{alarm.kind} (since {alarm.raised_at:%Y-%m-%d %H:%M} UTC, {effect})\n  {alarm.message}\n"
            )
        if not found:
            self.stdout.write("No alarm about the log.")
