"""The chat module's storage over the in-memory database."""

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from parley.core.chat.allowance import Allowance
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.days import utc_day
from parley.core.chat.model import (
    IDEMPOTENCY_KEY_LIFE,
    LAST_MESSAGE_CHARACTERS,
    Charge,
    IdempotencyKey,
    Message,
    Role,
    Room,
    RoomCursor,
)
from parley.core.chat.naming import Naming
from parley.core.chat.stores import ChatUnit
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.chat.tree import Head
from parley.core.plans import Plan, Plans
from parley.core.text import beginning
from tests.fakes.client_ids import FakeClientIds
from tests.fakes.database import FakeDatabase, FakeTransaction, KeyUse, Tables, delete_where
from tests.fakes.leases import FakeLeases
from tests.fakes.messages import FakeMessages, head_of
from tests.fakes.prompts import FakePrompts
from tests.fakes.quota import FakeQuota
from tests.fakes.replies import FakeReplies
from tests.fakes.reply_settings import FakeRepliesSettings
from tests.fakes.search import FakeSearchIndex
from tests.fakes.shares import FakeShares
from tests.fakes.titles import FakeTitles
from tests.fakes.webhooks import FakeOutgoingEvents


class FakeChatUnitOfWork:
    def __init__(self, database: FakeDatabase, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False, single: bool = False) -> AsyncGenerator[ChatUnit, None]:
        async with self._database.transaction(read_only=read_only) as transaction:
            yield FakeChatUnit(transaction, self._plans)
            if single:
                transaction.commit()


class FakeChatUnit:
    """The repositories of one transaction."""

    def __init__(self, transaction: FakeTransaction, plans: Plans) -> None:
        self._transaction = transaction
        tables, clock = transaction.tables, transaction.clock
        self.rooms = FakeRooms(tables)
        self.messages = FakeMessages(tables, clock)
        self.quota = FakeQuota(tables, plans)
        self.replies = FakeReplies(tables, clock, self.quota)
        self.prompts = FakePrompts(tables, clock)
        self.reply_settings = FakeRepliesSettings(tables)
        self.idempotency_keys = FakeIdempotencyKeys(tables)
        self.leases = FakeLeases(tables, clock)
        self.search = FakeSearchIndex(tables)
        self.outgoing_events = FakeOutgoingEvents(tables, clock)
        self.shares = FakeShares(tables)
        self.titles = FakeTitles(tables, clock)
        self.client_ids = FakeClientIds(tables)

    async def commit(self) -> None:
        self._transaction.commit()


class FakeAcceptance:
    """All steps in one transaction."""

    def __init__(self, database: FakeDatabase, plans: Plans) -> None:
        self._database = database
        self._plans = plans

    async def accept(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        key: IdempotencyKey | None,
        catalogue: ModelCatalogue,
        most_pending: int,
        estimates: TokenEstimates,
    ) -> tuple[Message, Message, Allowance] | None:
        now = question.created_at
        async with self._database.transaction() as transaction:
            unit = FakeChatUnit(transaction, self._plans)
            reserved = await unit.rooms.reserve(question.room_id, account_id, at=now)
            left = await unit.quota.look(account_id, now=now)
            if reserved is None or left.remaining == 0 or left.used_up_tokens:
                return None
            room, position = reserved
            if room.naming is Naming.NONE:
                return None
            if key is not None and await unit.idempotency_keys.remember(room.id, key, reply.id, at=now) is not None:
                return None
            plan, allowance = await unit.quota.take(account_id, now=now)
            tokens = await self._reservation(unit, plan, room, question, position, estimates)
            model = reply.model or room.model or catalogue.default_of(plan)
            added = await unit.messages.add_exchange(
                replace(question, position=position),
                replace(reply, position=position + 1, model=model),
                account_id=account_id,
                charge=Charge(utc_day(now), tokens, plan.name),
                most_pending=plan.max_pending_replies or most_pending,
            )
            if model not in catalogue.offered_to(plan) or added is None:
                return None
            if question.parent_id is not None:
                parent = transaction.tables.messages.get(question.parent_id)
                if question.parent_id != added[0].parent_id or parent is None or parent.role is not Role.ASSISTANT:
                    return None
            transaction.commit()
        return *added, allowance.with_tokens(left.tokens).with_reserved(tokens)

    async def _reservation(
        self, unit: FakeChatUnit, plan: Plan, room: Room, question: Message, position: int, estimates: TokenEstimates
    ) -> int:
        if not plan.limits_tokens:
            return 0
        read = await unit.messages.branch_tokens(room.id, last=Head.SHOWN, before=position)
        read = estimates.of(room.instructions) if read is None else read
        return read + estimates.of(question.content) + estimates.answer


class FakeRooms:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def lock_account(self, account_id: UUID) -> None:
        """The database has one writer."""

    async def add(self, room: Room, *, most: int) -> bool:
        if len(await self.ids(room.account_id)) >= most:
            return False
        self._tables.rooms[room.id] = (room, 0)
        return True

    async def instruction_bytes(self, account_id: UUID) -> int:
        own = [room for room, _ in self._tables.rooms.values() if room.account_id == account_id]
        return sum(len((room.instructions or "").encode()) for room in own)

    async def get(self, room_id: UUID, account_id: UUID) -> Room | None:
        found = self._tables.rooms.get(room_id)
        if found is None or found[0].account_id != account_id or room_id in self._tables.prompts:
            return None
        head = head_of(self._tables, room_id)
        if head is None:
            return found[0]
        awaited = not head.status.ended
        text = head.content
        if (awaited or not text) and head.reply_to is not None:
            text = self._tables.messages[head.reply_to].content
        shown = beginning(text, LAST_MESSAGE_CHARACTERS)
        return replace(found[0], head=head.id, last_message=shown or None, awaited=awaited)

    async def many(self, room_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Room]:
        found = [await self.get(room_id, account_id) for room_id in room_ids]
        return {room.id: room for room in found if room is not None}

    async def owner(self, room_id: UUID) -> UUID | None:
        found = self._tables.rooms.get(room_id)
        return None if found is None or room_id in self._tables.prompts else found[0].account_id

    async def last_positions(self, room_ids: Collection[UUID]) -> dict[UUID, int]:
        known = self._tables.rooms
        return {each: known[each][1] for each in room_ids if each in known and each not in self._tables.prompts}

    async def page(
        self, account_id: UUID, *, after: RoomCursor | None, limit: int, archived: bool = False
    ) -> list[Room]:
        found = [await self.get(room_id, account_id) for room_id in self._tables.rooms]
        own = [room for room in found if room is not None and room.archived is archived]
        if after is not None:
            last = (after.pinned, after.active_at, after.room_id)
            own = [room for room in own if (room.pinned, room.active_at, room.id) < last]
        return sorted(own, key=lambda room: (room.pinned, room.active_at, room.id), reverse=True)[:limit]

    async def ids(self, account_id: UUID) -> list[UUID]:
        own = (room.id for room, _ in self._tables.rooms.values() if room.account_id == account_id)
        return sorted(room_id for room_id in own if room_id not in self._tables.prompts)

    async def save(self, room: Room, *, fields: frozenset[str]) -> bool:
        if await self.get(room.id, room.account_id) is None:
            return False
        changed = replace(self._tables.rooms[room.id][0], **{name: getattr(room, name) for name in fields})
        self._tables.rooms[room.id] = (changed, self._tables.rooms[room.id][1])
        if "name" in fields:
            self._tables.title_jobs.pop(room.id, None)
        return True

    async def delete(self, room_id: UUID, account_id: UUID) -> bool:
        if await self.get(room_id, account_id) is None:
            return False
        del self._tables.rooms[room_id]
        self._tables.shown.pop(room_id, None)
        self._tables.shares.pop(room_id, None)
        self._tables.title_jobs.pop(room_id, None)
        for table in (self._tables.messages, self._tables.replies, self._tables.idempotency_keys):
            delete_where(table, lambda row: row.room_id == room_id)
        delete_where(self._tables.search_texts, lambda row: row[1].waiting.room_id == room_id)
        return True

    async def reserve(
        self, room_id: UUID, account_id: UUID, *, at: datetime, positions: int = 2
    ) -> tuple[Room, int] | None:
        if await self.get(room_id, account_id) is None:
            return None
        room, last_position = self._tables.rooms[room_id]
        room = replace(room, active_at=max(room.active_at, at))
        self._tables.rooms[room_id] = (room, last_position + positions)
        return room, last_position + 1

    async def lock(self, room_id: UUID, account_id: UUID) -> bool:
        return await self.get(room_id, account_id) is not None

    async def show(self, room_id: UUID, *, position: int) -> None:
        self._tables.shown[room_id] = (position, self._tables.rooms[room_id][1])


class FakeIdempotencyKeys:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        first_use = self._tables.idempotency_keys.get((room_id, key.value))
        if first_use is not None and first_use.used_at >= at - IDEMPOTENCY_KEY_LIFE:
            return first_use.reply_id, first_use.fingerprint
        self._tables.idempotency_keys[room_id, key.value] = KeyUse(room_id, reply_id, key.fingerprint, at)
        return None

    async def forget_before(self, moment: datetime) -> int:
        return delete_where(self._tables.idempotency_keys, lambda use: use.used_at < moment)
