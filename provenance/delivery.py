"""Handing a work's files out: the one place that decides whether somebody may have them."""

from django.contrib.auth.models import AnonymousUser
from django.http import FileResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.text import slugify

from accounts.models import User
from core import storage
from core.problems import Forbidden, NotFound, Problem
from provenance import descent, manifests, media, restriction
from provenance.models import SEE_HIDDEN, Asset, Rendition

Viewer = User | AnonymousUser | None

# What a browser shows or plays by itself. Drawings (SVG) and documents (PDF) can carry programs, text can be taken for
# a page: they are only ever handed out as a download, and under a type that no program opens by itself.
SHOWN = frozenset({*media.PICTURES, *media.DEMUXERS})
DOWNLOADED = frozenset({*SHOWN, media.SVG, media.PDF})
# If a browser shows it all the same, it gets no scripts, no forms, no cookies of this office and fetches nothing.
GUARD = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


def served_as(media_type: str) -> str:
    """The Content-Type under which a stored file of this type leaves the office."""
    return media_type if media_type in DOWNLOADED else media.BINARY


def refusal(asset: Asset, viewer: Viewer, role: str = Rendition.Role.SIGNED) -> Problem | None:
    """Why `viewer` does not get this rendition of `asset`, None if they do: Forbidden, or NotFound for what they may
    not know of.

    Hidden works go to their owner alone: reviewers look at the desk, where each view is recorded with its reason.
    Adults-only works go to people with an account, originals (which may hold more metadata than meant for the public)
    to their owner and to reviewers, everything else to anybody, unless its credential tells of an earlier work that may
    not be told of (`provenance.descent`).
    """
    carried = None if role == Rendition.Role.PREVIEW else descent.refusal(asset, viewer)
    if isinstance(viewer, User) and viewer.pk == asset.owner_id:
        return carried
    if asset.is_hidden:
        return _hidden() if _reviews(viewer) else NotFound("file")
    if role == Rendition.Role.ORIGINAL:
        return carried if _reviews(viewer) else NotFound("file")
    if not _reviews(viewer) and (elsewhere := restriction.refusal_here(asset)):
        return elsewhere
    if asset.restriction == Asset.Restriction.AGE_RESTRICTED and not isinstance(viewer, User):
        detail = "This work is restricted to adults."
        return Forbidden(detail, code="asset.age_restricted", next_step="Sign in to see it.")
    return carried


def _hidden() -> Forbidden:
    return Forbidden(
        "This work is hidden.",
        code="asset.restricted",
        next_step="Open it from its case, where the reason for looking is recorded.",
    )


def _reviews(viewer: Viewer) -> bool:
    return isinstance(viewer, User) and viewer.has_role(*SEE_HIDDEN)


def deliver(
    asset: Asset, viewer: Viewer, *, role: str = Rendition.Role.SIGNED, attachment: bool = True, known: str = ""
) -> HttpResponseBase:
    """The file as a response. known: see `stored`. Raises what `refusal` tells, NotFound for a file there is not: a
    work registered by its SHA-256 has none, a document no preview."""
    refused = refusal(asset, viewer, role)
    if refused is not None:
        raise refused
    rendition = asset.renditions.filter(role=role).first()
    if rendition is None:
        raise NotFound("file")
    name = name_of(asset, rendition)
    response = stored(rendition.key, rendition.media_type, name, attachment=attachment, known=known)
    if link := manifests.link(asset, role):
        response["Link"] = link
    return response


def stored(key: str, media_type: str, filename: str, *, attachment: bool = False, known: str = "") -> HttpResponseBase:
    """A stored file as a response that no browser takes for a page. Who may have it was decided before.

    known: `If-None-Match` of the request: whoever has these very bytes is told so (304). The key names the content, so
    it is its own ETag; a restriction takes effect at once, so a browser asks again each time.
    """
    etag = f'"{key.rpartition("/")[2][:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
    if known == etag:
        return HttpResponseNotModified(headers=headers)
    return FileResponse(
        storage.open_file(key),
        as_attachment=attachment or media_type not in SHOWN,
        filename=filename,
        content_type=served_as(media_type),
        headers=headers | GUARD,
    )


def name_of(asset: Asset, rendition: Rendition) -> str:
    """What a file of `asset` is called where it is handed out."""
    stem = slugify(asset.title)[:60] or str(asset.pk)
    return f"{stem}-{rendition.role}{media.suffix(rendition.media_type)}"
