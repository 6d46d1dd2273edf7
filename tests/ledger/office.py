"""A writer in a process of its own, for tests that kill it: `python -m tests.ledger.office`.

Appends an entry together with a business row (an Organisation stands for it) until it is killed, and prints each
committed one; every few it lets the sequencer sign.
"""

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"


def main() -> None:
    import django

    django.setup()
    from django.db import transaction

    from accounts.models import Organisation
    from core.ids import uuid7
    from ledger import log, sequencer
    from ledger.events import EventType

    for number in range(int(sys.argv[1])):
        name = str(uuid7())
        with transaction.atomic():
            Organisation.objects.create(name=name)
            entry = log.append(
                EventType.ACCESS_AUDITED,
                actor="user:alice",
                role="creator",
                facts={"row": name},
                sealed={"title": log.Sealed("Sunset", "user:alice")},
            )
        sys.stdout.write(f"{entry.pk}\n")
        sys.stdout.flush()
        if number % 3 == 2:
            sequencer.tick()


if __name__ == "__main__":
    main()
