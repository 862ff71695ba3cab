"""The day's usage of erased accounts, in SQL."""

from datetime import date
from uuid import UUID

from sqlalchemy import bindparam, case, delete, select

from parley.adapters.sql.chat.quota import abandon_all
from parley.adapters.sql.engine.statements import Statement, Upsert
from parley.adapters.sql.engine.tables import Id, erased_usage, usage_days
from parley.adapters.sql.engine.unit_of_work import SqlStore

_COUNTS = ("used", "input_tokens", "output_tokens", "returned_refusals")
_account = bindparam("account", type_=Id)
_owner = bindparam("owner", type_=erased_usage.c.owner.type)
_since = bindparam("since", type_=usage_days.c.day.type)


# Copies rows by day; of a row that exists already, the larger number of each count remains.
_STORE, _RESTORE = (
    Upsert(
        target,
        lambda insert, source=source, target=target, key=key, owner=owner, value=value: (  # type: ignore[misc]  # mypy infers no type for the defaults
            insert.from_select(
                [owner, "day", *_COUNTS],
                select(value, source.c.day, *(source.c[count] for count in _COUNTS)).where(key, source.c.day >= _since),
            ).on_conflict_do_update(
                index_elements=[owner, "day"],
                set_={
                    count: case(
                        (target.c[count] > insert.excluded[count], target.c[count]), else_=insert.excluded[count]
                    )
                    for count in _COUNTS
                },
            )
        ),
    )
    for source, key, target, owner, value in (
        (usage_days, usage_days.c.account_id == _account, erased_usage, "owner", _owner),
        (erased_usage, erased_usage.c.owner == _owner, usage_days, "account_id", _account),
    )
)
_FORGET_BEFORE = Statement(delete(erased_usage).where(erased_usage.c.day < bindparam("day")))


class SqlErasedUsage(SqlStore):
    async def store(self, account_id: UUID, owner: bytes, *, since: date) -> None:
        await abandon_all(self._transaction, account_id)
        await self._transaction.execute(_STORE, account=account_id, owner=owner, since=since)

    async def restore(self, account_id: UUID, owner: bytes, *, since: date) -> None:
        await self._transaction.execute(_RESTORE, account=account_id, owner=owner, since=since)

    async def forget_before(self, day: date) -> int:
        return await self._transaction.execute(_FORGET_BEFORE, day=day)
