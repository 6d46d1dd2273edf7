"""What `make run` puts into an empty office: a few works, one of them soon flagged by what it declares itself, and one
decided case for the page “How we decide”.
"""

from accounts.models import User
from core import storage
from provenance.models import Asset
from provenance.registration import register_asset
from web.demo import decided_case, media

SEED = (
    ("Alice", "coffee", "Morning coffee"),
    ("Alice", "rocket", "DSCOVR lifts off"),
    ("Bob", "deep-field", "Hubble eXtreme Deep Field"),
)
# Of this work's the case that the public page “How we decide” shows.
EXAMPLE = "DSCOVR lifts off"


def seed(people: dict[str, User]) -> list[Asset]:
    """Register the demo's works if nothing is registered yet; the workers examine them."""
    if Asset.objects.exists():
        return []
    assets = []
    for owner, name, title in SEED:
        path = media.photograph(name)
        with media.as_upload(path) as scratch:
            assets.append(register_asset(people[owner], scratch, title=title, filename=path.name))
    with storage.scratch_path(".png") as path:
        media.make_declared_synthetic(path)
        with media.as_upload(path) as scratch:
            assets.append(register_asset(people["Bob"], scratch, title="A cat on a chair", filename="cat.png"))
    decided_case.play(people, next(one for one in assets if one.title == EXAMPLE))
    return assets
