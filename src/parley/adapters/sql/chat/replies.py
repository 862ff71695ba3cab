"""The running state of replies in SQL: every step is one conditional UPDATE, timed by the database's clock."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Integer, and_, bindparam, case, exists, func, insert, or_, select, update

from parley.adapters.sql.chat.endings import ENDING, ending_values
from parley.adapters.sql.chat.parts import encode_parts
from parley.adapters.sql.chat.prompt_text import decode_prompt
from parley.adapters.sql.chat.quota import COUNT_END, count_end, counts_of_attempt, counts_of_end
from parley.adapters.sql.chat.reply_settings import decode_settings
from parley.adapters.sql.chat.unfinished import UNFINISHED, unfinished
from parley.adapters.sql.engine.clock import database_time
from parley.adapters.sql.engine.statements import Statement, given, literals
from parley.adapters.sql.engine.tables import Id, messages, noted_statistics, reply_settings, rooms, usage_days
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.adapters.sql.noted_statistics import NOTE, NOTED_COLUMNS, NOTED_VALUES, attempt_values, note_values
from parley.core.chat.model import Claim, Ending, Lease, Status
from parley.core.chat.naming import Naming
from parley.core.chat.parts import Part, text_of
from parley.core.chat.tokens import Spent

_earlier = messages.alias("earlier")
# The condition of `unfinished` for a lookup by id, spelled so that the partial index cannot serve it: while that index
# is empty, PostgreSQL prefers it to the primary key, and may keep that plan once the index is full.
not_ended = messages.c.status.not_in(literals(Status.COMPLETED.value, Status.FAILED.value, Status.STOPPED.value))
_due = messages.c.claimable_at <= database_time()
_first_in_room = ~exists().where(
    _earlier.c.account_id == messages.c.account_id,
    _earlier.c.room_id == messages.c.room_id,
    _earlier.c.position < messages.c.position,
    _earlier.c.status.in_(UNFINISHED),
)
claimable = and_(unfinished, _due, _first_in_room)
_claim_columns = (
    messages.c.id,
    messages.c.room_id,
    messages.c.account_id,
    messages.c.position,
    messages.c.model,
    messages.c.attempt,
    messages.c.failures,
    messages.c.charged_on,
    messages.c.created_at,
    messages.c.stop_requested,
    messages.c.releases,
    messages.c.plan,
    *(
        select(of_room).where(rooms.c.id == messages.c.room_id).correlate(messages).scalar_subquery()
        for of_room in (
            rooms.c.instructions,
            rooms.c.naming == literals(Naming.FIRST_WORDS.value)[0],
            rooms.c.prompt,
        )
    ),
    select(reply_settings.c.settings)
    .where(reply_settings.c.reply_id == messages.c.id)
    .correlate(messages)
    .scalar_subquery(),
)
_this_reply = messages.c.id == bindparam("reply")
# A parameter, not a literal: see not_ended.
_generating = messages.c.status == Status.GENERATING.value
# The fence: true only while no other attempt has begun and none has ended.
_held = and_(_this_reply, _generating, messages.c.attempt == bindparam("held_attempt"))
_CLAIM = Statement(
    update(messages)
    .where(_this_reply, not_ended, _due, _first_in_room)
    .values(
        status=literals(Status.GENERATING.value)[0],
        attempt=messages.c.attempt + 1,
        claimable_at=database_time("lease"),
        # A draft of the attempt before, unless it is to be the text of a stopped reply.
        content=case((messages.c.stop_requested, messages.c.content), else_=""),
        parts=case((messages.c.stop_requested, messages.c.parts), else_=None),
    )
    .returning(*_claim_columns)
)
_STORE_DRAFT = Statement(update(messages).where(_held).values(**given("content", "parts")))
_RENEW = Statement(
    update(messages).where(_held).values(claimable_at=database_time("lease")).returning(messages.c.stop_requested)
)
_claims = (
    func.unnest(bindparam("replies", type_=ARRAY(Id)), bindparam("attempts", type_=ARRAY(Integer)))
    .table_valued("id", "attempt")
    .render_derived()
)
# Rows that another transaction has locked are left to _RENEW: waiting for one while holding others could deadlock
# with the erasure of an account.
_unlocked = (
    select(messages.c.id)
    .where(messages.c.id == _claims.c.id, messages.c.attempt == _claims.c.attempt, _generating)
    .with_for_update(of=messages, skip_locked=True)
    .cte("unlocked")
)
_RENEW_UNLOCKED = Statement(
    update(messages)
    .where(messages.c.id == _unlocked.c.id)
    .values(claimable_at=database_time("lease"))
    .returning(messages.c.id, messages.c.attempt, messages.c.stop_requested)
)
_postponement = (
    update(messages)
    .where(_held)
    .values(
        status=Status.PENDING.value,
        model=bindparam("asked_model"),
        failures=bindparam("counted_failures"),
        # A reply that is to stop does not wait for the delay.
        claimable_at=case((messages.c.stop_requested, database_time()), else_=database_time("seconds")),
    )
)
_release = (
    update(messages)
    .where(_held)
    .values(status=Status.PENDING.value, claimable_at=database_time(), releases=messages.c.releases + 1)
)
_end = update(messages).where(_held).values(model=bindparam("asked_model"), **ENDING)
# Each by itself, and together with what it counts, where one statement may do both.
_END, _POSTPONE, _RELEASE = (
    (
        Statement(step),
        Statement(
            select(func.count())
            .select_from(changed)
            .add_cte(
                insert(noted_statistics)
                .from_select(
                    NOTED_COLUMNS, select(changed.c.charged_on, *NOTED_VALUES).where(changed.c.charged_on.is_not(None))
                )
                .cte("noted")
            )
            .add_cte(
                count_end.where(
                    usage_days.c.account_id == changed.c.account_id, usage_days.c.day == changed.c.charged_on
                ).cte("counted")
            )
        ),
    )
    for step, changed in (
        (step, step.returning(messages.c.account_id, messages.c.charged_on).cte("changed"))
        for step in (_end, _postponement, _release)
    )
)
_EXCUSE = Statement(
    update(messages)
    .where(_this_reply, not_ended, messages.c.attempt > bindparam("lost_attempt"))
    .values(releases=messages.c.releases + 1)
)
_REQUEST_STOP = Statement(update(messages).where(_this_reply, not_ended).values(stop_requested=True))
_END_UNHELD = Statement(
    update(messages)
    .where(_this_reply, not_ended, ~and_(_generating, messages.c.claimable_at > database_time()))
    .values(attempt=messages.c.attempt + 1, **ENDING)
    .returning(*_claim_columns)
)
# The account id is the index's first column.
_account_of_room = select(rooms.c.account_id).where(rooms.c.id == bindparam("room")).scalar_subquery()
_NEXT_IN_ROOM = Statement(
    select(messages.c.id)
    .where(messages.c.account_id == _account_of_room, messages.c.room_id == bindparam("room"), unfinished)
    .order_by(messages.c.position)
    .limit(1)
)
_is_overdue = and_(
    unfinished,
    _due,
    or_(messages.c.queued_at < messages.c.claimable_at, messages.c.queued_at <= database_time("queued_since")),
    _first_in_room,
)
_ANY_OVERDUE = Statement(select(messages.c.id).where(_is_overdue).limit(1))
_overdue = (
    select(messages.c.id)
    .where(_is_overdue)
    .order_by(messages.c.claimable_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    # A CTE, so that it runs only once: a second run would find rows unlocked since the first.
    .cte("overdue")
)
_TAKE_OVERDUE = Statement(
    update(messages)
    .where(messages.c.id.in_(select(_overdue.c.id)))
    .values(queued_at=database_time())
    .returning(messages.c.claimable_at, messages.c.id)
)
_RENEWALS = {None: Lease.LOST, False: Lease.HELD, True: Lease.STOP_REQUESTED}


class SqlReplies(SqlStore):
    async def claim(self, reply_id: UUID, *, lease: float) -> Claim | None:
        row = await self._transaction.one_or_none(_CLAIM, reply=reply_id, lease=lease)
        return None if row is None else _claim(row)

    async def renew(self, claims: Sequence[Claim], *, lease: float) -> list[Lease]:
        renewed = await self._renew_unlocked(claims, lease) if len(claims) > 1 else {}
        for claim in claims:
            if claim not in renewed:
                renewed[claim] = await self._transaction.scalar(_RENEW, lease=lease, **_holder(claim))
        return [_RENEWALS[renewed[claim]] for claim in claims]

    async def _renew_unlocked(self, claims: Sequence[Claim], lease: float) -> dict[Claim, bool | None]:
        """What was renewed, and whether a stop was requested."""
        if not self._transaction.one_statement_suffices:
            return {}
        replies, attempts = [claim.reply_id for claim in claims], [claim.attempt for claim in claims]
        rows = await self._transaction.all(_RENEW_UNLOCKED, replies=replies, attempts=attempts, lease=lease)
        stops = {(row[0], row[1]): row[2] for row in rows}
        held = {claim: (claim.reply_id, claim.attempt) for claim in claims}
        return {claim: stops[key] for claim, key in held.items() if key in stops}

    async def store_draft(self, claim: Claim, parts: tuple[Part, ...]) -> bool:
        values = {"content": text_of(parts), "parts": encode_parts(parts)}
        return await self._transaction.execute(_STORE_DRAFT, **values, **_holder(claim)) == 1

    async def end(self, claim: Claim, ending: Ending) -> bool:
        values = ending_values(ending) | {"asked_model": claim.model}
        noted = attempt_values(claim.model, ended=True, failure=ending.error.code if ending.error else None)
        return await self._write(_END, claim, values, counts_of_end(ending), noted)

    async def postpone(
        self, claim: Claim, *, seconds: float, fallback: str | None = None, spent: Spent | None = None
    ) -> bool:
        model, failures = (claim.model, claim.failures + 1) if fallback is None else (fallback, 0)
        values = {"seconds": seconds, "asked_model": model, "counted_failures": failures}
        return await self._write(_POSTPONE, claim, values, counts_of_attempt(spent), attempt_values(claim.model))

    async def release(self, claim: Claim, *, spent: Spent | None = None) -> bool:
        return await self._write(_RELEASE, claim, {}, counts_of_attempt(spent), attempt_values(claim.model))

    async def excuse(self, claim: Claim) -> None:
        await self._transaction.execute(_EXCUSE, reply=claim.reply_id, lost_attempt=claim.attempt)

    async def _write(
        self,
        steps: tuple[Statement, Statement],
        claim: Claim,
        values: dict[str, Any],
        counts: dict[str, int],
        noted: dict[str, Any],
    ) -> bool:
        step, step_with_counts = steps
        values |= {"reply": claim.reply_id, "held_attempt": claim.attempt}
        is_noted = any(counts.values()) or noted["noted_messages"]
        if self._transaction.one_statement_suffices and is_noted:
            return bool(await self._transaction.scalar(step_with_counts, **values, **counts, **noted))
        written = await self._transaction.execute(step, **values) == 1
        if written and is_noted:
            if claim.charged_on is not None:
                await self._transaction.execute(NOTE, day=claim.charged_on, **note_values(counts, noted))
            await self._transaction.execute(COUNT_END, account=claim.account_id, day=claim.charged_on, **counts)
        return written

    async def request_stop(self, reply_id: UUID) -> bool:
        return await self._transaction.execute(_REQUEST_STOP, reply=reply_id) == 1

    async def end_unheld(self, reply_id: UUID, ending: Ending) -> Claim | None:
        row = await self._transaction.one_or_none(_END_UNHELD, reply=reply_id, **ending_values(ending))
        if row is None:
            return None
        claim = _claim(row)
        noted = attempt_values(claim.model, ended=True, failure=ending.error.code if ending.error else None)
        if claim.charged_on is not None:
            await self._transaction.execute(NOTE, day=claim.charged_on, **note_values(counts_of_end(ending), noted))
        return claim

    async def next_in_room(self, room_id: UUID) -> UUID | None:
        reply_id: UUID | None = await self._transaction.scalar(_NEXT_IN_ROOM, room=room_id)
        return reply_id

    async def any_overdue(self, *, patience: float) -> bool:
        return await self._transaction.scalar(_ANY_OVERDUE, queued_since=-patience) is not None

    async def take_overdue(self, *, patience: float, limit: int) -> list[UUID]:
        rows = await self._transaction.all(_TAKE_OVERDUE, queued_since=-patience, most=limit)
        return [reply_id for _, reply_id in sorted(tuple(row) for row in rows)]


def _claim(row: Any) -> Claim:
    *values, prompt, settings = row
    claim = Claim(*values)
    if prompt is None and settings is None:
        return claim
    return replace(
        claim,
        prompt=None if prompt is None else decode_prompt(prompt),
        settings=None if settings is None else decode_settings(settings),
    )


def _holder(claim: Claim) -> dict[str, Any]:
    return {"reply": claim.reply_id, "held_attempt": claim.attempt}
