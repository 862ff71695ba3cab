"""What an account used each day, in SQL."""

from datetime import date
from uuid import UUID

from sqlalchemy import bindparam, select

from parley.adapters.sql.engine.statements import Statement
from parley.adapters.sql.engine.tables import usage_days
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.billing.model import DayUsage

_SINCE = Statement(
    select(usage_days.c.day, usage_days.c.used, usage_days.c.input_tokens, usage_days.c.output_tokens).where(
        usage_days.c.account_id == bindparam("account"), usage_days.c.day >= bindparam("first")
    )
)


class SqlUsageDays(SqlStore):
    async def since(self, account_id: UUID, first: date) -> list[DayUsage]:
        return [DayUsage(*row) for row in await self._transaction.all(_SINCE, account=account_id, first=first)]
