"""`manage.py rewrap_vault`: a new master key for the vault; everybody's data key is wrapped again by it."""

from django.core.management.base import BaseCommand, CommandError

from ledger import keys, rewrapping


class Command(BaseCommand):
    help = "Make a new master key and wrap every person's key by it, while the office works. Run it again if it stops."

    def handle(self, **options: object) -> None:
        try:
            done = rewrapping.rewrap(self._progress)
        except (keys.KeyMissing, keys.BadKey, rewrapping.CannotRewrap) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Master key {done.version} wraps everything now ({done.changed} keys were changed).")
        self.stdout.write("Back the new master key up now, apart from the database's backups.")
        for version in done.unused:
            self.stdout.write(
                f"No row names master key {version} any more. Keep it as long as you keep any backup of the database"
                " made before this moment: those can be read with it only. Then destroy it, and its backups. From that"
                " day on nobody can open what those old backups hold."
            )

    def _progress(self, done: int, total: int) -> None:
        self.stdout.write(f"{done} of {total}", ending="\n" if done == total else "\r")
        self.stdout.flush()
