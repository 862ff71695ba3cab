"""The sandbox's events, in Stripe's format and with Stripe's signature."""

from datetime import datetime
from typing import Any

import msgspec

from parley.adapters.payments.stripe_signature import sign
from parley.core.billing.model import Subscription
from parley.core.billing.sandbox import SignedEvent

CHECKOUT_COMPLETED = "checkout.session.completed"
SUBSCRIPTION_CREATED = "customer.subscription.created"
SUBSCRIPTION_UPDATED = "customer.subscription.updated"
SUBSCRIPTION_DELETED = "customer.subscription.deleted"
INVOICE_PAID = "invoice.paid"
INVOICE_FAILED = "invoice.payment_failed"


def write_event(
    kind: str, number: str, subscription: Subscription, *, session_id: str, secret: bytes, now: datetime
) -> SignedEvent:
    """`number` makes the event's id, and an invoice's."""
    event = {
        "id": f"evt_sandbox_{number}",
        "object": "event",
        "type": kind,
        "created": int(now.timestamp()),
        "livemode": False,
        "data": {"object": _subject(kind, number, subscription, session_id)},
    }
    body = msgspec.json.encode(event)
    return SignedEvent(body, sign(body, secret=secret, now=now))


def _subject(kind: str, number: str, subscription: Subscription, session_id: str) -> dict[str, Any]:
    """The object that the event is about, with those of Stripe's fields that the sandbox has values for."""
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
