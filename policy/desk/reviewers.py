"""Reviewers: what each may work on, and why not. What changes a profile is in `policy.desk.roster`."""

from collections.abc import Iterable

from accounts.models import User
from policy.desk import exposure
from policy.models import Category, ReviewerProfile

# How somebody without a profile of a reviewer is called outside: an operator, a lawyer.
NO_ALIAS = "the office"


def profile_of(user: User) -> ReviewerProfile | None:
    """Read anew each time: a lead may have paused or trained this person a moment ago."""
    return ReviewerProfile.objects.filter(user=user).select_related("user", "manager").first()


def why_not(user: User, category: str) -> str:
    """Why `user` may not work on cases of this category now, in plain words; "" when they may (I19, I24)."""
    profile = profile_of(user)
    return resting(profile) or _untrained(profile, category)


def resting(profile: ReviewerProfile | None) -> str:
    """Why there is no queue at all for this person now, and what to do about it; "" when there is one (I19)."""
    if profile is None or not profile.trained:
        return (
            "You have not been trained for any kind of case yet. Ask a lead reviewer: once your training is entered on "
            "the roster, the cases you are trained for appear here."
        )
    if profile.paused:
        return "Your work at the desk is paused. A lead reviewer can end the pause when you want to go on."
    if not exposure.left_of(profile):
        return (
            "You have looked at enough for today. Thank you; the rest waits, or goes to somebody else. There are cases "
            "for you again after midnight (UTC)."
        )
    return ""


def _untrained(profile: ReviewerProfile | None, category: str) -> str:
    if profile is not None and category in profile.trained:
        return ""
    return (
        f"You have not been trained for cases of the kind “{Category(category).label}”, so somebody who has been "
        "works on them."
    )


def categories(user: User) -> frozenset[str]:
    """The categories `user` is trained for, whether or not they may work now. Decides what they may open (I24)."""
    profile = profile_of(user)
    return frozenset(profile.trained) & frozenset(Category.values) if profile else frozenset()


def alias(user: User | None) -> str:
    """What outsiders read in place of a reviewer's name."""
    profile = ReviewerProfile.objects.filter(user=user).first() if user else None
    return profile.alias if profile else NO_ALIAS


def aliases(users: Iterable[User]) -> dict[object, str]:
    """{primary key: alias} of many, by one query."""
    rows = ReviewerProfile.objects.filter(user__in=[user.pk for user in users])
    return dict(rows.values_list("user_id", "alias"))
