"""Start-up check: what is switched on is also installed."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from provenance import marking


@register()
def check_watermark(app_configs: Sequence[AppConfig] | None, **_: Any) -> Iterable[CheckMessage]:
    if settings.ASSAY_WATERMARK and (lacking := marking.missing()):
        yield Error(
            f"ASSAY_WATERMARK is on, and {', '.join(lacking)} cannot be found",
            hint="Install requirements/watermark.txt (with --no-deps), or leave ASSAY_WATERMARK off.",
            id="provenance.E001",
        )
