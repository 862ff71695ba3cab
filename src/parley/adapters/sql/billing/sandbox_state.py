"""The payment sandbox's state in SQL."""

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.engine.tables import sandbox_objects


class SqlSandboxState:
    """Every call is a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, object_id: str, customer_id: str, body: str) -> bool:
        async with self._database.transaction() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            added = await connection.execute(
                insert(sandbox_objects)
                .values(id=object_id, customer_id=customer_id, body=body)
                .on_conflict_do_nothing(index_elements=["id"])
            )
            await connection.commit()
        return added.rowcount == 1

    async def get(self, object_id: str) -> str | None:
        async with self._database.transaction(read_only=True) as connection:
            found = await connection.execute(select(sandbox_objects.c.body).where(sandbox_objects.c.id == object_id))
            body: str | None = found.scalar_one_or_none()
        return body

    async def of_customer(self, customer_id: str) -> list[tuple[str, str]]:
        query = select(sandbox_objects.c.id, sandbox_objects.c.body).where(sandbox_objects.c.customer_id == customer_id)
        async with self._database.transaction(read_only=True) as connection:
            return [(row.id, row.body) for row in await connection.execute(query)]

    async def replace(self, object_id: str, *, old: str, new: str) -> bool:
        async with self._database.transaction() as connection:
            replaced = await connection.execute(
                update(sandbox_objects)
                .where(sandbox_objects.c.id == object_id, sandbox_objects.c.body == old)
                .values(body=new)
            )
            await connection.commit()
        return replaced.rowcount == 1

    async def remove_customer(self, customer_id: str) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(delete(sandbox_objects).where(sandbox_objects.c.customer_id == customer_id))
            await connection.commit()
