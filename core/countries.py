"""Countries by their codes (ISO 3166-1 alpha-2). Pure."""

from typing import Final

# The European Union, and with it the European Economic Area.
UNION: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU",
    "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
EEA: Final = frozenset({*UNION, "IS", "LI", "NO"})
