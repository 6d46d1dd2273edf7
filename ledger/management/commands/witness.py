"""`manage.py witness`: witness transparency logs, this office's or others', until told to stop."""

import os
import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from ledger import witness
from ledger.keys import KeyMissing


class Command(BaseCommand):
    help = "Cosign the checkpoints of the logs in a policy file as long as each only grows (C2SP tlog-witness)."
    # It needs neither the database nor the office's settings.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        witness.add_arguments(parser)

    def handle(
        self, *, name: str, policy: str, state: str, listen: str, key: str, first_run: bool, **options: object
    ) -> None:
        try:
            witness.address(listen)
            made = witness.application(name, policy, state, key, first_run=first_run)
        except (OSError, ValueError, KeyMissing, witness.StateDamaged) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(witness.introduction(made, listen))
        self.stdout.flush()
        call = f"ledger.witness:application({name!r}, {policy!r}, {state!r}, {key!r})"
        argv = ["-m", "gunicorn", "--no-control-socket", "--bind", listen, "--threads", "8", "--keep-alive", "30", call]
        # This process becomes the server, so that a signal reaches it.
        os.execv(sys.executable, [sys.executable, *argv])  # noqa: S606 - our own command
