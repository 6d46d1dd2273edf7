"""`manage.py demo`: the whole story on real photographs, in this process, without a server."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.preparation import prepare
from provenance.models import Asset
from web.demo.cast import ensure_basis, ensure_cast
from web.demo.stage import Broken, Stage
from web.demo.story import STORY


class Command(BaseCommand):
    help = "Play the whole story on an empty data folder; every step shows what it made and where to see it."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo plays in demo mode only; ASSAY_HOST or ASSAY_DEMO=false ended it.")
        prepare(static=False)
        if Asset.objects.exists():
            raise CommandError(
                f"The data folder {settings.ASSAY_VAR} holds works already, and the demo starts from nothing."
                " Choose another: ASSAY_VAR=var/demo python manage.py demo"
            )
        folder = Path(settings.ASSAY_VAR) / "demo"
        folder.mkdir(exist_ok=True)
        people = ensure_cast()
        ensure_basis(people)
        stage = Stage(people, folder, self._say)
        try:
            for scene in STORY:
                scene(stage)
        except Broken as broken:
            raise CommandError(f"The demo broke: {broken}") from broken
        self._say(f"\nAll {stage.steps} steps showed what they promised. What they made is in {folder}.")
        self._say(f"To see the pages: ASSAY_VAR={settings.ASSAY_VAR} make run")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
