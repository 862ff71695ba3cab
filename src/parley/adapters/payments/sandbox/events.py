"""Events in the shape of Stripe's, signed in Stripe's way: `t=<seconds>,v1=<hex HMAC-SHA256 of «t.body»>`."""

import hmac
import re
from datetime import datetime
from typing import Any

import msgspec

from parley.core.billing.errors import EventInvalid
from parley.core.billing.model import ProviderEvent, Subscription
from parley.core.billing.sandbox import SignedEvent

CHECKOUT_COMPLETED = "checkout.session.completed"
SUBSCRIPTION_CREATED = "customer.subscription.created"
SUBSCRIPTION_UPDATED = "customer.subscription.updated"
SUBSCRIPTION_DELETED = "customer.subscription.deleted"
INVOICE_PAID = "invoice.paid"
INVOICE_FAILED = "invoice.payment_failed"
TOLERANCE_SECONDS = 300

# What a database can keep as an id.
_ID = re.compile(r"[!-~]{1,255}")
# Twelve digits: no age that int() could choke on.
_SECONDS = re.compile(r"[0-9]{1,12}")


class _Data(msgspec.Struct):
    thing: dict[str, Any] = msgspec.field(name="object")


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data


def write_event(
    kind: str, number: str, subscription: Subscription, *, session_id: str, secret: bytes, now: datetime
) -> SignedEvent:
    """`number` makes the event's id."""
    seconds = int(now.timestamp())
    event = {
        "id": f"evt_sandbox_{number}",
        "object": "event",
        "type": kind,
        "created": seconds,
        "livemode": False,
        "data": {"object": _thing(kind, number, subscription, session_id)},
    }
    body = msgspec.json.encode(event)
    return SignedEvent(body, f"t={seconds},v1={_signature(secret, str(seconds), body)}")


def read_event(body: bytes, signature: str, *, secret: bytes, now: datetime) -> ProviderEvent:
    """Raises EventInvalid."""
    if not _is_signed(body, signature, secret, now):
        raise EventInvalid
    try:
        event = msgspec.json.decode(body, type=_Event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise EventInvalid from error
    event_id, kind, thing = _id(event.id), _id(event.type), event.data.thing
    if event_id is None or kind is None:
        raise EventInvalid
    is_subscription = kind.startswith("customer.subscription.")
    subscription_id = _id(thing.get("id" if is_subscription else "subscription"))
    return ProviderEvent(event_id, kind, _id(thing.get("customer")), subscription_id)


def _thing(kind: str, number: str, subscription: Subscription, session_id: str) -> dict[str, Any]:
    """What the event is about, with the words of Stripe's that say something here."""
    references = {"customer": subscription.customer_id, "subscription": subscription.id}
    if kind == CHECKOUT_COMPLETED:
        paid = {"mode": "subscription", "status": "complete", "payment_status": "paid"}
        return {"id": session_id, "object": "checkout.session", **references, **paid}
    if kind in {INVOICE_PAID, INVOICE_FAILED}:
        status = "paid" if kind == INVOICE_PAID else "open"
        return {"id": f"in_sandbox_{number}", "object": "invoice", **references, "status": status}
    end = subscription.current_period_end
    return {
        "id": subscription.id,
        "object": "subscription",
        "customer": subscription.customer_id,
        "status": subscription.status.value,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "current_period_end": None if end is None else int(end.timestamp()),
        "metadata": {"account_id": str(subscription.account_id)},
    }


def _is_signed(body: bytes, signature: str, secret: bytes, now: datetime) -> bool:
    fields = [field.strip().partition("=")[::2] for field in signature.split(",")]
    times = [value for name, value in fields if name == "t"]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]):
        return False
    expected = _signature(secret, times[0], body).encode()
    given = [value.encode(errors="replace") for name, value in fields if name == "v1"]
    recent = abs(now.timestamp() - int(times[0])) <= TOLERANCE_SECONDS
    return recent and any(hmac.compare_digest(expected, value) for value in given)


def _signature(secret: bytes, seconds: str, body: bytes) -> str:
    return hmac.digest(secret, seconds.encode() + b"." + body, "sha256").hex()


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
