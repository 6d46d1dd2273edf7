from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    name = "provenance"

    def ready(self) -> None:
        from core.storage import register_references
        from provenance.models import Rendition

        register_references(lambda: Rendition.objects.values_list("key", flat=True).iterator())
