"""Billing's daily message limit, applied in chat's transaction, in SQL."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import and_, bindparam, case, func, literal_column, or_, select, true, update

from parley.adapters.sql.billing.plans import PlanLimits, messages_per_day
from parley.adapters.sql.engine.database import Transaction
from parley.adapters.sql.engine.statements import Statement, Upsert
from parley.adapters.sql.engine.tables import Id, usage_days
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import MOST_RETURNED_REFUSALS
from parley.core.chat.days import next_midnight, utc_day
from parley.core.chat.errors import QuotaExceeded
from parley.core.chat.model import Allowance, Ending, Status, TokenUsage

_account = bindparam("account", type_=Id)
_day = bindparam("day", type_=usage_days.c.day.type)
_this_day = (usage_days.c.account_id == _account, usage_days.c.day == _day)
# Increments the day's count and returns it with the limit; returns no row if the limit is reached.
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
        .returning(usage_days.c.used, messages_per_day)
    ),
)
_LOOK = Statement(select(select(usage_days.c.used).where(*_this_day).scalar_subquery(), messages_per_day))
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
)
COUNT_END = Statement(count_end.where(*_this_day))


class SqlQuota(SqlStore):
    def __init__(self, transaction: Transaction, limits: PlanLimits) -> None:
        super().__init__(transaction)
        self._limits = limits

    async def take(self, account_id: UUID, *, now: datetime) -> Allowance:
        day = utc_day(now)
        row = await self._transaction.one_or_none(
            _TAKE, account=account_id, day=day, now=now, **self._limits.parameters
        )
        if row is None:
            raise QuotaExceeded(await self.look(account_id, now=now))
        used, limit = row
        return allowance(limit, used, day)

    async def look(self, account_id: UUID, *, now: datetime) -> Allowance:
        day = utc_day(now)
        used, limit = await self._transaction.one_or_none(
            _LOOK, account=account_id, day=day, now=now, **self._limits.parameters
        )
        return allowance(limit, used or 0, day)

    async def give_back(self, account_id: UUID, *, day: date | None) -> None:
        await self._transaction.execute(COUNT_END, account=account_id, day=day, **_NOTHING | {"returned": 1})

    async def add_tokens(self, account_id: UUID, *, day: date | None, usage: TokenUsage) -> None:
        await self._transaction.execute(COUNT_END, account=account_id, day=day, **counts_of_attempt(usage))


def counts_of_attempt(usage: TokenUsage | None) -> dict[str, int]:
    """Values for `count_end`: what an attempt cost."""
    read, written = (usage.input_tokens, usage.output_tokens) if usage else (0, 0)
    return _NOTHING | {"read": read or 0, "written": written or 0}


def counts_of_end(ending: Ending) -> dict[str, int]:
    """Values for `count_end`: also whether the message is returned."""
    returned = int(ending.status is Status.FAILED)
    return counts_of_attempt(ending.usage) | {"returned": returned, "refusal": int(ending.is_refusal)}


_NOTHING = {"returned": 0, "refusal": 0, "read": 0, "written": 0}


def allowance(limit: int | None, used: int, day: date) -> Allowance:
    remaining = None if limit is None else max(0, limit - used)
    return Allowance(limit, remaining, next_midnight(day))
