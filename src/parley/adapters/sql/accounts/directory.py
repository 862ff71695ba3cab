"""Accounts with their plans, as an operator lists and searches them, in SQL."""

from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, String, and_, bindparam, exists, literal_column, or_, select, true
from sqlalchemy.sql.visitors import replacement_traverse

from parley.adapters.sql.accounts.accounts import account_columns, account_of
from parley.adapters.sql.billing.plans import PlanLimits, plan_of_account
from parley.adapters.sql.engine.byte_order import LAST_CHARACTER, bytes_compare, in_byte_order
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement, literals
from parley.adapters.sql.engine.tables import Id, accounts, paid_plans, plans
from parley.core.accounts.directory import ListedAccount
from parley.core.accounts.model import Identity, IdentityKind
from parley.core.plans import PRO
from parley.core.ports import Clock

# Greater than every id.
_LAST_ID = UUID(int=2**128 - 1)


# By its text, so that nothing is joined.
_each_account = literal_column("accounts.id", Id)


def _of_each_account(element: Any, **_: Any) -> Any:
    """The account of the statement around it, instead of a parameter."""
    is_account = isinstance(element, BindParameter) and element.key == "account"
    return _each_account if is_account else None


plan_of_each_account: Any = replacement_traverse(plan_of_account, {}, _of_each_account)
_wanted_plan = bindparam("wanted_plan", type_=String())
(_pro,) = literals(PRO)
# The accounts that may be on a plan that is not free, by indexes: the plan of each is looked at only then.
_has_plan = or_(
    accounts.c.id.in_(select(paid_plans.c.account_id).where(paid_plans.c.plan == _wanted_plan)),
    accounts.c.id.in_(select(plans.c.account_id).where(plans.c.override == _wanted_plan)),
    # Paid while a process of the version that knew one paid plan was the last to write.
    accounts.c.id.in_(
        select(plans.c.account_id).where(
            _wanted_plan == _pro,
            plans.c.paid_until.is_not(None),
            ~exists().where(paid_plans.c.account_id == plans.c.account_id),
        )
    ),
)
_ON = {
    "any plan": true(),
    "the free plan": plan_of_each_account == _wanted_plan,
    "another plan": and_(_has_plan, plan_of_each_account == _wanted_plan),
}
_every = select(*account_columns, plan_of_each_account).limit(bindparam("most"))
_WITH_ID = {name: Statement(_every.where(accounts.c.id == bindparam("id", type_=Id), on)) for name, on in _ON.items()}
# Ids are UUIDv7: their order is that of the sign-ups.
_NEWEST = {
    name: Statement(_every.where(accounts.c.id < bindparam("before", type_=Id), on).order_by(accounts.c.id.desc()))
    for name, on in _ON.items()
}
_STARTING_WITH = {
    (kind, name): Statement(
        _every.where(
            bytes_compare(column, ">=", bindparam("start", type_=String())),
            bytes_compare(column, "<", bindparam("end", type_=String())),
            bytes_compare(column, ">", bindparam("after", type_=String())),
            on,
        ).order_by(in_byte_order(column))
    )
    for kind, column in ((IdentityKind.EMAIL, accounts.c.email), (IdentityKind.MOBILE_NUMBER, accounts.c.mobile_number))
    for name, on in _ON.items()
}


class SqlAccountDirectory:
    def __init__(self, database: Database, limits: PlanLimits, *, now: Clock) -> None:
        self._database = database
        self._limits = limits
        self._now = now

    async def with_id(self, account_id: UUID, *, plan: str | None) -> ListedAccount | None:
        found = await self._read(_WITH_ID[self._on(plan)], plan, id=account_id, most=1)
        return found[0] if found else None

    async def newest(self, *, plan: str | None, before: UUID | None, limit: int) -> list[ListedAccount]:
        return await self._read(_NEWEST[self._on(plan)], plan, before=before or _LAST_ID, most=limit)

    async def starting_with(
        self, start: Identity, *, plan: str | None, after: str | None, limit: int
    ) -> list[ListedAccount]:
        return await self._read(
            _STARTING_WITH[start.kind, self._on(plan)],
            plan,
            start=start.value,
            end=start.value + LAST_CHARACTER,
            after=after or "",
            most=limit,
        )

    def _on(self, plan: str | None) -> str:
        if plan is None:
            return "any plan"
        return "the free plan" if plan == self._limits.parameters["free_plan"] else "another plan"

    async def _read(self, statement: Statement, plan: str | None, **values: Any) -> list[ListedAccount]:
        wanted = {} if plan is None else {"wanted_plan": plan}
        async with self._database.transaction(read_only=True) as transaction:
            rows = await transaction.all(statement, now=self._now(), **values, **wanted, **self._limits.parameters)
        return [ListedAccount(account, row[-1]) for row in rows if (account := account_of(row[:-1])) is not None]
