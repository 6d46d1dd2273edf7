"""The one error for people and machines: RFC 9457 problem details.

A domain verb raises `Problem`; the API renders it as `application/problem+json`, a page renders the same words as HTML.
`code` is stable (`media.truncated`), `title` is the same for every occurrence of the code, `detail` says what was
wrong this time and `next_step` what to do about it.
"""

from collections.abc import Mapping


class Problem(Exception):
    """A refusal that a person can understand.

    status: HTTP status, 4xx (or 503 when the office itself is the cause).
    extra: further members of the problem object, JSON values only.
    """

    def __init__(
        self,
        code: str,
        title: str,
        *,
        status: int = 400,
        detail: str = "",
        next_step: str = "",
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {title} {detail}".strip())
        self.code = code
        self.title = title
        self.status = status
        self.detail = detail
        self.next_step = next_step
        self.extra = dict(extra or {})

    def as_dict(self, instance: str = "") -> dict[str, object]:
        """The problem object of RFC 9457, `type` being a page of this office that explains the code."""
        body: dict[str, object] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.next_step:
            body["next_step"] = self.next_step
        if instance:
            body["instance"] = instance
        return {**body, **self.extra}


def invalid(
    errors: object,
    *,
    detail: str = "See `errors` for each field.",
    next_step: str = "Correct these fields and send again.",
) -> Problem:
    """The refusal of wrong input. errors: {field: [message, …]}, or what DRF's serializers say (nested the same)."""
    extra = {"errors": errors}
    return Problem(
        "request.invalid", "Some values are missing or wrong", detail=detail, next_step=next_step, extra=extra
    )


class NotFound(Problem):
    """Also raised for what the caller may not know about: existence is not leaked."""

    def __init__(self, what: str = "page") -> None:
        super().__init__(
            "not_found",
            "Not found",
            status=404,
            detail=f"There is no such {what} here, or you may not see it.",
        )


class Forbidden(Problem):
    """The caller is known and may not do this."""

    def __init__(self, detail: str, *, code: str = "forbidden", next_step: str = "") -> None:
        super().__init__(code, "Not allowed", status=403, detail=detail, next_step=next_step)


class Conflict(Problem):
    """The thing is not in a state in which this can be done."""

    def __init__(self, detail: str, *, code: str = "conflict", next_step: str = "") -> None:
        super().__init__(code, "Not possible in this state", status=409, detail=detail, next_step=next_step)
