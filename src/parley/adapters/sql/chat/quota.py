"""What accounts use of what their plans allow, counted in chat's transaction, in SQL."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, func, literal_column, or_, select, true, update

from parley.adapters.sql.billing.plans import PlanLimits, messages_per_day, plan_of_account
from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.database import Transaction
from parley.adapters.sql.engine.statements import Statement, Upsert
from parley.adapters.sql.engine.tables import Id, messages, rooms, usage_days
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import MOST_RETURNED_REFUSALS
from parley.core.chat.allowance import Allowance
from parley.core.chat.days import next_midnight, utc_day
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Ending, Status
from parley.core.chat.tokens import Spent
from parley.core.plans import Plan
from parley.core.token_limits import TokenAllowance, Tokens, month_of, token_allowances

_account = bindparam("account", type_=Id)
_day = bindparam("day", type_=usage_days.c.day.type)
_this_day = (usage_days.c.account_id == _account, usage_days.c.day == _day)
# Increments the day's count and returns it with the plan; returns no row if the limit is reached.
_TAKE = Upsert(
    usage_days,
    lambda insert: (
        insert.from_select(
            ["account_id", "day", "used"],
            select(_account, _day, literal_column("1")).where(func.coalesce(messages_per_day > 0, true())),
        )
        .on_conflict_do_update(
            index_elements=["account_id", "day"],
            set_={"used": usage_days.c.used + 1},
            where=func.coalesce(usage_days.c.used < messages_per_day, true()),
        )
        .returning(usage_days.c.used, plan_of_account)
    ),
)
_LOOK = Statement(select(select(usage_days.c.used).where(*_this_day).scalar_subquery(), plan_of_account))
_OF = Statement(select(plan_of_account))
_month = bindparam("month", type_=usage_days.c.day.type)
_used_tokens = usage_days.c.input_tokens + usage_days.c.output_tokens
_used, _reserved = (
    select(
        func.coalesce(func.sum(case((day == _day, tokens), else_=0)), 0).label("of_day"),
        func.coalesce(func.sum(tokens), 0).label("of_month"),
    )
    .where(*conditions, day >= _month)
    .subquery()
    for tokens, day, conditions in (
        (_used_tokens, usage_days.c.day, [usage_days.c.account_id == _account]),
        (messages.c.reserved_tokens, messages.c.charged_on, [messages.c.account_id == _account, unfinished]),
    )
)
_TOKENS = Statement(select(_used.c.of_day, _reserved.c.of_day, _used.c.of_month, _reserved.c.of_month))
_RESERVE = Statement(
    update(usage_days)
    .where(*_this_day)
    .values(
        reserved_tokens=usage_days.c.reserved_tokens + bindparam("reserved", type_=usage_days.c.reserved_tokens.type)
    )
)
# What the end of a reply changes in the day that paid for it; the caller adds which day that is.
_returned, _refusal = (bindparam(name, type_=usage_days.c.used.type) for name in ("returned", "refusal"))
_is_returned = and_(
    usage_days.c.used > 0,
    or_(_refusal == 0, usage_days.c.returned_refusals < literal_column(str(MOST_RETURNED_REFUSALS))),
)
count_end = update(usage_days).values(
    used=case((_is_returned, usage_days.c.used - _returned), else_=usage_days.c.used),
    returned_refusals=case(
        (_is_returned, usage_days.c.returned_refusals + _refusal), else_=usage_days.c.returned_refusals
    ),
    input_tokens=usage_days.c.input_tokens + bindparam("read", type_=usage_days.c.input_tokens.type),
    output_tokens=usage_days.c.output_tokens + bindparam("written", type_=usage_days.c.output_tokens.type),
    estimated_tokens=usage_days.c.estimated_tokens + bindparam("estimated", type_=usage_days.c.estimated_tokens.type),
    priced_tokens=usage_days.c.priced_tokens + bindparam("priced", type_=usage_days.c.priced_tokens.type),
    cost=usage_days.c.cost + bindparam("paid", type_=usage_days.c.cost.type),
)
COUNT_END = Statement(count_end.where(*_this_day))
# Locks them, as the end of a reply locks it before the usage. The account id is the index's first column.
_account_of_room = select(rooms.c.account_id).where(rooms.c.id == bindparam("room")).scalar_subquery()
_UNFINISHED, _UNFINISHED_OF_ROOM = (
    Statement(
        select(
            messages.c.id, messages.c.account_id, messages.c.charged_on, messages.c.status, messages.c.reserved_tokens
        )
        .where(unfinished, *conditions)
        .order_by(messages.c.id)
        .with_for_update(of=messages)
    )
    for conditions in (
        [messages.c.account_id == _account],
        [messages.c.account_id == _account_of_room, messages.c.room_id == bindparam("room")],
    )
)


class SqlQuota(SqlStore):
    def __init__(self, transaction: Transaction, limits: PlanLimits) -> None:
        super().__init__(transaction)
        self._limits = limits

    async def plan(self, account_id: UUID, *, now: datetime) -> Plan:
        name = await self._transaction.scalar(_OF, account=account_id, now=now, **self._limits.parameters)
        return self._limits.plans.named(name)

    async def take(self, account_id: UUID, *, now: datetime) -> tuple[Plan, Allowance]:
        day = utc_day(now)
        row = await self._transaction.one_or_none(
            _TAKE, account=account_id, day=day, now=now, **self._limits.parameters
        )
        if row is None:
            raise QuotaExceeded(await self.look(account_id, now=now))
        used, name = row
        plan = self._limits.plans.named(name)
        return plan, allowance(plan, used, day)

    async def tokens(self, account_id: UUID, plan: Plan, *, now: datetime) -> tuple[TokenAllowance, ...]:
        today = utc_day(now)
        row = await self._transaction.one_or_none(_TOKENS, account=account_id, day=today, month=month_of(today))
        used_today, reserved_today, used, reserved = map(int, row)
        return token_allowances(plan, today, day=Tokens(used_today, reserved_today), month=Tokens(used, reserved))

    async def reserve(self, account_id: UUID, *, now: datetime, tokens: int) -> None:
        await self._transaction.execute(_RESERVE, account=account_id, day=utc_day(now), reserved=tokens)

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        day = utc_day(now)
        used, name = await self._transaction.one_or_none(
            _LOOK, account=account_id, day=day, now=now, **self._limits.parameters
        )
        plan = self._limits.plans.named(name)
        found = allowance(plan, used or 0, day)
        return found.with_tokens(await self.tokens(account_id, plan, now=now)) if plan.limits_tokens else found

    async def give_back(self, account_id: UUID, *, day: date | None) -> None:
        await self._transaction.execute(COUNT_END, account=account_id, day=day, **NOTHING | {"returned": 1})

    async def add_tokens(self, account_id: UUID, *, day: date | None, spent: Spent) -> None:
        await self._transaction.execute(COUNT_END, account=account_id, day=day, **counts_of_attempt(spent))

    async def abandon(self, room_id: UUID) -> None:
        await count_abandoned(self._transaction, await self._transaction.all(_UNFINISHED_OF_ROOM, room=room_id))


async def abandon_all(transaction: Transaction, account_id: UUID) -> None:
    """As `Quota.abandon`, for all rooms of the account."""
    await count_abandoned(transaction, await transaction.all(_UNFINISHED, account=account_id))


async def count_abandoned(transaction: Transaction, unfinished: Iterable[Any]) -> None:
    """Those that no model has begun spent nothing, or it was counted when they were postponed."""
    for _, account_id, day, status, tokens in unfinished:
        if status == Status.GENERATING.value and tokens:
            counts = counts_of_attempt(Spent(tokens, estimated=tokens))
            await transaction.execute(COUNT_END, account=account_id, day=day, **counts)


def counts_of_attempt(spent: Spent | None) -> dict[str, int]:
    """Values for `count_end`: what an attempt cost."""
    if spent is None:
        return NOTHING
    tokens = spent.input_tokens + spent.output_tokens
    return NOTHING | {
        "read": spent.input_tokens,
        "written": spent.output_tokens,
        "estimated": spent.estimated,
        "priced": 0 if spent.cost is None else tokens,
        "paid": spent.cost or 0,
    }


def counts_of_end(ending: Ending) -> dict[str, int]:
    """Values for `count_end`: also whether the message is returned."""
    returned = int(ending.status is Status.FAILED)
    return counts_of_attempt(ending.counted) | {"returned": returned, "refusal": int(ending.is_refusal)}


NOTHING = dict.fromkeys(("returned", "refusal", "read", "written", "estimated", "priced", "paid"), 0)


def allowance(plan: Plan, used: int, day: date) -> Allowance:
    """Without tokens."""
    limit = plan.messages_per_day
    return Allowance(limit, None if limit is None else max(0, limit - used), next_midnight(day))
