"""The statistics of days, in SQL."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, delete, func, literal_column, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from parley.adapters.sql.accounts.directory import plan_of_each_account
from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.engine.database import Database, Transaction
from parley.adapters.sql.engine.statements import PerDatabase, Statement, Upsert, given, literals
from parley.adapters.sql.engine.tables import accounts, day_statistics, noted_statistics, plans, usage_days
from parley.adapters.sql.leases import SqlLeases
from parley.core.plans import Plans
from parley.core.statistics import COLLECT_SECONDS, DayStatistics, TokenSums

SIGNUPS, ACTIVE, MESSAGES, INPUT, OUTPUT, PRICED, COST, FAILURES, PLANS = (
    "signups", "active", "messages", "input", "output", "priced", "cost", "failures", "plans"
)  # fmt: skip
LEASE = "statistics"
# So many notes are added in one transaction.
BATCH = 50_000

_COUNT = Statement(select(func.count()).select_from(select(noted_statistics.c.number).limit(BATCH).subquery()))
_first = select(noted_statistics.c.number).order_by(noted_statistics.c.number).limit(BATCH)
_remove_first = delete(noted_statistics).where(noted_statistics.c.number.in_(_first))
_NOTED = {
    # One statement: rows that are committed meanwhile are neither added nor removed.
    "postgresql": _remove_first.returning(*noted_statistics.c).cte("noted"),
    "sqlite": select(*noted_statistics.c).order_by(noted_statistics.c.number).limit(BATCH).cte("noted"),
}
_none, _signups, _messages, _input, _output, _priced, _cost, _failures = literals(
    "", SIGNUPS, MESSAGES, INPUT, OUTPUT, PRICED, COST, FAILURES
)
_SUMS = {
    database: union_all(
        *(
            select(noted.c.day, kind.label("kind"), name.label("name"), total.label("total"))
            .where(name.is_not(None))
            .group_by(noted.c.day, literal_column("3"))
            for kind, name, total in (
                (_signups, _none, func.sum(noted.c.signups)),
                (_messages, _none, func.sum(noted.c.messages)),
                (_input, noted.c.model, func.sum(noted.c.input_tokens)),
                (_output, noted.c.model, func.sum(noted.c.output_tokens)),
                (_priced, noted.c.model, func.sum(noted.c.priced_tokens)),
                (_cost, noted.c.model, func.sum(noted.c.cost)),
                (_failures, noted.c.failure, func.count()),
            )
        )
    ).subquery("sums")
    for database, noted in _NOTED.items()
}
_ADD = PerDatabase(
    **{
        database: insert.from_select(
            ["day", "kind", "name", "total"], select(*_SUMS[database].c).where(_SUMS[database].c.total > 0)
        ).on_conflict_do_update(
            index_elements=["day", "kind", "name"],
            set_={"total": day_statistics.c.total + insert.excluded.total},
        )
        for database, insert in (
            ("postgresql", postgresql.insert(day_statistics)),
            ("sqlite", sqlite.insert(day_statistics)),
        )
    }
)
_REMOVE = PerDatabase(postgresql=select(literal_column("1")), sqlite=_remove_first)
_given = ("day", "kind", "name", "total")
_SET = Upsert(
    day_statistics,
    lambda insert: insert.values(given(*_given)).on_conflict_do_update(
        index_elements=["day", "kind", "name"], set_={"total": insert.excluded.total}
    ),
)
# An erasure of an account takes its usage along, but it was active.
_RAISE = Upsert(
    day_statistics,
    lambda insert: insert.values(given(*_given)).on_conflict_do_update(
        index_elements=["day", "kind", "name"],
        set_={
            "total": case(
                (day_statistics.c.total > insert.excluded.total, day_statistics.c.total), else_=insert.excluded.total
            )
        },
    ),
)
_ACTIVE = Statement(
    select(func.count())
    .select_from(usage_days)
    .where(usage_days.c.day == bindparam("day", type_=usage_days.c.day.type))
)
_ALL_ACCOUNTS = Statement(select(func.count()).select_from(accounts))
# Accounts without a row there are on the free plan.
_ON_PLANS = Statement(
    select(plan_of_each_account.label("plan"), func.count())
    .where(accounts.c.id.in_(select(plans.c.account_id)))
    .group_by(literal_column("1"))
)
_SINCE = Statement(
    select(day_statistics.c.day, day_statistics.c.kind, day_statistics.c.name, day_statistics.c.total).where(
        day_statistics.c.day >= bindparam("first", type_=day_statistics.c.day.type)
    )
)


class SqlStatistics:
    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._limits = PlanLimits(plans)

    async def collect(self, holder: UUID, *, now: datetime) -> int:
        today, added = now.astimezone(UTC).date(), 0
        while True:
            async with self._database.transaction() as transaction:
                if not await SqlLeases(transaction).take(LEASE, holder, seconds=COLLECT_SECONDS / 2):
                    return added
                noted: int = await transaction.scalar(_COUNT)
                if noted:
                    await transaction.execute(_ADD)
                    await transaction.execute(_REMOVE)
                if noted < BATCH:
                    await self._count(transaction, today, now)
                await transaction.commit()
            added += noted
            if noted < BATCH:
                return added

    async def since(self, first: date) -> list[DayStatistics]:
        async with self._database.transaction(read_only=True) as transaction:
            rows = await transaction.all(_SINCE, first=first)
        days: dict[date, list[Any]] = defaultdict(list)
        for day, *counted in rows:
            days[day].append(counted)
        return [_day(day, counted) for day, counted in days.items()]

    async def _count(self, transaction: Transaction, today: date, now: datetime) -> None:
        """What is not noted: active accounts, of yesterday too since some came after the last time, and plans."""
        for day in (today - timedelta(days=1), today):
            if active := await transaction.scalar(_ACTIVE, day=day):
                await transaction.execute(_RAISE, day=day, kind=ACTIVE, name="", total=active)
        on_plans = dict.fromkeys((plan.name for plan in self._plans), 0)
        for plan, count in await transaction.all(_ON_PLANS, now=now, **self._limits.parameters):
            on_plans[plan] = count
        others = await transaction.scalar(_ALL_ACCOUNTS) - sum(on_plans.values())
        on_plans[self._plans.free.name] += others
        for plan, count in on_plans.items():
            await transaction.execute(_SET, day=today, kind=PLANS, name=plan, total=count)


def _day(day: date, counted: Iterable[Any]) -> DayStatistics:
    by_kind: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, name, total in counted:
        by_kind[kind][name] = total
    read, written, priced, cost = by_kind[INPUT], by_kind[OUTPUT], by_kind[PRICED], by_kind[COST]
    return DayStatistics(
        day,
        signups=by_kind[SIGNUPS].get("", 0),
        active_accounts=by_kind[ACTIVE].get("", 0),
        messages=by_kind[MESSAGES].get("", 0),
        tokens={
            model: TokenSums(read.get(model, 0), written.get(model, 0), priced.get(model, 0), cost.get(model, 0))
            for model in sorted({*read, *written})
        },
        failures=by_kind[FAILURES],
        plans=by_kind[PLANS],
    )
