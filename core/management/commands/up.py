"""`manage.py up`: prepare the data folder, start every process, print where to go."""

import os
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.preparation import prepare
from core.supervisor import Supervisor, port_is_free, services


class Command(BaseCommand):
    help = "Run the whole office in the foreground: web server, worker, beat and sequencer."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default 127.0.0.1).")
        parser.add_argument("--port", type=int, default=settings.PORT, help="Port (default ASSAY_PORT or 8000).")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if not port_is_free(host, port):
            raise CommandError(
                f"Port {port} on {host} is taken. Stop what listens there, or choose another: ASSAY_PORT=8001 make run"
            )
        self._say("Preparing the data folder …")
        prepare()
        os.environ["ASSAY_PORT"] = str(port)  # the children's links name the port they are reached at
        supervisor = Supervisor(services(host, port))
        supervisor.start()
        # A passkey belongs to a name, never to an IP address.
        here = "localhost" if host == "127.0.0.1" else host
        address = f"{settings.ASSAY_URL}/" if settings.ASSAY_HOST else f"http://{here}:{port}/"
        if supervisor.wait_until_answering(host, port, name=settings.ASSAY_HOST or f"127.0.0.1:{port}"):
            self._say(f"\nAssay is open at {address}   (stop it with Ctrl-C)\n")
            if settings.DEMO:
                call_command("demo_people", base=address.rstrip("/"))
        else:
            self._say("The web server has not answered for a minute; its messages are above.")
        status = supervisor.watch()
        if status:
            raise SystemExit(status)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
