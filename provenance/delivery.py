"""Handing a work's files out: the one place that decides whether somebody may have them."""

from django.contrib.auth.models import AnonymousUser
from django.http import FileResponse
from django.utils.text import slugify

from accounts.models import User
from core import storage
from core.problems import Forbidden, NotFound
from provenance import media
from provenance.models import SEE_HIDDEN, Asset, Rendition

Viewer = User | AnonymousUser | None


def may_have_file(asset: Asset, viewer: Viewer, role: str = Rendition.Role.SIGNED) -> bool:
    """Hidden works go to their owner alone: reviewers look at the desk, where each view is recorded with its reason.

    Adults-only works go to people with an account, originals (which may hold more metadata than meant for the public)
    to their owner and to reviewers, everything else to anybody.
    """
    if isinstance(viewer, User) and viewer.pk == asset.owner_id:
        return True
    if asset.is_hidden:
        return False
    if role == Rendition.Role.ORIGINAL:
        return _reviews(viewer)
    return asset.restriction != Asset.Restriction.AGE_RESTRICTED or isinstance(viewer, User)


def _reviews(viewer: Viewer) -> bool:
    return isinstance(viewer, User) and viewer.has_role(*SEE_HIDDEN)


def deliver(
    asset: Asset, viewer: Viewer, *, role: str = Rendition.Role.SIGNED, attachment: bool = True
) -> FileResponse:
    """The file as a response that no browser takes for a page. Raises NotFound (hidden) or Forbidden (adults only;
    hidden, for a reviewer)."""
    if not may_have_file(asset, viewer, role):
        if asset.restriction == Asset.Restriction.AGE_RESTRICTED and role != Rendition.Role.ORIGINAL:
            raise Forbidden(
                "This work is shown to adults only.", code="asset.age_restricted", next_step="Sign in to see it."
            )
        if asset.is_hidden and _reviews(viewer):
            raise Forbidden(
                "This work is hidden.",
                code="asset.restricted",
                next_step="Open it from its case, where the reason for looking is recorded.",
            )
        raise NotFound("file")
    rendition = asset.renditions.filter(role=role).first()
    if rendition is None:
        raise NotFound("file")
    response = FileResponse(
        storage.open_file(rendition.key),
        as_attachment=attachment,
        filename=_filename(asset, rendition),
        content_type=rendition.media_type,
    )
    response["Content-Length"] = str(rendition.size)
    response["X-Content-Type-Options"] = "nosniff"
    # A restriction takes effect at once: no cache may keep handing the file out.
    response["Cache-Control"] = "private, no-store"
    return response


def _filename(asset: Asset, rendition: Rendition) -> str:
    stem = slugify(asset.title)[:60] or str(asset.pk)
    return f"{stem}-{rendition.role}{media.SUFFIXES[rendition.media_type]}"
