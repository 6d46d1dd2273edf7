"""Who may call which API address. Default-deny: a view that names nothing answers 403."""

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission

from accounts.models import MachineToken, Role, Scope, User

if TYPE_CHECKING:  # DRF's views import their default permissions, this module
    from rest_framework.request import Request
    from rest_framework.views import APIView


class DenyUnlessAllowed(BasePermission):
    """The default: nobody."""

    message = "This address is not open to your account."

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return False


class Public(BasePermission):
    """Anyone, on purpose."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return True


def allow(*roles: Role, scope: Scope | None = None) -> type[BasePermission]:
    """A permission: a signed-in person with one of `roles` (any person if none is named); a machine needs `scope` too.

    A machine token never opens an address that names no scope.
    """

    class Allowed(BasePermission):
        message = "Your account or token may not do this."

        def has_permission(self, request: "Request", view: "APIView") -> bool:
            user: Any = request.user
            if not isinstance(user, User) or not user.is_active:
                return False
            if roles and not user.has_role(*roles):
                return False
            if isinstance(request.auth, MachineToken):
                return scope is not None and scope in request.auth.scopes
            return True

    return Allowed
