"""People and machines that have an account, their organisations and roles."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils.functional import cached_property
from knox.models import AbstractAuthToken

from core.clock import now
from core.ids import uuid7


class Role(models.TextChoices):
    """What a person may do, always within an organisation (the office's own for those who serve it)."""

    CREATOR = "creator", "Creator"
    REVIEWER = "reviewer", "Reviewer"
    LEAD_REVIEWER = "lead_reviewer", "Lead reviewer"
    POLICY_EDITOR = "policy_editor", "Policy editor"
    LEGAL = "legal", "Lawyer"
    REGULATOR = "regulator", "Regulator"
    OPERATOR = "operator", "Operator"


# Who works at the review desk; a lead is a reviewer with more to answer for.
REVIEWERS = (Role.REVIEWER, Role.LEAD_REVIEWER)

# Whoever sees other people's data or decides about it proves who they are with a second factor.
SECOND_FACTOR_ROLES = frozenset({*REVIEWERS, Role.POLICY_EDITOR, Role.LEGAL, Role.REGULATOR, Role.OPERATOR})


class Organisation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField(default=now)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who may log in with this e-mail address; without password only by link or passkey."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person with an account. `actor` is how the ledger knows them: an opaque string that can be forgotten."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True, help_text="Shown to colleagues and on your own works.")
    language = models.CharField(max_length=8, default="en", help_text="In which they are written to.")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    joined_at = models.DateTimeField(default=now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def actor(self) -> str:
        return f"user:{self.pk}"

    @cached_property
    def roles(self) -> frozenset[Role]:
        if not self.is_active:
            return frozenset()
        return frozenset(Role(role) for role in self.memberships.values_list("role", flat=True))

    def has_role(self, *any_of: Role) -> bool:
        return bool(self.roles & set(any_of))

    @cached_property
    def organisation(self) -> Organisation | None:
        """The first organisation the person joined; what they register belongs to it."""
        membership = self.memberships.select_related("organisation").order_by("pk").first()
        return membership.organisation if membership else None


class Membership(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organisation = models.ForeignKey(Organisation, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(default=now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "organisation", "role"], name="one_membership_a_role")]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} at {self.organisation}"


class Scope(models.TextChoices):
    """What a machine token may do; never more than its owner may."""

    ASSETS_READ = "assets:read", "Read my assets"
    ASSETS_WRITE = "assets:write", "Register assets"
    NOTICES_WRITE = "notices:write", "File notices"
    CASES_READ = "cases:read", "Read cases"
    CASES_WRITE = "cases:write", "Decide cases"
    FLAGS_WRITE = "flags:write", "File notices in bulk as a trusted flagger"
    AUDIT_READ = "audit:read", "Query and export the audit log"
    WEBHOOKS = "webhooks:manage", "Manage my organisations' web hooks"


class MachineToken(AbstractAuthToken):
    """A token for a machine: named, scoped, expiring, stored only as a hash (knox)."""

    name = models.CharField(max_length=80)
    scopes = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.name


class LoginLink(models.Model):
    """A one-time login link, made by the operator or for demo people. Only the token's hash is kept."""

    token_hash = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"login link for {self.user}"
