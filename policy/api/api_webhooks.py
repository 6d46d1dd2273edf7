"""/api/v1/webhooks: thin doors into the verbs on web hooks."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope
from accounts.permissions import Public, allow
from core.problems import NotFound
from policy.api.api_cases import person, read
from policy.api.api_shapes import Shape
from policy.hooks import guard, payloads, signatures, webhooks
from policy.models import HookDelivery, Webhook
from provenance.api_shapes import problems

members = allow(scope=Scope.WEBHOOKS)
# Of the delivery log.
SHOWN = 100
_EVENTS = serializers.ListField(
    child=serializers.ChoiceField(choices=[(event.value, event.value) for event in payloads.EVENTS]),
    required=False,
    max_length=len(payloads.EVENTS),
    help_text="Those that are told; none: all.",
)


class ChangeRequest(Shape):
    url = serializers.CharField(max_length=guard.LONGEST, help_text="https, a public host.")
    events = _EVENTS


class WebhookRequest(ChangeRequest):
    organisation = serializers.UUIDField(required=False, help_text="One of yours; if you have one only, that.")
    signing = serializers.ChoiceField(choices=Webhook.Signing.choices, required=False)


class StateRequest(Shape):
    state = serializers.ChoiceField(choices=[Webhook.State.ACTIVE.value, Webhook.State.PAUSED.value])


class WebhookShape(serializers.ModelSerializer[Webhook]):
    events = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Webhook
        fields = ["id", "organisation", "url", "events", "signing", "state", "failures", "created_at"]


class WebhookMadeShape(WebhookShape):
    secret = serializers.CharField(allow_blank=True, help_text="Of HMAC: whsec_…, told once.")

    class Meta(WebhookShape.Meta):
        fields = [*WebhookShape.Meta.fields, "secret"]


class SecretShape(Shape):
    secret = serializers.CharField(help_text="whsec_…, told once. The one before signs for a day too.")


class KeyShape(Shape):
    key = serializers.CharField(allow_blank=True, help_text="whpk_…, Ed25519; empty until somebody uses it.")


class DeliveryShape(serializers.ModelSerializer[HookDelivery]):
    class Meta:
        model = HookDelivery
        fields = [
            *("id", "event", "key", "payload", "state", "tries", "next_at", "status", "error"),
            *("created_at", "done_at"),
        ]


class WebhooksView(APIView):
    """The web hooks of your organisations; make one."""

    permission_classes = [members]

    @extend_schema(operation_id="webhook_list", responses={200: WebhookShape(many=True), **problems(401, 403, 429)})
    def get(self, request: Request) -> Response:
        return Response(WebhookShape(webhooks.of(person(request)), many=True).data)

    @extend_schema(
        operation_id="webhook_make",
        request=WebhookRequest,
        responses={201: WebhookMadeShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def post(self, request: Request) -> Response:
        user, values = person(request), read(WebhookRequest, request)
        mine = list(webhooks.organisations(user))
        wanted = values.pop("organisation", mine[0].pk if len(mine) == 1 else None)
        organisation = next((one for one in mine if one.pk == wanted), None)
        if organisation is None:
            raise NotFound("organisation of yours")
        hook, secret = webhooks.make(user, organisation, **values)
        return Response({**WebhookShape(hook).data, "secret": secret}, status=201)


class WebhookView(APIView):
    """One web hook: read it, send elsewhere or other events, remove it."""

    permission_classes = [members]

    @extend_schema(operation_id="webhook_read", responses={200: WebhookShape, **problems(401, 403, 404, 429)})
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(WebhookShape(_hook(request, pk)).data)

    @extend_schema(
        operation_id="webhook_change",
        request=ChangeRequest,
        responses={200: WebhookShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def put(self, request: Request, pk: UUID) -> Response:
        hook, values = _hook(request, pk), read(ChangeRequest, request)
        webhooks.change(hook, person(request), url=values["url"], events=values.get("events", []))
        return Response(WebhookShape(hook).data)

    @extend_schema(operation_id="webhook_remove", responses={204: None, **problems(401, 403, 404, 409, 429)})
    def delete(self, request: Request, pk: UUID) -> Response:
        webhooks.remove(_hook(request, pk), person(request))
        return Response(status=204)


class WebhookStateView(APIView):
    """Pause it, or let it go on."""

    permission_classes = [members]

    @extend_schema(
        operation_id="webhook_state",
        request=StateRequest,
        responses={200: WebhookShape, **problems(400, 401, 403, 404, 409, 415, 429)},
    )
    def put(self, request: Request, pk: UUID) -> Response:
        hook, state = _hook(request, pk), read(StateRequest, request)["state"]
        verb = webhooks.pause if state == Webhook.State.PAUSED else webhooks.resume
        verb(hook, person(request))
        return Response(WebhookShape(hook).data)


class WebhookSecretView(APIView):
    """A new secret; for a day the one before signs too."""

    permission_classes = [members]

    @extend_schema(
        operation_id="webhook_secret",
        request=None,
        responses={201: SecretShape, **problems(401, 403, 404, 409, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        return Response({"secret": webhooks.renew_secret(_hook(request, pk), person(request))}, status=201)


class WebhookTestView(APIView):
    """Have a test sent within a minute; the delivery log says what came of it."""

    permission_classes = [members]

    @extend_schema(
        operation_id="webhook_test",
        request=None,
        responses={202: DeliveryShape, **problems(401, 403, 404, 409, 429)},
    )
    def post(self, request: Request, pk: UUID) -> Response:
        return Response(DeliveryShape(webhooks.test(_hook(request, pk))).data, status=202)


class DeliveriesView(APIView):
    """The newest hundred deliveries of a web hook, what was sent, and what came of it. They are kept for a month."""

    permission_classes = [members]

    @extend_schema(
        operation_id="webhook_deliveries",
        responses={200: DeliveryShape(many=True), **problems(401, 403, 404, 429)},
    )
    def get(self, request: Request, pk: UUID) -> Response:
        rows = _hook(request, pk).deliveries.order_by("-pk")[:SHOWN]
        return Response(DeliveryShape(rows, many=True).data)


class DeliveryAgainView(APIView):
    """Try again what was given up."""

    permission_classes = [members]

    @extend_schema(
        operation_id="webhook_delivery_again",
        request=None,
        responses={202: DeliveryShape, **problems(401, 403, 404, 409, 429)},
    )
    def post(self, request: Request, pk: UUID, delivery: int) -> Response:
        row = _hook(request, pk).deliveries.filter(pk=delivery).first()
        if row is None:
            raise NotFound("delivery of this web hook")
        webhooks.send_again(row)
        return Response(DeliveryShape(row).data, status=202)


class WebhookKeyView(APIView):
    """The office's public key for web hooks, for every receiver."""

    permission_classes = [Public]

    @extend_schema(operation_id="webhook_key", responses={200: KeyShape, **problems(429)})
    def get(self, request: Request) -> Response:
        return Response({"key": signatures.public_key()})


def _hook(request: Request, pk: Any) -> Webhook:
    return webhooks.webhook_for(person(request), pk)
