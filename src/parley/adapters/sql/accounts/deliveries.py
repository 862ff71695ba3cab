"""Codes and notices that are still to be sent, in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, select, update

from parley.adapters.sql.accounts.identities import read_identity
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, given
from parley.adapters.sql.engine.tables import deliveries
from parley.adapters.sql.engine.tables import messages_to_owners as messages
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import Delivery, Identity, Notice, Purpose

_PUT = Statement(
    insert(messages).values(
        claimable_at=database_time(),
        **given("id", "identity", "purpose", "encrypted_code", "expires_at", "failures"),
    )
)
_this_delivery = messages.c.id == bindparam("delivery")
_CLAIM = Statement(
    update(messages)
    .where(_this_delivery, messages.c.claimable_at <= database_time(), messages.c.expires_at > bindparam("now"))
    .values(claimable_at=database_time("lease"))
    .returning(
        messages.c.id,
        messages.c.identity,
        messages.c.purpose,
        messages.c.encrypted_code,
        messages.c.expires_at,
        messages.c.failures,
    )
)
_POSTPONE = Statement(
    update(messages)
    .where(_this_delivery)
    .values(claimable_at=database_time("seconds"), failures=messages.c.failures + 1)
)
_REMOVE = Statement(delete(messages).where(_this_delivery))
_OVERDUE = Statement(
    select(messages.c.id)
    .where(messages.c.claimable_at <= database_time("since"))
    .order_by(messages.c.claimable_at)
    .limit(bindparam("most"))
)
# Also what older releases have left: it names identities.
_FORGET_EXPIRED, _FORGET_OLD_EXPIRED = (
    Statement(delete(table).where(table.c.expires_at <= bindparam("now"))) for table in (messages, deliveries)
)
_FORGET, _FORGET_OLD = (
    Statement(delete(table).where(table.c.identity == bindparam("identity"))) for table in (messages, deliveries)
)


class SqlDeliveries(SqlStore):
    async def put(self, delivery: Delivery) -> None:
        await self._transaction.execute(
            _PUT,
            identity=str(delivery.identity),
            purpose=delivery.purpose.value,
            id=delivery.id,
            encrypted_code=delivery.encrypted_code,
            expires_at=delivery.expires_at,
            failures=delivery.failures,
        )

    async def claim(self, delivery_id: UUID, *, lease: float, now: datetime) -> Delivery | None:
        row = await self._transaction.one_or_none(_CLAIM, delivery=delivery_id, lease=lease, now=now)
        if row is None:
            return None
        id_, identity, purpose, encrypted_code, expires_at, failures = row
        return Delivery(id_, read_identity(identity), _purpose(purpose), encrypted_code, expires_at, failures)

    async def postpone(self, delivery_id: UUID, *, seconds: float) -> None:
        await self._transaction.execute(_POSTPONE, delivery=delivery_id, seconds=seconds)

    async def remove(self, delivery_id: UUID) -> None:
        await self._transaction.execute(_REMOVE, delivery=delivery_id)

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        return await self._transaction.scalars(_OVERDUE, since=-seconds, most=limit)

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._transaction.execute(_FORGET_EXPIRED, now=now)
        return forgotten + await self._transaction.execute(_FORGET_OLD_EXPIRED, now=now)

    async def forget(self, identity: Identity) -> None:
        await self._transaction.execute(_FORGET, identity=str(identity))
        await self._transaction.execute(_FORGET_OLD, identity=str(identity))


def _purpose(text: str) -> Purpose | Notice:
    return Notice(text) if text in {notice.value for notice in Notice} else Purpose(text)
