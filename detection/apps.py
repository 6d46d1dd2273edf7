from django.apps import AppConfig


class DetectionConfig(AppConfig):
    name = "detection"

    def ready(self) -> None:
        from core.storage import register_references
        from detection import examination, report_section  # noqa: F401 - they register a job and a section
        from detection.models import Finding

        register_references(
            lambda: Finding.objects.exclude(heatmap_key="").values_list("heatmap_key", flat=True).iterator()
        )
