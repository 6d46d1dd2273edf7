"""The HTTP manners of the whole house: one error shape, one way of paging, limits before the body is read."""

from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from rest_framework import exceptions as drf
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from core.problems import Forbidden, NotFound, Problem, invalid
from core.storage import TooLarge

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
GetResponse = Callable[[HttpRequest], HttpResponse]


def wants_json(request: HttpRequest) -> bool:
    """The API always; elsewhere who prefers JSON to HTML."""
    if request.path.startswith("/api/"):
        return True
    accept = request.headers.get("Accept", "")
    return "json" in accept and "text/html" not in accept


def problem_response(request: HttpRequest, problem: Problem) -> HttpResponse:
    """The problem as problem+json for the API, as a page with the same words for people."""
    if wants_json(request):
        return JsonResponse(problem.as_dict(request.path), status=problem.status, content_type=PROBLEM_JSON)
    if getattr(request, "htmx", False):
        response = render(request, "problem_fragment.html", {"problem": problem}, status=problem.status)
        response["HX-Retarget"], response["HX-Reswap"] = "#messages", "innerHTML"
        return response
    return render(request, "problem.html", {"problem": problem}, status=problem.status)


def drf_problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER: every refusal becomes problem+json; what is not a refusal stays a 500."""
    problem, headers = _as_problem(error), {}
    if problem is None:
        return None
    if isinstance(error, drf.APIException):
        if getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = error.auth_header  # type: ignore[attr-defined]  # set by DRF's views
        if getattr(error, "wait", None):
            headers["Retry-After"] = f"{error.wait:.0f}"  # type: ignore[attr-defined]
    request = context["request"]
    response = Response(
        problem.as_dict(request.path), status=problem.status, headers=headers, content_type=PROBLEM_JSON
    )
    from rest_framework.renderers import JSONRenderer  # DRF's settings name this module while renderers load

    request.accepted_renderer, request.accepted_media_type = JSONRenderer(), PROBLEM_JSON
    return response


_DRF_CODES: list[tuple[type[drf.APIException], str, str]] = [
    (drf.ParseError, "request.unreadable", "The request could not be read"),
    (drf.NotAuthenticated, "auth.missing", "Not signed in"),
    (drf.AuthenticationFailed, "auth.failed", "The token is not valid"),
    (drf.PermissionDenied, "forbidden", "Not allowed"),
    (drf.MethodNotAllowed, "request.method", "This address does not answer that method"),
    (drf.NotAcceptable, "request.accept", "No such format here"),
    (drf.UnsupportedMediaType, "request.media_type", "This address does not read that media type"),
    (drf.Throttled, "request.throttled", "Too many requests"),
    (drf.NotFound, "not_found", "Not found"),
]


def _as_problem(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case Http404():
            return NotFound()
        case PermissionDenied():
            return Forbidden("Your account may not do this.")
        case RequestDataTooBig():  # whatever is no file is held in memory, so it may not be large
            return Problem(
                "request.too_large",
                "The request is too large",
                status=413,
                detail=f"What is no file may have {settings.DATA_UPLOAD_MAX_MEMORY_SIZE >> 20} MiB at most.",
                next_step="Send less in one request.",
            )
        case drf.ValidationError():
            return invalid(error.detail)
        case drf.APIException():
            code, title = next(
                ((code, title) for kind, code, title in _DRF_CODES if isinstance(error, kind)),
                ("request", "Refused"),
            )
            return Problem(code, title, status=error.status_code, detail=str(error.detail))
    return None


class ProblemMiddleware:
    """Turns a `Problem` raised by a page's view into a readable page."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return problem_response(request, error) if isinstance(error, Problem) else None


class BodyLimitMiddleware:
    """Refuses by Content-Length before a byte of the body is read; chunked bodies are stopped by `LimitedUpload`."""

    # The multipart frame and the form's other fields come on top of the file.
    ALLOWANCE = 1 << 20

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            length = int(request.META.get("CONTENT_LENGTH") or 0)
        except ValueError:
            length = 0
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info:
            # No name or number has one, and PostgreSQL cannot store it.
            return bad_request(request, ValueError("NUL in the address"))
        if length > settings.ASSAY_MAX_UPLOAD_BYTES + self.ALLOWANCE:
            response = problem_response(request, TooLarge(settings.ASSAY_MAX_UPLOAD_BYTES))
            response["Connection"] = "close"
            return response
        return self.get_response(request)


class LimitedUpload(TemporaryFileUploadHandler):
    """Django's upload handler, stopped at the limit; its file is in our scratch folder and removed on refusal."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        self.received += len(raw_data)
        if self.received > settings.ASSAY_MAX_UPLOAD_BYTES:
            self.file.close()
            raise TooLarge(settings.ASSAY_MAX_UPLOAD_BYTES)
        return super().receive_data_chunk(raw_data, start)


class HeadersMiddleware:
    """Headers Django has no setting for."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), interest-cohort=()"
        )
        return response


class ByNewest(CursorPagination):
    """`?cursor=` paging for rows with a UUIDv7 key, newest first."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200


def one_file(files: Any, name: str = "file") -> "UploadedFile[bytes]":
    """The uploaded file called `name`. Raises Problem when there is none, or more than one."""
    if len(files.getlist(name)) > 1:
        raise Problem(
            "media.several",
            "More than one file was sent",
            detail=f"The form has several parts called “{name}”; which of them is meant, nobody can tell.",
            next_step="Send one file in each request.",
        )
    file = files.get(name)
    if not isinstance(file, UploadedFile):
        raise Problem(
            "media.missing",
            "No file was sent",
            detail=f"The form field “{name}” must hold a file.",
            next_step="Choose a file and send the form again.",
        )
    return file


# --- Django's error views ------------------------------------------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    problem = exception if isinstance(exception, Problem) else None
    return problem_response(
        request,
        problem or Problem("request.unreadable", "The request could not be read", detail="It is not well formed."),
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, Forbidden("Your account may not open this page."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return problem_response(request, NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    problem = Problem(
        "office.error",
        "Something broke on our side",
        status=500,
        detail="The error was recorded. Nothing you sent was half kept.",
        next_step="Try again in a minute; if it happens again, tell the operator the time.",
    )
    if wants_json(request):
        return problem_response(request, problem)
    return render(request, "500.html", {"problem": problem}, status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    problem = Forbidden(
        "This form was open too long, or was not sent from this site.",
        code="request.csrf",
        next_step="Go back, reload the page and send the form again.",
    )
    return problem_response(request, problem)
