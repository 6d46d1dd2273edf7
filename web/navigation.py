"""The header's links: what each person may open, in the order of their work."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.models import REVIEWERS, Role, User
from policy.deciding.statement_prose import language_of

SIGNED_IN: frozenset[Role] = frozenset()


@dataclass(frozen=True)
class Link:
    """roles: None is everyone, an empty set every signed-in person, else any of them. spoken: the page is there in the
    languages of `web.languages`, each at an address of its own below this one.
    """

    label: str | Promise
    path: str
    roles: frozenset[Role] | None = None
    spoken: bool = False


LINKS = (
    Link(_("Check a file"), "/"),
    Link(_("Studio"), "/studio/", frozenset({Role.CREATOR})),
    Link(_("Review desk"), "/review/", frozenset(REVIEWERS)),
    Link(_("Appeals"), "/appeals/", frozenset(REVIEWERS)),
    Link(_("Rules"), "/rules/packs/", frozenset({Role.POLICY_EDITOR, Role.LEGAL})),
    Link(_("Out of court"), "/appeals/outside/", frozenset({Role.LEGAL})),
    Link(_("Operations"), "/operations/", frozenset({Role.LEAD_REVIEWER, Role.OPERATOR})),
    Link(_("Audit"), "/regulator/", frozenset({Role.REGULATOR, Role.OPERATOR})),
    Link(_("Register"), "/register/"),
    Link(_("Learn"), "/learn/", spoken=True),
    Link(_("Report media"), "/report/"),
)
MINE = (
    Link(_("My desk"), "/desk/", SIGNED_IN),
    Link(_("Machine tokens"), "/tokens/", SIGNED_IN),
    Link(_("Web hooks"), "/account/webhooks/", SIGNED_IN),
    Link(_("Sign-in and security"), "/account/2fa/", SIGNED_IN),
    Link(_("E-mail address"), "/account/email/", SIGNED_IN),
)


def links_for(request: HttpRequest, links: tuple[Link, ...]) -> Iterator[dict[str, object]]:
    """The links this person sees, each with `current` (the page itself) or `within` (a page below it)."""
    user = getattr(request, "user", None)
    for link in links:
        if link.roles is not None and not (isinstance(user, User) and user.is_authenticated):
            continue
        if link.roles and not (user and user.has_role(*link.roles)):
            continue
        here = request.path == link.path or (link.path != "/" and request.path.startswith(link.path))
        path = f"{link.path}{language_of(get_language() or '')}/" if link.spoken else link.path
        yield {"label": link.label, "path": path, "current": here}
