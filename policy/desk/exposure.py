"""What looking at sealed media costs, and how much of it a person may do in a day (I19).

The scale is this office's own; no law gives one. Why it has this shape: blur and grey were measured to lower the
strain of moderators while they still decide correctly (Karunakaran and Ramakrishan, "Testing Stylistic Interventions
to Reduce Emotional Impact of Content Moderation Workers", HCOMP 2019; Das, Dang and Lease, "Fast, Accurate, and
Healthier: Interactive Blurring Helps Moderators Reduce Exposure to Harmful Content", HCOMP 2020). So a softened step
costs less than a clear one, and every step costs in proportion to the severity of the case.
"""

import datetime as dt
from typing import Final

from django.conf import settings
from django.db.models import Sum

from accounts.models import User
from core.clock import now
from policy.models import Case, MediaView, ReviewerProfile
from provenance.models import Asset, Rendition

Step = MediaView.Step
# From the softest to the fullest. Each is one press of its own, recorded with its reason (I20).
LADDER: Final = (Step.SOFT, Step.GREY, Step.CLEAR, Step.SOUND)
# Points a step, times the severity of the case (1 to 3). With the usual 60 points a day: five pictures of the worst
# kind seen clearly, or fifteen of the mildest.
POINTS: Final = {Step.SOFT: 1, Step.GREY: 1, Step.CLEAR: 2, Step.SOUND: 2}
# A reason given to look holds for one sitting, not for ever.
LOOK_FOR: Final = dt.timedelta(hours=1)
_LEAST_DAILY: Final = 4


def is_above(step: Step, other: Step | None) -> bool:
    """Whether `step` shows more than `other`; None shows nothing."""
    return other is None or LADDER.index(step) > LADDER.index(other)


def points(step: str, severity: int) -> int:
    """What this step counts in a case of this severity."""
    return POINTS[Step(step)] * max(1, severity)


def spent(user: User) -> int:
    """Points of the current day (UTC)."""
    today = now().replace(hour=0, minute=0, second=0, microsecond=0)
    views = MediaView.objects.filter(reviewer=user, created_at__gte=today)
    return int(views.aggregate(sum=Sum("points"))["sum"] or 0)


def daily(profile: ReviewerProfile) -> int:
    """Points a day: the office's budget, or less where the person asked for less. Never more."""
    own = profile.floor.get("daily")
    return min(profile.budget, own) if isinstance(own, int) else profile.budget


def left(user: User) -> int:
    """Points left today; 0 for who is no reviewer."""
    profile = ReviewerProfile.objects.filter(user=user).first()
    return left_of(profile) if profile else 0


def left_of(profile: ReviewerProfile) -> int:
    """As `left`, of a profile that is there already."""
    return max(0, daily(profile) - spent(profile.user))


def highest(profile: ReviewerProfile | None) -> Step:
    """The fullest step this person is ever shown: the office's, or a softer one of their own choice. Never fuller."""
    office = Step(settings.ASSAY_REVIEW_HIGHEST_STEP)
    own = profile.floor.get("highest") if profile else None
    return min(office, Step(own), key=LADDER.index) if own in Step.values else office


def steps_of(asset: Asset) -> tuple[Step, ...]:
    """The steps there are for this work: sound has nothing to blur, a still picture nothing to hear, and of what this
    office could not draw there is only the file itself.
    """
    if asset.kind == Asset.Kind.AUDIO:
        return (Step.SOUND,)
    drawn = asset.renditions.filter(role=Rendition.Role.PREVIEW).exists()
    softened = LADDER[:2] if drawn else ()
    return (*softened, *(LADDER[2:] if asset.kind == Asset.Kind.VIDEO else (Step.CLEAR,)))


def unlocked(case: Case, user: User) -> Step | None:
    """The fullest step that `user` gave a reason for within the hour; None while all is sealed."""
    recent = MediaView.objects.filter(case=case, reviewer=user, created_at__gt=now() - LOOK_FOR)
    seen = set(recent.values_list("step", flat=True))
    return max((Step(step) for step in seen), key=LADDER.index, default=None)


def next_step(asset: Asset, at: Step | None) -> Step | None:
    """The step above `at` for this work; None above the last."""
    return next((step for step in steps_of(asset) if is_above(step, at)), None)


def checked_daily(value: int, budget: int) -> str:
    """What is wrong with a person's own number of points a day; "" when nothing is."""
    if not _LEAST_DAILY <= value <= budget:
        return f"From {_LEAST_DAILY} to {budget}: you can ask for less than the office's {budget}, never for more."
    return ""
