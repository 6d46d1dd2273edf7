from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    name = "provenance"

    def ready(self) -> None:
        from core.preparation import register
        from core.storage import register_references
        from provenance import authority
        from provenance.models import Rendition

        register(authority.this_office)
        register_references(lambda: Rendition.objects.values_list("key", flat=True).iterator())
