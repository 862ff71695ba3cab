"""The unit of work of everything about billing, in SQL."""

from functools import partial

from parley.adapters.sql.billing.customers import SqlCustomerErasures, SqlCustomers
from parley.adapters.sql.billing.events import SqlEvents
from parley.adapters.sql.billing.plans import PlanLimits, SqlPlans
from parley.adapters.sql.billing.reported_plans import SqlReportedPlans
from parley.adapters.sql.billing.subscriptions import SqlSubscriptions
from parley.adapters.sql.billing.usage import SqlUsageDays
from parley.adapters.sql.engine.database import Database, Transaction
from parley.adapters.sql.engine.unit_of_work import SqlUnit, SqlUnitOfWork
from parley.adapters.sql.leases import SqlLeases
from parley.adapters.sql.outgoing_events import SqlOutgoingEvents


class SqlBillingUnit(SqlUnit):
    def __init__(self, transaction: Transaction, limits: PlanLimits) -> None:
        super().__init__(transaction)
        self.plans = SqlPlans(transaction, limits)
        self.reported_plans = SqlReportedPlans(transaction)
        self.usage_days = SqlUsageDays(transaction)
        self.customers = SqlCustomers(transaction)
        self.subscriptions = SqlSubscriptions(transaction)
        self.events = SqlEvents(transaction)
        self.customer_erasures = SqlCustomerErasures(transaction)
        self.leases = SqlLeases(transaction)
        self.outgoing_events = SqlOutgoingEvents(transaction)


class SqlBillingUnitOfWork(SqlUnitOfWork[SqlBillingUnit]):
    def __init__(self, database: Database, limits: PlanLimits) -> None:
        super().__init__(database, partial(SqlBillingUnit, limits=limits))
