from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    name = "provenance"

    def ready(self) -> None:
        from core import health
        from core.preparation import register
        from core.storage import register_references
        from ledger import regulated
        from ledger.reconciliation import register as reconcile
        from provenance import authority, checks, reconciliation, redaction, rotation  # noqa: F401 - jobs and checks
        from provenance.models import Asset, Fingerprint, Manifest, Rendition, Revocation, TrustList

        register(authority.this_office)
        health.register(rotation.check)
        for model in (Asset, Rendition, Manifest, Fingerprint, TrustList, Revocation):
            regulated.register(model)
        reconcile("works", reconciliation.works)
        register_references(lambda: Rendition.objects.values_list("key", flat=True).iterator())
        register_references(lambda: Manifest.objects.exclude(key="").values_list("key", flat=True).iterator())
