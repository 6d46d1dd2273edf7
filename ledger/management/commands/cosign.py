"""`manage.py cosign`: one round to the witnesses now, and what each of them answered."""

from django.core.management.base import BaseCommand, CommandError

from ledger import alarms, cosigning, roles
from ledger.keys import BadKey, KeyMissing
from ledger.tlogpolicy import BadPolicy


class Command(BaseCommand):
    help = "Ask the witnesses of the policy file to cosign the newest checkpoint; the sequencer does so by itself."

    def handle(self, **options: object) -> None:
        roles.become_sequencer()
        try:
            outcomes = cosigning.cosign()
        except (BadPolicy, BadKey, KeyMissing) as error:
            raise CommandError(str(error)) from error
        for outcome in outcomes:
            self.stdout.write(f"{outcome.witness}: {outcome.detail}")
        if not outcomes:
            self.stdout.write("No witness was due: none is in the policy, nothing is signed, or all cosigned lately.")
        if any(not outcome.cosigned for outcome in outcomes) or alarms.halting():
            raise CommandError("Not all is well: see `manage.py alarms`.")
