"""Text taken from files: whoever made the file chose it, so it is bounded and made harmless to read before anyone
sees it.
"""

import unicodedata

# Categories that draw nothing, or re-order what is around them: controls, bidi overrides, surrogates, unassigned.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def readable(value: str | bytes, limit: int = 500) -> str:
    """`value` in one line of at most `limit` characters; what is cut is said. Unseen characters are shown as U+FFFD."""
    text = value[: limit * 8].decode("utf-8", "replace") if isinstance(value, bytes) else value[: limit * 4]
    text = " ".join(text.split())
    text = "".join("\ufffd" if unicodedata.category(char) in _UNSEEN else char for char in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
