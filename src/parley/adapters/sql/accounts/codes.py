"""Codes and their deliveries, in SQL."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select, update

from parley.adapters.sql.accounts.identities import read_identity
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import challenges, deliveries
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import Challenge, Delivery, Identity, Purpose

_state = ("code_mac", "tries", "expires_at", "spent_at")
_PUT_CHALLENGE = Upsert(
    challenges,
    lambda insert: insert.values(given("identity", "purpose", *_state)).on_conflict_do_update(
        index_elements=["identity", "purpose"], set_={name: insert.excluded[name] for name in _state}
    ),
)
_unspent = (
    challenges.c.identity == bindparam("identity"),
    challenges.c.purpose == bindparam("purpose"),
    challenges.c.spent_at.is_(None),
)
_COUNT_TRY = Statement(
    update(challenges)
    .where(*_unspent, challenges.c.expires_at > bindparam("now"), challenges.c.tries < bindparam("limit"))
    .values(tries=challenges.c.tries + 1)
    .returning(challenges.c.code_mac)
)
_SPEND = Statement(
    update(challenges).where(*_unspent, challenges.c.code_mac == bindparam("code_mac")).values(spent_at=bindparam("at"))
)
_FORGET_EXPIRED_CHALLENGES = Statement(delete(challenges).where(challenges.c.expires_at <= bindparam("now")))
_FORGET_CHALLENGES = Statement(delete(challenges).where(challenges.c.identity == bindparam("identity")))

_delivered = ("id", "sealed_code", "expires_at", "failures")
_PUT_DELIVERY = Upsert(
    deliveries,
    lambda insert: insert.values(
        claimable_at=database_time(), **given("identity", "purpose", *_delivered)
    ).on_conflict_do_update(
        index_elements=["identity", "purpose"],
        set_={name: insert.excluded[name] for name in (*_delivered, "claimable_at")},
    ),
)
_this_delivery = deliveries.c.id == bindparam("delivery")
_CLAIM = Statement(
    update(deliveries)
    .where(_this_delivery, deliveries.c.claimable_at <= database_time(), deliveries.c.expires_at > bindparam("now"))
    .values(claimable_at=database_time("lease"))
    .returning(
        deliveries.c.id,
        deliveries.c.identity,
        deliveries.c.purpose,
        deliveries.c.sealed_code,
        deliveries.c.expires_at,
        deliveries.c.failures,
    )
)
_POSTPONE = Statement(
    update(deliveries)
    .where(_this_delivery)
    .values(claimable_at=database_time("seconds"), failures=deliveries.c.failures + 1)
)
_REMOVE = Statement(delete(deliveries).where(_this_delivery))
_OVERDUE = Statement(
    select(deliveries.c.id)
    .where(deliveries.c.claimable_at <= database_time("since"))
    .order_by(deliveries.c.claimable_at)
    .limit(bindparam("most"))
)
_FORGET_EXPIRED_DELIVERIES = Statement(delete(deliveries).where(deliveries.c.expires_at <= bindparam("now")))
_FORGET_DELIVERIES = Statement(delete(deliveries).where(deliveries.c.identity == bindparam("identity")))


class SqlChallenges(SqlStore):
    async def put(self, challenge: Challenge) -> None:
        await self._transaction.execute(
            _PUT_CHALLENGE,
            **_key(challenge.identity, challenge.purpose),
            code_mac=challenge.code_mac,
            tries=challenge.tries,
            expires_at=challenge.expires_at,
            spent_at=challenge.spent_at,
        )

    async def count_try(self, identity: Identity, purpose: Purpose, *, limit: int, now: datetime) -> bytes | None:
        code_mac: bytes | None = await self._transaction.scalar(
            _COUNT_TRY, **_key(identity, purpose), limit=limit, now=now
        )
        return code_mac

    async def spend(self, identity: Identity, purpose: Purpose, code_mac: bytes, *, at: datetime) -> bool:
        return await self._transaction.execute(_SPEND, **_key(identity, purpose), code_mac=code_mac, at=at) == 1

    async def forget_expired(self, now: datetime) -> int:
        return await self._transaction.execute(_FORGET_EXPIRED_CHALLENGES, now=now)

    async def forget(self, identity: Identity) -> None:
        await self._transaction.execute(_FORGET_CHALLENGES, identity=str(identity))


class SqlDeliveries(SqlStore):
    async def put(self, delivery: Delivery) -> None:
        await self._transaction.execute(
            _PUT_DELIVERY,
            **_key(delivery.identity, delivery.purpose),
            id=delivery.id,
            sealed_code=delivery.encrypted_code,
            expires_at=delivery.expires_at,
            failures=delivery.failures,
        )

    async def claim(self, delivery_id: UUID, *, lease: float, now: datetime) -> Delivery | None:
        row = await self._transaction.one_or_none(_CLAIM, delivery=delivery_id, lease=lease, now=now)
        if row is None:
            return None
        id_, identity, purpose, sealed_code, expires_at, failures = row
        return Delivery(id_, read_identity(identity), Purpose(purpose), sealed_code, expires_at, failures)

    async def postpone(self, delivery_id: UUID, *, seconds: float) -> None:
        await self._transaction.execute(_POSTPONE, delivery=delivery_id, seconds=seconds)

    async def remove(self, delivery_id: UUID) -> None:
        await self._transaction.execute(_REMOVE, delivery=delivery_id)

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        return await self._transaction.scalars(_OVERDUE, since=-seconds, most=limit)

    async def forget_expired(self, now: datetime) -> int:
        return await self._transaction.execute(_FORGET_EXPIRED_DELIVERIES, now=now)

    async def forget(self, identity: Identity) -> None:
        await self._transaction.execute(_FORGET_DELIVERIES, identity=str(identity))


def _key(identity: Identity, purpose: Purpose) -> dict[str, Any]:
    return {"identity": str(identity), "purpose": purpose.value}
