"""Reading Stripe's subscriptions (API reference, «The Subscription object»)."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import structlog

from parley.core.billing.model import Subscription, SubscriptionStatus

log = structlog.get_logger("parley.payments")


class SubscriptionReader:
    """Turns an object of Stripe's into a subscription; `price_ids` are the prices of all plans.

    What it does not know, a status or a price, it logs once.
    """

    def __init__(self, price_ids: Collection[str]) -> None:
        self._price_ids = frozenset(price_ids)
        self._unknown: set[tuple[str, str]] = set()

    def __call__(self, found: dict[str, Any]) -> Subscription:
        items = (found.get("items") or {}).get("data") or []
        # Before API version 2025-03-31 the period's end is a field of the subscription instead of its items.
        ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
        period_end = max(ends) if ends else found.get("current_period_end")
        cancel_at = found.get("cancel_at")
        # In flexible billing mode, a cancellation at the period's end is only a time in `cancel_at`.
        in_this_period = cancel_at is not None and (period_end is None or cancel_at <= period_end)
        return Subscription(
            id=found["id"],
            customer_id=found["customer"],
            account_id=_uuid((found.get("metadata") or {}).get("account_id")),
            status=self._status(found["status"]),
            current_period_end=_moment(cancel_at if in_this_period else period_end),
            cancel_at_period_end=bool(found.get("cancel_at_period_end")) or in_this_period,
            cancel_at=_moment(cancel_at),
            is_paused=(found.get("pause_collection") or {}).get("behavior") == "void",
            has_our_price=self._has_our_price(found["id"], items),
            prices=tuple(price["id"] for item in items if (price := item.get("price"))),
        )

    def _status(self, name: str) -> SubscriptionStatus:
        try:
            return SubscriptionStatus(name)
        except ValueError:
            if self._is_new("status", name):
                log.warning("subscription_status_unknown", status=name)
            return SubscriptionStatus.UNPAID

    def _has_our_price(self, subscription_id: str, items: list[dict[str, Any]]) -> bool:
        prices = {(item.get("price") or {}).get("id") for item in items}
        if prices & self._price_ids:
            return True
        price = ", ".join(sorted(filter(None, prices)))
        if self._is_new("price", price):
            log.warning("subscription_price_unknown", price=price, subscription_id=subscription_id)
        return False

    def _is_new(self, kind: str, name: str) -> bool:
        if (kind, name) in self._unknown:
            return False
        self._unknown.add((kind, name))
        return True


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
