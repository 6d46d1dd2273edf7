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
        processing = ("state", "attempt", "job", "model_digest", "started_at", "finished_at", "error_code")
        regulated.register(Run, operations=(regulated.UPDATE, regulated.DELETE), but=(*processing, "error_detail"))
        regulated.register(Finding)
        register("examinations", reconciliation.examinations)
        register_references(
            lambda: Finding.objects.exclude(heatmap_key="").values_list("heatmap_key", flat=True).iterator()
        )
