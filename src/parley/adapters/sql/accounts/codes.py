"""Codes, their deliveries, and what signups asked for, in SQL."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.tables import challenges, deliveries, signups
from parley.core.accounts.model import Challenge, Delivery, Identity, IdentityKind, Purpose, Signup


class SqlChallenges:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def put(self, challenge: Challenge) -> None:
        values = {
            "code_mac": challenge.code_mac,
            "tries": challenge.tries,
            "expires_at": challenge.expires_at,
            "spent_at": challenge.spent_at,
        }
        await self._connection.execute(
            self._insert(challenges)
            .values(identity=str(challenge.identity), purpose=challenge.purpose.value, **values)
            .on_conflict_do_update(index_elements=["identity", "purpose"], set_=values)
        )

    async def count_try(self, identity: Identity, purpose: Purpose, *, limit: int, now: datetime) -> bytes | None:
        counted = await self._connection.execute(
            update(challenges)
            .where(*_unspent(identity, purpose), challenges.c.expires_at > now, challenges.c.tries < limit)
            .values(tries=challenges.c.tries + 1)
            .returning(challenges.c.code_mac)
        )
        code_mac: bytes | None = counted.scalar_one_or_none()
        return code_mac

    async def spend(self, identity: Identity, purpose: Purpose, code_mac: bytes, *, at: datetime) -> bool:
        spent = await self._connection.execute(
            update(challenges)
            .where(*_unspent(identity, purpose), challenges.c.code_mac == code_mac)
            .values(spent_at=at)
        )
        return spent.rowcount == 1

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._connection.execute(delete(challenges).where(challenges.c.expires_at <= now))
        return forgotten.rowcount

    async def forget(self, identity: Identity) -> None:
        await self._connection.execute(delete(challenges).where(challenges.c.identity == str(identity)))


class SqlDeliveries:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert

    async def put(self, delivery: Delivery) -> None:
        values = {
            "id": delivery.id,
            "sealed_code": delivery.encrypted_code,
            "expires_at": delivery.expires_at,
            "failures": delivery.failures,
            "claimable_at": database_time(),
        }
        await self._connection.execute(
            self._insert(deliveries)
            .values(identity=str(delivery.identity), purpose=delivery.purpose.value, **values)
            .on_conflict_do_update(index_elements=["identity", "purpose"], set_=values)
        )

    async def claim(self, delivery_id: UUID, *, lease: float, now: datetime) -> Delivery | None:
        claimed = await self._connection.execute(
            update(deliveries)
            .where(
                deliveries.c.id == delivery_id,
                deliveries.c.claimable_at <= database_time(),
                deliveries.c.expires_at > now,
            )
            .values(claimable_at=database_time(lease))
            .returning(*deliveries.c)
        )
        row = claimed.one_or_none()
        if row is None:
            return None
        return Delivery(
            row.id, _identity(row.identity), Purpose(row.purpose), row.sealed_code, row.expires_at, row.failures
        )

    async def postpone(self, delivery_id: UUID, *, seconds: float) -> None:
        await self._connection.execute(
            update(deliveries)
            .where(deliveries.c.id == delivery_id)
            .values(claimable_at=database_time(seconds), failures=deliveries.c.failures + 1)
        )

    async def remove(self, delivery_id: UUID) -> None:
        await self._connection.execute(delete(deliveries).where(deliveries.c.id == delivery_id))

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        found = await self._connection.execute(
            select(deliveries.c.id)
            .where(deliveries.c.claimable_at <= database_time(-seconds))
            .order_by(deliveries.c.claimable_at)
            .limit(limit)
        )
        return list(found.scalars())

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._connection.execute(delete(deliveries).where(deliveries.c.expires_at <= now))
        return forgotten.rowcount

    async def forget(self, identity: Identity) -> None:
        await self._connection.execute(delete(deliveries).where(deliveries.c.identity == str(identity)))


class SqlSignups:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, signup: Signup) -> None:
        await self._connection.execute(insert(signups).values(asdict(signup) | {"identity": str(signup.identity)}))

    async def get(self, token_hash: bytes) -> Signup | None:
        found = await self._connection.execute(select(signups).where(signups.c.token_hash == token_hash))
        row = found.one_or_none()
        if row is None:
            return None
        return Signup(row.token_hash, _identity(row.identity), row.name, row.password_hash, row.expires_at)

    async def remove(self, token_hash: bytes) -> None:
        await self._connection.execute(delete(signups).where(signups.c.token_hash == token_hash))

    async def forget_expired(self, now: datetime) -> int:
        forgotten = await self._connection.execute(delete(signups).where(signups.c.expires_at <= now))
        return forgotten.rowcount

    async def forget(self, identity: Identity) -> None:
        await self._connection.execute(delete(signups).where(signups.c.identity == str(identity)))


def _unspent(identity: Identity, purpose: Purpose) -> tuple[ColumnElement[bool], ...]:
    return (
        challenges.c.identity == str(identity),
        challenges.c.purpose == purpose.value,
        challenges.c.spent_at.is_(None),
    )


def _identity(text: str) -> Identity:
    kind, _, value = text.partition(":")
    return Identity(IdentityKind(kind), value)
