"""The payment sandbox's state in SQL."""

from sqlalchemy import bindparam, delete, select, update

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import sandbox_objects

_this_object = sandbox_objects.c.id == bindparam("object")
_of_customer = sandbox_objects.c.customer_id == bindparam("customer")
_ADD = Upsert(
    sandbox_objects,
    lambda insert: insert.values(given("id", "customer_id", "body")).on_conflict_do_nothing(index_elements=["id"]),
)
_GET = Statement(select(sandbox_objects.c.body).where(_this_object))
_OF_CUSTOMER = Statement(select(sandbox_objects.c.id, sandbox_objects.c.body).where(_of_customer))
_REPLACE = Statement(
    update(sandbox_objects)
    .where(_this_object, sandbox_objects.c.body == bindparam("old"))
    .values(body=bindparam("new"))
)
_REMOVE_CUSTOMER = Statement(delete(sandbox_objects).where(_of_customer))


class SqlSandboxState:
    """Every call is a separate transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, object_id: str, customer_id: str, body: str) -> bool:
        return await self._change(_ADD, id=object_id, customer_id=customer_id, body=body) == 1

    async def get(self, object_id: str) -> str | None:
        async with self._database.transaction(read_only=True) as transaction:
            body: str | None = await transaction.scalar(_GET, object=object_id)
        return body

    async def of_customer(self, customer_id: str) -> list[tuple[str, str]]:
        async with self._database.transaction(read_only=True) as transaction:
            return [(id_, body) for id_, body in await transaction.all(_OF_CUSTOMER, customer=customer_id)]

    async def replace(self, object_id: str, *, old: str, new: str) -> bool:
        return await self._change(_REPLACE, object=object_id, old=old, new=new) == 1

    async def remove_customer(self, customer_id: str) -> None:
        await self._change(_REMOVE_CUSTOMER, customer=customer_id)

    async def _change(self, statement: Statement, **values: str) -> int:
        async with self._database.transaction() as transaction:
            changed = await transaction.execute(statement, **values)
            await transaction.commit()
        return changed
