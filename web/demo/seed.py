"""What `make run` puts into an empty office: a few works, one of them soon flagged by what it declares itself."""

from accounts.models import User
from core import storage
from provenance.models import Asset
from provenance.registration import register_asset
from web.demo import media

SEED = (
    ("Alice", "coffee", "Morning coffee"),
    ("Alice", "rocket", "DSCOVR lifts off"),
    ("Bob", "deep-field", "Hubble eXtreme Deep Field"),
)


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
    return assets
