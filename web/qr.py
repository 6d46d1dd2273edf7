"""A QR code as an SVG picture in the page: drawn here, so that no address is sent to anybody to be drawn."""

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe


def qr(text: str, label: str) -> SafeString:
    """An element of class `qr`. label: what a screen reader says of it. Four modules of quiet zone (ISO/IEC 18004)."""
    code = segno.make(text, error="m", micro=False)
    # Nothing of `text` is in the drawing but as black squares.
    drawn = mark_safe(code.svg_inline(omitsize=True, border=4, dark="#000", light="#fff"))  # noqa: S308
    return format_html('<div class="qr" role="img" aria-label="{}">{}</div>', label, drawn)
