"""Codes, deliveries and signups in memory."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from parley.core.accounts.model import Challenge, Delivery, Identity, Purpose, Signup
from parley.core.ports import Clock
from tests.fakes.database import add, delete_where


class FakeChallenges:
    def __init__(self, challenges: dict[bytes, Challenge]) -> None:
        self._challenges = challenges

    async def add(self, challenge: Challenge) -> None:
        add(self._challenges, challenge.id_hash, challenge)

    async def get(self, id_hash: bytes) -> Challenge | None:
        return self._challenges.get(id_hash)

    async def latest(self, identity: Identity, purpose: Purpose, source: str) -> Challenge | None:
        wanted = (identity, purpose, source)
        found = [each for each in self._challenges.values() if (each.identity, each.purpose, each.source) == wanted]
        return max(found, key=lambda challenge: challenge.id, default=None)

    async def count_try(self, id_hash: bytes, *, limit: int, now: datetime) -> bytes | None:
        challenge = self._challenges.get(id_hash)
        if challenge is None or challenge.spent_at is not None:
            return None
        if challenge.expires_at <= now or challenge.tries >= limit:
            return None
        self._challenges[id_hash] = replace(challenge, tries=challenge.tries + 1)
        return challenge.code_mac

    async def undo_try(self, id_hash: bytes) -> None:
        challenge = self._challenges.get(id_hash)
        if challenge is not None:
            self._challenges[id_hash] = replace(challenge, tries=challenge.tries - 1)

    async def spend(self, id_hash: bytes, *, at: datetime) -> bool:
        challenge = self._challenges.get(id_hash)
        if challenge is None or challenge.spent_at is not None:
            return False
        self._challenges[id_hash] = replace(challenge, spent_at=at)
        return True

    async def forget_expired(self, now: datetime) -> int:
        return delete_where(self._challenges, lambda challenge: challenge.expires_at <= now)

    async def forget(self, identity: Identity) -> None:
        delete_where(self._challenges, lambda challenge: challenge.identity == identity)


class FakeDeliveries:
    def __init__(self, deliveries: dict[UUID, tuple[Delivery, datetime]], clock: Clock) -> None:
        self._deliveries = deliveries
        self._clock = clock

    async def put(self, delivery: Delivery) -> None:
        add(self._deliveries, delivery.id, (delivery, self._clock()))

    async def claim(self, delivery_id: UUID, *, lease: float, now: datetime) -> Delivery | None:
        delivery, claimable_at = self._deliveries.get(delivery_id, (None, now))
        if delivery is None or delivery.expires_at <= now or claimable_at > self._clock():
            return None
        self._deliveries[delivery_id] = (delivery, self._clock() + timedelta(seconds=lease))
        return delivery

    async def postpone(self, delivery_id: UUID, *, seconds: float) -> None:
        if delivery_id in self._deliveries:
            delivery, _ = self._deliveries[delivery_id]
            again_at = self._clock() + timedelta(seconds=seconds)
            self._deliveries[delivery_id] = (replace(delivery, failures=delivery.failures + 1), again_at)

    async def remove(self, delivery_id: UUID) -> None:
        self._deliveries.pop(delivery_id, None)

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        since = self._clock() - timedelta(seconds=seconds)
        found = sorted((at, delivery.id) for delivery, at in self._deliveries.values() if at <= since)
        return [delivery_id for _, delivery_id in found[:limit]]

    async def forget_expired(self, now: datetime) -> int:
        return delete_where(self._deliveries, lambda row: row[0].expires_at <= now)

    async def forget(self, identity: Identity) -> None:
        delete_where(self._deliveries, lambda row: row[0].identity == identity)


class FakeSignups:
    def __init__(self, signups: dict[bytes, Signup]) -> None:
        self._signups = signups

    async def add(self, signup: Signup) -> None:
        add(self._signups, signup.token_hash, signup)

    async def get(self, token_hash: bytes) -> Signup | None:
        return self._signups.get(token_hash)

    async def remove(self, token_hash: bytes) -> None:
        self._signups.pop(token_hash, None)

    async def forget_expired(self, now: datetime) -> int:
        return delete_where(self._signups, lambda signup: signup.expires_at <= now)

    async def forget(self, identity: Identity) -> None:
        delete_where(self._signups, lambda signup: signup.identity == identity)
