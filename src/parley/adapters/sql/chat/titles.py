"""Titles that models are still to write, in SQL."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, exists, func, select, update

from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, Upsert
from parley.adapters.sql.engine.tables import Id, rooms, title_jobs
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import Claim
from parley.core.chat.naming import Naming
from parley.core.chat.title_store import TitleClaim

_awaits_title = rooms.c.naming == Naming.FIRST_WORDS.value
_this_room = title_jobs.c.room_id == bindparam("room", type_=Id)
_held = (_this_room, title_jobs.c.attempt == bindparam("held_attempt"))
# A room that is being deleted is waited for, and then has no title.
_REQUEST = Upsert(
    title_jobs,
    lambda insertion: insertion.from_select(
        ["room_id", "position", "charged_on", "claimable_at"],
        select(
            rooms.c.id,
            bindparam("position", type_=title_jobs.c.position.type),
            bindparam("charged_on", type_=title_jobs.c.charged_on.type),
            database_time(),
        )
        .where(rooms.c.id == bindparam("room", type_=Id), _awaits_title)
        .with_for_update(read=True, key_share=True),
    ).on_conflict_do_nothing(),
)
_CLAIM = Statement(
    update(title_jobs)
    .where(_this_room, title_jobs.c.claimable_at <= database_time())
    .values(attempt=title_jobs.c.attempt + 1, claimable_at=database_time("lease"))
    .returning(
        title_jobs.c.room_id,
        title_jobs.c.position,
        title_jobs.c.charged_on,
        title_jobs.c.attempt,
        *(
            select(of_room).where(rooms.c.id == title_jobs.c.room_id).correlate(title_jobs).scalar_subquery()
            for of_room in (rooms.c.account_id, rooms.c.model)
        ),
    )
)
_POSTPONE = Statement(update(title_jobs).where(*_held).values(claimable_at=database_time("seconds")))
_NAME = Statement(
    update(rooms)
    .where(rooms.c.id == bindparam("room", type_=Id), _awaits_title, exists().where(*_held))
    .values(name=func.coalesce(bindparam("title", type_=rooms.c.name.type), rooms.c.name), naming=Naming.FINAL.value)
)
_REMOVE = Statement(delete(title_jobs).where(*_held))
_OVERDUE = Statement(
    select(title_jobs.c.room_id)
    .where(title_jobs.c.claimable_at <= database_time("since"))
    .order_by(title_jobs.c.claimable_at)
    .limit(bindparam("most"))
)


class SqlTitles(SqlStore):
    async def request(self, reply: Claim) -> None:
        await self._transaction.execute(
            _REQUEST, room=reply.room_id, position=reply.position, charged_on=reply.charged_on
        )

    async def claim(self, room_id: UUID, *, lease: float) -> TitleClaim | None:
        row = await self._transaction.one_or_none(_CLAIM, room=room_id, lease=lease)
        return None if row is None else TitleClaim(*row)

    async def renew(self, claim: TitleClaim, *, lease: float) -> bool:
        return await self.postpone(claim, seconds=lease)

    async def postpone(self, claim: TitleClaim, *, seconds: float) -> bool:
        return await self._transaction.execute(_POSTPONE, seconds=seconds, **_holder(claim)) == 1

    async def end(self, claim: TitleClaim, title: str | None) -> bool:
        # First the room, as everywhere.
        await self._transaction.execute(_NAME, title=title, **_holder(claim))
        return await self._transaction.execute(_REMOVE, **_holder(claim)) == 1

    async def overdue(self, *, seconds: float, limit: int) -> list[UUID]:
        return await self._transaction.scalars(_OVERDUE, since=-seconds, most=limit)


def _holder(claim: TitleClaim) -> dict[str, Any]:
    return {"room": claim.room_id, "held_attempt": claim.attempt}
