"""What an account used each day, in SQL."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from sqlalchemy import bindparam, func, select

from parley.adapters.sql.chat.unfinished import unfinished
from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import messages, usage_days
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import DayUsage

_columns = ("day", "used", "input_tokens", "output_tokens", "estimated_tokens", "priced_tokens", "cost")
_SINCE = Statement(
    select(*(usage_days.c[name] for name in _columns)).where(
        usage_days.c.account_id == bindparam("account"), usage_days.c.day >= bindparam("first")
    )
)
_RESERVED = Statement(
    select(messages.c.charged_on, func.sum(messages.c.reserved_tokens))
    .where(
        messages.c.account_id == bindparam("account"),
        unfinished,
        messages.c.charged_on >= bindparam("first"),
        messages.c.reserved_tokens.is_not(None),
    )
    .group_by(messages.c.charged_on)
)


class SqlUsageDays(SqlStore):
    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        return [DayUsage(*row) for row in await self._transaction.all(_SINCE, account=account_id, first=first)]

    async def reserved(self, account_id: UUID, first: date) -> Mapping[date, int]:
        rows = await self._transaction.all(_RESERVED, account=account_id, first=first)
        return {day: int(tokens) for day, tokens in rows}
