"""What the HTTP adapter is given: the ports and settings that its handlers pass on to use cases."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from litestar.di import NamedDependency

from parley.core.accounts.codes import CodePolicy
from parley.core.accounts.deliveries import Post
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.ports import AccessTokens, AuditTrail, MobileNumbers, NewCode, NewToken, Passwords
from parley.core.accounts.revoked import RevokedSessions
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.accounts.turns import Turns
from parley.core.billing.ports import EventQueue, PaymentProvider
from parley.core.billing.sandbox import SandboxTill
from parley.core.billing.stores import BillingUnitOfWork
from parley.core.chat.catalogue import ModelCatalogue
from parley.core.chat.ports import ChatUnitOfWork, ReplyMeter, ReplyQueue, ReplyStream, RoomListCache, StopSignals
from parley.core.chat.rooms import SharedReads
from parley.core.chat.tickets import StreamTickets
from parley.core.ports import Clock, NewId, Throttle


class RequestMeter(Protocol):
    """What operators are told of requests. Raises nothing."""

    def answered(self, method: str, route: str, status: int, seconds: float | None) -> None:
        """An answer began. `route` is the template; without `seconds` the time is not worth counting."""

    def refused(self, code: str) -> None:
        """The answer is the problem of that code."""

    def stream_opened(self) -> None: ...

    def stream_closed(self) -> None:
        """One that was opened."""


@dataclass(frozen=True, kw_only=True)
class HttpPorts:
    """Keys come as lists: the first signs, all verify. `public_url` is empty where answers name paths alone.

    `scrape` makes what Prometheus reads, for everybody without a `metrics_token`. Without `post` the answer shows
    one-time codes; without `sandbox` there are no pages of it. `webhook_open` says that events may come from outside.
    """

    now: Clock
    new_id: NewId
    new_code: NewCode
    new_token: NewToken
    throttle: Throttle
    health_checks: Mapping[str, Callable[[], Awaitable[bool]]]
    public_url: str
    meter: RequestMeter
    scrape: Callable[[], Awaitable[bytes]]
    metrics_token: str

    accounts: AccountsUnitOfWork
    passwords: Passwords
    password_rules: PasswordRules
    mobile_numbers: MobileNumbers
    post: Post | None
    turns: Turns
    audit: AuditTrail
    tokens: AccessTokens
    revoked: RevokedSessions
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
    reply_meter: ReplyMeter
    room_list_cache: RoomListCache
    room_list_reads: SharedReads
    tickets: StreamTickets
    max_pending: int

    billing: BillingUnitOfWork
    basic_daily_limit: int
    payments: PaymentProvider
    sandbox: SandboxTill | None
    event_queue: EventQueue
    sandbox_events: EventQueue
    subscription_grace: timedelta
    frontend_url: str
    webhook_open: bool


# How a handler asks for them.
Ports = NamedDependency[HttpPorts]
