"""The unit of work of everything about webhooks, in SQL."""

from parley.adapters.sql.engine.database import Database, Transaction
from parley.adapters.sql.engine.unit_of_work import SqlUnit, SqlUnitOfWork
from parley.adapters.sql.webhooks.deliveries import SqlWebhookDeliveries


class SqlWebhooksUnit(SqlUnit):
    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self.deliveries = SqlWebhookDeliveries(transaction)


class SqlWebhooksUnitOfWork(SqlUnitOfWork[SqlWebhooksUnit]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, SqlWebhooksUnit)
