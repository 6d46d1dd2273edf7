from django.apps import AppConfig


class DetectionConfig(AppConfig):
    name = "detection"

    def ready(self) -> None:
        from core.storage import register_references
        from detection import examination, reconciliation, report_section  # noqa: F401 - they register what they do
        from detection.models import Finding, Run
        from ledger import regulated
        from ledger.reconciliation import register

        # A run is queued and claimed without an entry; the entry it gets with its findings is never exchanged.
        processing = ("state", "attempt", "job", "model_digest", "question", "standing", "started_at", "finished_at")
        regulated.register(
            Run, operations=(regulated.UPDATE, regulated.DELETE), but=(*processing, "error_code", "error_detail")
        )
        regulated.register(Finding)
        register("examinations", reconciliation.examinations)
        _learning()
        register_references(
            lambda: Finding.objects.exclude(heatmap_key="").values_list("heatmap_key", flat=True).iterator()
        )


def _learning() -> None:
    """Models, labels and audits change with an entry, or not at all."""
    from core import health
    from detection import drift, models, own_credential, reconciliation  # noqa: F401 - one registers a job
    from ledger import regulated
    from ledger.reconciliation import register

    for model in (models.ModelVersion, models.Approval, models.Label, models.Corroboration, models.PermanentTest):
        regulated.register(model)
    regulated.register(models.Audit)
    regulated.register(models.FederationRound)
    register("models", reconciliation.model_versions)
    register("labels", reconciliation.labels)
    register("federation rounds", reconciliation.federation_rounds)
    health.register(drift.check, costly=True)
