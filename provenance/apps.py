from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    name = "provenance"

    def ready(self) -> None:
        from core.preparation import register
        from core.storage import register_references
        from ledger import regulated
        from ledger.reconciliation import register as reconcile
        from provenance import authority, reconciliation
        from provenance.models import Asset, Fingerprint, Manifest, Rendition

        register(authority.this_office)
        for model in (Asset, Rendition, Manifest, Fingerprint):
            regulated.register(model)
        reconcile("works", reconciliation.works)
        register_references(lambda: Rendition.objects.values_list("key", flat=True).iterator())
