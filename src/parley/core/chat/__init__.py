"""The chat module: rooms, messages, and replies from acceptance to end."""

from dataclasses import dataclass, field
from uuid import UUID

from parley.core.chat.acceptance import Acceptance
from parley.core.chat.account_plans import AccountPlans
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.circuit_breaker import CircuitBreakers
from parley.core.chat.lease_renewals import LeaseRenewals
from parley.core.chat.open_rooms import OpenRooms
from parley.core.chat.ports import (
    ModelPrices,
    ReplyMeter,
    ReplyQueue,
    ReplyStream,
    RoomListCache,
    StopSignals,
    TitleQueue,
)
from parley.core.chat.readers import ReplyReaders
from parley.core.chat.reply_limits import ReplyLimits
from parley.core.chat.room_limits import RoomLimits
from parley.core.chat.shared_reads import SharedReads
from parley.core.chat.stores import ChatUnitOfWork
from parley.core.chat.tickets import StreamTickets
from parley.core.chat.title_rules import TitleRules
from parley.core.chat.token_estimates import TokenEstimates
from parley.core.outgoing_events import Webhooks
from parley.core.ports import Clock, Jitter, NewId, NewToken


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatPorts:
    """Everything the chat module needs from outside; the first argument of each of its use cases.

    `acceptance` is None where accepting a message takes several statements. `worker_id` names this process as the
    holder of leases.
    """

    uow: ChatUnitOfWork
    acceptance: Acceptance | None
    catalogue: ModelCatalogue
    plans: AccountPlans
    queue: ReplyQueue
    title_queue: TitleQueue
    stream: ReplyStream
    stop_signals: StopSignals
    room_list_cache: RoomListCache
    shared_reads: SharedReads
    meter: ReplyMeter
    prices: ModelPrices
    breakers: CircuitBreakers
    tickets: StreamTickets
    limits: ReplyLimits
    renewals: LeaseRenewals
    worker_id: UUID
    readers: ReplyReaders = field(default_factory=ReplyReaders)
    open_rooms: OpenRooms = field(default_factory=OpenRooms)
    estimates: TokenEstimates = field(default_factory=TokenEstimates)
    room_limits: RoomLimits = field(default_factory=RoomLimits)
    titles: TitleRules = field(default_factory=TitleRules)
    webhooks: Webhooks = field(default_factory=Webhooks)
    now: Clock
    new_id: NewId
    new_token: NewToken
    jitter: Jitter
