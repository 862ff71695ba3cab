"""The unit of work of everything about accounts, in SQL."""

from parley.adapters.sql.accounts.accounts import SqlAccounts
from parley.adapters.sql.accounts.api_keys import SqlApiKeys
from parley.adapters.sql.accounts.codes import SqlChallenges
from parley.adapters.sql.accounts.deliveries import SqlDeliveries
from parley.adapters.sql.accounts.erased_usage import SqlErasedUsage
from parley.adapters.sql.accounts.erasure import SqlAccountErasure
from parley.adapters.sql.accounts.guesses import SqlDevices, SqlGuessFailures
from parley.adapters.sql.accounts.revocations import SqlRevocations
from parley.adapters.sql.accounts.sessions import SqlSessions
from parley.adapters.sql.accounts.signups import SqlSignups
from parley.adapters.sql.accounts.suspensions import SqlSuspensions
from parley.adapters.sql.engine.database import Database, Transaction
from parley.adapters.sql.engine.unit_of_work import SqlUnit, SqlUnitOfWork
from parley.adapters.sql.outgoing_events import SqlOutgoingEvents


class SqlAccountsUnit(SqlUnit):
    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction)
        self.accounts = SqlAccounts(transaction)
        self.challenges = SqlChallenges(transaction)
        self.failures = SqlGuessFailures(transaction)
        self.devices = SqlDevices(transaction)
        self.deliveries = SqlDeliveries(transaction)
        self.signups = SqlSignups(transaction)
        self.sessions = SqlSessions(transaction)
        self.revocations = SqlRevocations(transaction)
        self.suspensions = SqlSuspensions(transaction)
        self.api_keys = SqlApiKeys(transaction)
        self.account_erasure = SqlAccountErasure(transaction)
        self.erased_usage = SqlErasedUsage(transaction)
        self.outgoing_events = SqlOutgoingEvents(transaction)


class SqlAccountsUnitOfWork(SqlUnitOfWork[SqlAccountsUnit]):
    def __init__(self, database: Database) -> None:
        super().__init__(database, SqlAccountsUnit)
