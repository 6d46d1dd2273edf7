"""`manage.py stamp_log`: have the newest checkpoint time-stamped now; beat does so every hour."""

from django.core.management.base import BaseCommand, CommandError

from ledger import timestamping


class Command(BaseCommand):
    help = "Have the newest checkpoint time-stamped (RFC 3161)."

    def handle(self, **options: object) -> None:
        try:
            made = timestamping.stamp()
        except timestamping.NotStamped as error:
            raise CommandError(f"Not stamped: {error}.") from error
        if made is None:
            self.stdout.write("Nothing to stamp: the newest checkpoint has its stamp, or there is none.")
        else:
            self.stdout.write(
                f"Size {made.checkpoint_id} stamped by {made.authority} at {made.at:%Y-%m-%d %H:%M:%S} UTC."
            )
