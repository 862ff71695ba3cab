"""Subscriptions in SQL."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, func, or_, select

from parley.adapters.sql.engine.statements import Statement, Upsert, given, literals
from parley.adapters.sql.engine.tables import Moment, subscriptions
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import RUNNING, Subscription, SubscriptionStatus

_OF = Statement(
    select(
        subscriptions.c.id,
        subscriptions.c.customer_id,
        subscriptions.c.account_id,
        subscriptions.c.status,
        subscriptions.c.current_period_end,
        subscriptions.c.cancel_at_period_end,
        subscriptions.c.past_due_since,
        subscriptions.c.cancel_at,
        subscriptions.c.is_paused,
        subscriptions.c.price_ended_at.is_(None),
        subscriptions.c.price_ended_at,
        subscriptions.c.prices,
    )
    .where(subscriptions.c.account_id == bindparam("account"))
    .order_by(
        subscriptions.c.stored_at.desc(), subscriptions.c.current_period_end.desc().nulls_last(), subscriptions.c.id
    )
)
_ends = (
    case((subscriptions.c.cancel_at_period_end, subscriptions.c.current_period_end)),
    subscriptions.c.cancel_at,
    subscriptions.c.price_ended_at,
)
_DOUBLED = Statement(
    select(subscriptions.c.account_id)
    .where(
        subscriptions.c.status.in_(literals(*(status.value for status in RUNNING))),
        *(or_(end.is_(None), end > bindparam("now", type_=Moment)) for end in _ends),
    )
    .group_by(subscriptions.c.account_id)
    .having(func.count() > 1)
    .limit(10)
)
_written = (
    "account_id",
    "customer_id",
    "status",
    "current_period_end",
    "cancel_at_period_end",
    "cancel_at",
    "is_paused",
    "ticket",
    "stored_at",
)
_PUT = Upsert(
    subscriptions,
    lambda insert: insert.values(
        given("id", "past_due_since", "price_ended_at", "prices", *_written)
    ).on_conflict_do_update(
        index_elements=["id"],
        set_={name: insert.excluded[name] for name in _written}
        | {
            # Stays as it is while the status stays past due.
            "past_due_since": case(
                (insert.excluded.past_due_since.is_(None), None),
                (subscriptions.c.status == SubscriptionStatus.PAST_DUE.value, subscriptions.c.past_due_since),
                else_=insert.excluded.past_due_since,
            ),
            # At a price that no plan has, what was paid before counts until the end of its period.
            "prices": case(
                (insert.excluded.price_ended_at.is_(None), insert.excluded.prices), else_=subscriptions.c.prices
            ),
            "price_ended_at": case(
                (insert.excluded.price_ended_at.is_(None), None),
                else_=func.coalesce(
                    subscriptions.c.price_ended_at, subscriptions.c.current_period_end, insert.excluded.price_ended_at
                ),
            ),
        },
        where=subscriptions.c.ticket <= insert.excluded.ticket,
    ),
)


class SqlSubscriptions(SqlStore):
    async def of(self, account_id: UUID) -> list[Subscription]:
        return [_subscription(row) for row in await self._transaction.all(_OF, account=account_id)]

    async def put(self, subscription: Subscription, *, account_id: UUID, read_number: int, now: datetime) -> bool:
        values = asdict(subscription) | {
            "account_id": account_id,
            "status": subscription.status.value,
            "past_due_since": now if subscription.status is SubscriptionStatus.PAST_DUE else None,
            "prices": " ".join(subscription.prices) or None,
            "price_ended_at": None if subscription.has_our_price else now,
            "ticket": read_number,
            "stored_at": now,
        }
        del values["has_our_price"]
        return await self._transaction.execute(_PUT, **values) == 1

    async def doubled(self, now: datetime) -> list[UUID]:
        return await self._transaction.scalars(_DOUBLED, now=now)


def _subscription(row: Any) -> Subscription:
    *columns, prices = row
    id_, customer_id, account_id, status, *rest = columns
    subscription = Subscription(id_, customer_id, account_id, SubscriptionStatus(status), *rest)
    return replace(subscription, prices=tuple((prices or "").split()))
