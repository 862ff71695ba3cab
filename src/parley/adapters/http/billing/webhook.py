"""HTTP endpoint that receives events from the payment provider."""

from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.exceptions import NotFoundException
from litestar.params import HeaderParameter
from msgspec import Struct

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import described, example
from parley.adapters.http.openapi.operation import aliased
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.billing.errors import EventInvalid
from parley.core.billing.events import receive_event

Signature = Annotated[
    str,
    HeaderParameter(
        name="Stripe-Signature",
        description="`t=…,v1=…`: an HMAC of the raw body with a timestamp at most 300 s old",
        examples=example("t=1795253400,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"),
    ),
]


_ID = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_OBJECT_EXAMPLE = {"id": "sub_1QNv5mLkdIwHu7ix", "object": "subscription", "customer": "cus_RGf1"}
# The fields that parley reads; Stripe's reference documents the others.
_STRIPE_EVENT: dict[str, Any] = {
    "type": "object",
    "title": "StripeEvent",
    "description": "An event as Stripe sends and signs it. Other fields are ignored",
    "properties": {
        "id": _ID | {"description": "The event's id; each id is stored once", "examples": ["evt_1QNv5mLkdIwHu7ix"]},
        "type": _ID | {"description": "The type of the event", "examples": ["customer.subscription.updated"]},
        "data": {
            "type": "object",
            "description": "The data of the event",
            "properties": {
                "object": {
                    "type": "object",
                    "description": "A checkout session, a subscription, an invoice or a customer",
                    "examples": [_OBJECT_EXAMPLE],
                }
            },
            "examples": [{"object": _OBJECT_EXAMPLE}],
        },
    },
    "required": ["id", "type"],
}


def _add_event(operation: dict[str, Any]) -> None:
    """Add the body, which the handler reads raw because the signature covers its bytes, and require the signature."""
    operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _STRIPE_EVENT}}}
    signature = operation["parameters"][0]
    signature["required"] = True
    del signature["schema"]["default"]


class ReceivedBody(Struct):
    """The event was stored."""

    received: Annotated[bool, described("Always true", True)] = True


class WebhookController(Controller):
    tags = ("Subscription",)
    opt = PUBLIC

    @post(
        **aliased(
            {"/webhook/stripe": "receiveEvent", "/payments/webhook/stripe": "receiveEventAlias"}, edit=_add_event
        ),
        status_code=200,
        summary="Receive an event from Stripe",
        responses=problems(EventInvalid(), 404, 413, 415),
    )
    async def receive(self, request: Request[Any, Any, Any], ports: Ports, signature: Signature = "") -> ReceivedBody:
        """Stores the event once by its id; a worker processes it. 404 while STRIPE_WEBHOOK_SECRET is not set."""
        return await _receive(request, ports, signature)


async def _receive(request: Request[Any, Any, Any], ports: HttpPorts, signature: str) -> ReceivedBody:
    if not ports.webhook_open:
        raise NotFoundException
    await receive_event(ports.billing, body=await request.body(), signature=signature)
    return ReceivedBody()
