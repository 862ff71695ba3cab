"""Reading webhook events in Stripe's format, which the sandbox uses too."""

import re
from datetime import datetime
from typing import Any

import msgspec

from parley.adapters.payments.stripe_signature import is_signed
from parley.core.billing.errors import EventInvalid
from parley.core.billing.model import ProviderEvent

# Ids are stored and sent back in URLs: printable ASCII only, and no longer than Stripe's.
_ID = re.compile(r"[!-~]{1,255}")


class _Data(msgspec.Struct):
    object: dict[str, Any] | None = None


class _Event(msgspec.Struct):
    """«Thin» events carry no object but its address (Stripe docs, «Event destinations»)."""

    id: str
    type: str
    data: _Data | None = None


def read_event(body: bytes, signature: str, *, secret: bytes, now: datetime) -> ProviderEvent:
    """Check the signature and parse the event. Raises EventInvalid."""
    if not is_signed(body, signature, secret=secret, now=now):
        raise EventInvalid
    try:
        event = msgspec.json.decode(body, type=_Event)
        event_id, kind, subject = _id(event.id), _id(event.type), (event.data and event.data.object) or {}
        subscription_id = _subscription_id(event.type, subject)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, AttributeError) as error:
        raise EventInvalid from error
    if event_id is None or kind is None:
        raise EventInvalid
    customer_id = _id(subject.get("id" if kind == "customer.deleted" else "customer"))
    return ProviderEvent(event_id, kind, customer_id, subscription_id)


def _subscription_id(kind: str, subject: dict[str, Any]) -> str | None:
    """Raises AttributeError for an invoice whose fields are no objects."""
    match kind.split("."):
        case ["customer", "subscription", *_]:
            return _id(subject.get("id"))
        case ["checkout", "session", *_]:
            return _id(subject.get("subscription"))
        case ["invoice", *_]:
            # Before API version 2025-03-31, and in the sandbox, the invoice itself names the subscription.
            details = (subject.get("parent") or {}).get("subscription_details") or {}
            return _id(details.get("subscription")) or _id(subject.get("subscription"))
        case _:
            return None


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
