"""Whether somebody still looks after what the public reads: learning pages, the charter, measured figures (R02)."""

import datetime as dt

from core.headed_text import OLDEST
from policy.law import charter
from web.learning_pages import every_version
from web.measured import dates


def stale(day: dt.date) -> list[str]:
    """What would be too old on that day, a sentence each; empty if nothing is."""
    found = [
        f"The page {slug}, version {newest.told.version}, in {language} {why}."
        for (slug, language), versions in every_version().items()
        if (newest := next(iter(versions.values()), None)) and (why := newest.told.why_stale(day))
    ]
    text = charter.text(max(charter.versions()), "en")
    if why := text.why_stale(day):
        found.append(f"The charter, version {text.version}, {why}.")
    found += [
        f"The figures of the detector {name} are of {made_on} and more than {OLDEST} days old."
        for name, made_on in dates()
        if (day - made_on).days > OLDEST
    ]
    return found
