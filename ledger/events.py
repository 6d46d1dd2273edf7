"""What can happen: every event type of the log, `subject:action`. A name once used is never re-used or changed.

New types are added at the end with the next registry version; a reader that meets a type it does not know still
checks every proof, because proofs do not depend on types.
"""

from enum import StrEnum
from typing import Final

REGISTRY_VERSION: Final = 4


class EventType(StrEnum):
    """Registry version 4. The types of version 1 end with `login_link:used`, of 2 with `log:recovered`, of 3 with
    `certificate:revoked`.
    """

    ASSET_REGISTERED = "asset:registered"
    ASSET_RESTRICTED = "asset:restricted"
    ASSET_RESTORED = "asset:restored"
    DETECTION_RECORDED = "detection:recorded"
    CONSENT_REQUESTED = "consent:requested"
    CONSENT_GIVEN = "consent:given"
    CONSENT_REFUSED = "consent:refused"
    CONSENT_WITHDRAWN = "consent:withdrawn"
    NOTICE_FILED = "notice:filed"
    FLAG_RAISED = "flag:raised"
    FLAG_SETTLED = "flag:settled"
    CASE_OPENED = "case:opened"
    CASE_ASSIGNED = "case:assigned"
    DECISION_MADE = "decision:made"
    ACTION_EXECUTED = "action:executed"
    ACTION_REVERSED = "action:reversed"
    APPEAL_FILED = "appeal:filed"
    APPEAL_DECIDED = "appeal:decided"
    DATA_ACCESSED = "data:accessed"
    ERASURE_REQUESTED = "erasure:requested"
    ERASURE_PERFORMED = "erasure:performed"
    EXPORT_MADE = "export:made"
    ACCESS_AUDITED = "access:audited"
    TOKEN_CREATED = "token:created"  # noqa: S105 - an event's name
    TOKEN_REVOKED = "token:revoked"  # noqa: S105 - an event's name
    MEDIA_VIEWED = "media:viewed"
    NOTICE_COMPLETED = "notice:completed"
    CLOCK_MISSED = "clock:missed"
    CASE_CLOSED = "case:closed"
    CASE_REOPENED = "case:reopened"
    ROLE_GRANTED = "role:granted"
    LOGIN_LINK_MADE = "login_link:made"
    LOGIN_LINK_USED = "login_link:used"
    KEY_ROTATED = "key:rotated"
    LOG_SUCCEEDED = "log:succeeded"
    RECORD_CHANGED = "record:changed"
    HOLD_PLACED = "hold:placed"
    HOLD_RELEASED = "hold:released"
    LOG_RECOVERED = "log:recovered"
    MANIFEST_UPDATED = "manifest:updated"
    MANIFEST_REDACTED = "manifest:redacted"
    TRUST_LIST_ADDED = "trust_list:added"
    CERTIFICATE_ROTATED = "certificate:rotated"
    CERTIFICATE_REVOKED = "certificate:revoked"
    MODEL_REGISTERED = "model:registered"
    MODEL_STAGED = "model:staged"
    LABEL_RECORDED = "label:recorded"
    MODEL_AUDITED = "model:audited"
    DRIFT_ALARMED = "drift:alarmed"
    FEDERATION_ROUND = "federation:round"
