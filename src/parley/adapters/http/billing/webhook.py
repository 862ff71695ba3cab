"""HTTP endpoint for the payment provider's webhook events."""

from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.exceptions import NotFoundException
from litestar.params import HeaderParameter
from msgspec import Struct

from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import described, example
from parley.adapters.http.ports import HttpPorts, Ports
from parley.core.billing.errors import EventInvalid
from parley.core.billing.events import receive_event

Signature = Annotated[
    str,
    HeaderParameter(
        name="Stripe-Signature",
        description="`t=…,v1=…`, an HMAC over the raw body, at most 300 s old",
        examples=example("t=1795253400,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd"),
    ),
]


class ReceivedBody(Struct):
    """The event is stored."""

    received: Annotated[bool, described("Always", True)] = True


class WebhookController(Controller):
    tags = ("Subscription",)
    opt = PUBLIC

    @post(
        "/webhook/stripe",
        status_code=200,
        operation_id="receiveEvent",
        summary="For Stripe: something changed",
        responses=documented(EventInvalid(), 404, 413, 415),
    )
    async def receive(self, request: Request[Any, Any, Any], ports: Ports, signature: Signature = "") -> ReceivedBody:
        """Stores the event once by its id; a worker processes it. 404 while STRIPE_WEBHOOK_SECRET is not set."""
        return await _receive(request, ports, signature)

    @post(
        "/payments/webhook/stripe",
        status_code=200,
        operation_id="receiveEventAlias",
        summary="As /webhook/stripe",
        deprecated=True,
        responses=documented(EventInvalid(), 404, 413, 415),
    )
    async def receive_alias(
        self, request: Request[Any, Any, Any], ports: Ports, signature: Signature = ""
    ) -> ReceivedBody:
        """For clients that know this spelling."""
        return await _receive(request, ports, signature)


async def _receive(request: Request[Any, Any, Any], ports: HttpPorts, signature: str) -> ReceivedBody:
    if not ports.webhook_open:
        raise NotFoundException
    await receive_event(ports.billing, body=await request.body(), signature=signature)
    return ReceivedBody()
