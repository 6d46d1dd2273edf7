"""/api/v1/notices, flagger, counter-notices: filing, one by one or in bulk, and following with number and PIN."""

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from accounts.models import MachineToken, Scope, User
from accounts.permissions import Public, allow
from core.http import one_file
from core.problems import Forbidden, NotFound, Problem, invalid
from detection.models import Finding
from detection.shown import runs_of
from policy.api import api_notice_shapes as shapes
from policy.api.api_cases import PIN, by_pin, notifier, person, read
from policy.filing import counter_notices, court_actions, flaggers, notice_ends, notice_pins, notices
from policy.models import CounterNotice, Decision, Flag, Notice, TrustedFlagger
from provenance.api_shapes import problems
from provenance.models import Asset

# --- One by one ----------------------------------------------------------------------------------------------------


def subject(values: dict[str, Any], by: User | None) -> dict[str, Any]:
    """The verb's arguments with the rows that the ids name. Raises NotFound for what this caller may not know of."""
    asset, flag, finding = (values.pop(name, None) for name in ("asset", "flag", "finding"))
    visible = Asset.objects.visible_to(by)
    found: dict[str, Any] = {}
    if asset is not None:
        found["asset"] = visible.filter(pk=asset).first()
    if flag is not None:
        rows = Flag.objects.select_related("asset", "case", "entry")
        found["flag"] = rows.filter(pk=flag, asset__in=visible).first()
    if finding is not None:
        found["finding"] = _shown(finding, by)
    for name, row in found.items():
        if row is None:
            raise NotFound(name)
    return {**values, **found}


def sworn_by_person(request: Request, values: Mapping[str, Any]) -> None:
    """Raises Forbidden where a token swears: an oath opens a person's address, and takes a work away."""
    if values.get("sworn") and isinstance(request.auth, MachineToken):
        raise Forbidden("Statements are sworn by people, not by tokens.", code="token.scope")


def _shown(pk: UUID, by: User | None) -> Finding | None:
    """The finding, if a page shows it to this caller."""
    found = Finding.objects.select_related("run__asset").filter(pk=pk).first()
    if found is None or found.run.asset is None:
        return None
    if not Asset.objects.visible_to(by).filter(pk=found.run.asset_id).exists():
        return None
    shown = (one.pk for run in runs_of(by, found.run.asset_id) for one in run.findings.all())
    return found if found.pk in shown else None


class NoticesView(APIView):
    """File a notice, with or without an account."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "notices"

    @extend_schema(
        operation_id="notice_file",
        request=shapes.NoticeRequest,
        responses={201: shapes.NoticeFiledShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        by = notifier(request)
        values = read(shapes.NoticeRequest, request)
        sworn_by_person(request, values)
        notice, pin = notices.file_notice(by=by, **subject(values, by))
        return Response(shapes.NoticeFiledShape(_filed(notice, pin)).data, status=201)


def _filed(notice: Notice, pin: str) -> dict[str, Any]:
    return {
        "number": notice.number,
        "pin": pin,
        "state": notice.state,
        "missing": notice.missing,
        "clocks": notice.clocks.order_by("due_at"),
        "acknowledged_at": notice.acknowledged_at,
        "acknowledgement": f"/api/v1/log/acknowledgements/{notice.entry_id}" if notice.entry_id else None,
    }


class ByPin(APIView):
    """What somebody with number and PIN may do."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "pin"


class NoticeView(ByPin):
    """A notice, for whoever has its number and PIN."""

    @extend_schema(
        operation_id="notice_status", parameters=[PIN], responses={200: shapes.NoticeShape, **problems(401, 404, 429)}
    )
    def get(self, request: Request, number: str) -> Response:
        return Response(shapes.NoticeShape(by_pin(request, number)).data)

    @extend_schema(
        operation_id="notice_complete",
        parameters=[PIN],
        request=shapes.CuringRequest,
        responses={200: shapes.NoticeShape, **problems(400, 401, 404, 409, 415, 429)},
    )
    def patch(self, request: Request, number: str) -> Response:
        notice = by_pin(request, number)
        values = read(shapes.CuringRequest, request)
        sworn_by_person(request, values)
        notices.complete_notice(notice, **values)
        return Response(shapes.NoticeShape(notice).data)

    @extend_schema(
        operation_id="notice_withdraw",
        parameters=[PIN],
        responses={200: shapes.NoticeShape, **problems(401, 404, 409, 429)},
    )
    def delete(self, request: Request, number: str) -> Response:
        """Withdrawn, not deleted: the page stays, and says so."""
        return Response(shapes.NoticeShape(notice_ends.withdraw(by_pin(request, number))).data)


class NoticeContestView(ByPin):
    """Say, once, that a notice is not manifestly unfounded: it counts again."""

    @extend_schema(
        operation_id="notice_contest",
        parameters=[PIN],
        request=shapes.GroundsRequest,
        responses={200: shapes.NoticeShape, **problems(400, 401, 404, 409, 415, 429)},
    )
    def post(self, request: Request, number: str) -> Response:
        notice = by_pin(request, number)
        return Response(shapes.NoticeShape(notice_ends.contest(notice, **read(shapes.GroundsRequest, request))).data)


class NoticeDocumentsView(ByPin):
    """Add a document: PDF, PNG, JPEG or plain text, 5 MiB, five in all."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="notice_attach",
        parameters=[PIN],
        request={
            "multipart/form-data": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}
        },
        responses={201: shapes.NoticeShape, **problems(400, 401, 404, 409, 413, 415, 429)},
    )
    def post(self, request: Request, number: str) -> Response:
        notice = by_pin(request, number)
        notices.attach(notice, one_file(request.FILES))
        return Response(shapes.NoticeShape(notice).data, status=201)


class NoticeActionView(ByPin):
    """Tell of an action in court against a counter-notice (17 U.S.C. 512(g)(2)(C))."""

    @extend_schema(
        operation_id="notice_action",
        parameters=[PIN],
        request=shapes.ActionRequest,
        responses={200: shapes.CounterNoticeShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, number: str) -> Response:
        notice = by_pin(request, number)
        row = counter_notices.answering(notice)
        if row is None:
            raise NotFound("counter-notice")
        values = read(shapes.ActionRequest, request)
        sworn_by_person(request, values)
        court_actions.tell_of_action(row, notice, **values)
        return Response(shapes.CounterNoticeShape(row).data)


# --- Trusted flaggers ----------------------------------------------------------------------------------------------


class FlaggerView(APIView):
    """Your organisation's designation, and what became of its notices."""

    permission_classes = [allow(scope=Scope.FLAGS_WRITE)]

    @extend_schema(operation_id="flagger_read", responses={200: shapes.FlaggerShape, **problems(401, 403, 404, 429)})
    def get(self, request: Request) -> Response:
        row = flaggers.of(person(request))
        if row is None:
            raise NotFound("designation of yours")
        return Response(shapes.FlaggerShape(row).data)


class BulkView(APIView):
    """File up to 500 notices. Each item is filed whole or not at all, and answered at its place; an item whose key was
    sent before is not filed again. Outside the designation's area or dates an item is an ordinary notice, and says so.
    """

    permission_classes = [allow(scope=Scope.FLAGS_WRITE)]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "notices"

    @extend_schema(
        operation_id="notice_bulk",
        request=shapes.BulkRequest,
        responses={200: shapes.BulkShape, **problems(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        by, items = person(request), read(shapes.BulkRequest, request)["items"]
        flagger = flaggers.of(by)
        if flagger is None:
            raise Forbidden(flaggers.why_ordinary(None, ""), code="flagger.none")
        if flagger.state != TrustedFlagger.State.ACTIVE:
            raise Forbidden(
                f"The designation is {flagger.get_state_display()}.",
                code="flagger.suspended",
                next_step="File one by one, as everybody does.",
            )
        pin = notice_pins.new_pin()  # one slow hash for the call: its notices share the PIN
        results = [{"index": n, **_one(request, item, flagger, pin)} for n, item in enumerate(items)]
        fresh = any(not result.get("replayed") and "number" in result for result in results)
        return Response({"pin": pin[0] if fresh else None, "results": results})


def _one(request: Request, item: Any, flagger: TrustedFlagger, pin: tuple[str, str]) -> dict[str, Any]:
    """One item's answer: filed, found filed before, or its problem."""
    said = item.get("key") if isinstance(item, Mapping) else None
    key = {"key": said[:200]} if isinstance(said, str) else {}
    try:
        return {**key, **_file_one(request, item, flagger, pin)}
    except Problem as problem:
        return {**key, "error": problem.as_dict()}
    except exceptions.ValidationError as error:
        return {**key, "error": invalid(error.detail).as_dict()}


def _file_one(request: Request, item: Any, flagger: TrustedFlagger, pin: tuple[str, str]) -> dict[str, Any]:
    form = shapes.BulkItem(data=item)
    form.is_valid(raise_exception=True)
    by, values = person(request), dict(form.validated_data)
    sworn_by_person(request, values)
    client_key = hashlib.sha256(values.pop("key").encode()).hexdigest()
    before = Notice.objects.filter(account=by, client_key=client_key).first()
    if before is not None:
        return _told(before, replayed=True)
    why = flaggers.why_ordinary(flagger, values.get("category", ""), kind=values.get("kind", Notice.Kind.REPORT))
    asked = {**subject(values, by), "by": by, "client_key": client_key, "pin": pin}
    try:
        notice, _ = notices.file_notice(flagger=None if why else flagger, **asked)
    except IntegrityError:
        racing = Notice.objects.filter(account=by, client_key=client_key).first()
        if racing is None:
            raise
        return _told(racing, replayed=True)  # the same key, a moment ago
    return {**_told(notice, replayed=False), **({"ordinary_because": why} if why else {})}


def _told(notice: Notice, *, replayed: bool) -> dict[str, Any]:
    return {
        "number": notice.number,
        "state": notice.state,
        "missing": notice.missing,
        "trusted": notice.flagger_id is not None,
        "replayed": replayed,
    }


# --- Counter-notices -----------------------------------------------------------------------------------------------


class CounterNoticeView(APIView):
    """The uploader's counter-notice against a decision about copyright."""

    permission_classes = [allow()]

    @extend_schema(
        operation_id="counter_notice_read", responses={200: shapes.CounterNoticeShape, **problems(401, 403, 404, 429)}
    )
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(shapes.CounterNoticeShape(self._own(request, pk)).data)

    @extend_schema(
        operation_id="counter_notice_file",
        request=shapes.CounterNoticeRequest,
        responses={201: shapes.CounterNoticeShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        decision = Decision.objects.select_related("case__asset", "entry").filter(pk=pk).first()
        if decision is None or decision.case.asset is None or decision.case.asset.owner_id != person(request).pk:
            raise NotFound("decision about a work of yours")
        values = {"details": {}, **read(shapes.CounterNoticeRequest, request)}
        row = counter_notices.file_counter_notice(decision, self._swearing(request), **values)
        return Response(shapes.CounterNoticeShape(row).data, status=201)

    @extend_schema(
        operation_id="counter_notice_complete",
        request=shapes.CounterNoticeRequest,
        responses={200: shapes.CounterNoticeShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def patch(self, request: Request, pk: UUID) -> Response:
        self._swearing(request)
        values = {"details": {}, **read(shapes.CounterNoticeRequest, request)}
        return Response(shapes.CounterNoticeShape(counter_notices.complete(self._own(request, pk), **values)).data)

    def _own(self, request: Request, pk: UUID) -> CounterNotice:
        rows = CounterNotice.objects.select_related("decision__case__asset", "by", "entry")
        row = rows.filter(decision=pk, by=person(request)).first()
        if row is None:
            raise NotFound("counter-notice of yours")
        return row

    def _swearing(self, request: Request) -> User:
        if isinstance(request.auth, MachineToken):
            raise Forbidden("Statements are sworn by people, not by tokens.", code="token.scope")
        return person(request)
