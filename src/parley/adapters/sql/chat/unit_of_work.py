"""The unit of work of everything about chat, in SQL."""

from functools import partial

from parley.adapters.sql.billing.plans import PlanLimits
from parley.adapters.sql.chat.client_ids import SqlClientIds
from parley.adapters.sql.chat.idempotency import SqlIdempotencyKeys
from parley.adapters.sql.chat.messages import SqlMessages
from parley.adapters.sql.chat.prompts import SqlPrompts
from parley.adapters.sql.chat.quota import SqlQuota
from parley.adapters.sql.chat.replies import SqlReplies
from parley.adapters.sql.chat.reply_settings import SqlRepliesSettings
from parley.adapters.sql.chat.rooms import SqlRooms
from parley.adapters.sql.chat.search_index import SqlSearchIndex
from parley.adapters.sql.chat.shares import SqlShares
from parley.adapters.sql.chat.titles import SqlTitles
from parley.adapters.sql.engine.database import Database, Transaction
from parley.adapters.sql.engine.unit_of_work import SqlUnit, SqlUnitOfWork
from parley.adapters.sql.leases import SqlLeases
from parley.adapters.sql.outgoing_events import SqlOutgoingEvents


class SqlChatUnit(SqlUnit):
    def __init__(self, transaction: Transaction, limits: PlanLimits) -> None:
        super().__init__(transaction)
        self.rooms = SqlRooms(transaction)
        self.messages = SqlMessages(transaction)
        self.replies = SqlReplies(transaction)
        self.quota = SqlQuota(transaction, limits)
        self.prompts = SqlPrompts(transaction)
        self.reply_settings = SqlRepliesSettings(transaction)
        self.idempotency_keys = SqlIdempotencyKeys(transaction)
        self.leases = SqlLeases(transaction)
        self.search = SqlSearchIndex(transaction)
        self.outgoing_events = SqlOutgoingEvents(transaction)
        self.shares = SqlShares(transaction)
        self.titles = SqlTitles(transaction)
        self.client_ids = SqlClientIds(transaction)


class SqlChatUnitOfWork(SqlUnitOfWork[SqlChatUnit]):
    def __init__(self, database: Database, limits: PlanLimits) -> None:
        super().__init__(database, partial(SqlChatUnit, limits=limits))
