"""What the HTTP adapter is given: the ports and settings that its handlers pass on to use cases."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from litestar.di import NamedDependency

from parley.core.accounts.codes import CodePolicy
from parley.core.accounts.ports import (
    AccessTokens,
    AccountsUnitOfWork,
    MobileNumbers,
    NewCode,
    NewToken,
    OtpSender,
    Passwords,
)
from parley.core.billing.ports import BillingUnitOfWork
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.ports import ChatUnitOfWork, ReplyQueue, ReplyStream, RoomListCache, StopSignals
from parley.core.chat.rooms import SharedReads
from parley.core.chat.tickets import StreamTickets
from parley.core.ports import Clock, NewId, Throttle


@dataclass(frozen=True, kw_only=True)
class HttpPorts:
    """Keys come as lists: the first signs, all verify. `public_url` is empty where answers name paths alone."""

    now: Clock
    new_id: NewId
    new_code: NewCode
    new_token: NewToken
    throttle: Throttle
    health_checks: Mapping[str, Callable[[], Awaitable[bool]]]
    public_url: str

    accounts: AccountsUnitOfWork
    passwords: Passwords
    mobile_numbers: MobileNumbers
    otp_sender: OtpSender
    tokens: AccessTokens
    code_keys: Sequence[bytes]
    refresh_keys: Sequence[bytes]
    code_policy: CodePolicy
    session_life: timedelta
    auth_requests_per_minute: int

    chat: ChatUnitOfWork
    catalogue: ModelCatalogue
    reply_queue: ReplyQueue
    reply_stream: ReplyStream
    stop_signals: StopSignals
    room_list_cache: RoomListCache
    room_list_reads: SharedReads
    tickets: StreamTickets
    max_pending: int

    billing: BillingUnitOfWork
    basic_daily_limit: int


# How a handler asks for them.
Ports = NamedDependency[HttpPorts]
